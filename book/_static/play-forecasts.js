/* The page "Watch a forecast". Data: play-forecasts-*.js, one a data set; helpers: play-common.js. */
(function () {
  "use strict";
  const root = document.getElementById("play-forecasts");
  const data = window.PLAY_FORECASTS, P = window.PLAY;
  if (!root || !data || !P) { return; }

  const pick = P.picker(root);
  const unpacked = new Map();

  // hundredths of a kelvin -> (lead, cell), K
  function frames(packed, cells) {
    if (!unpacked.has(packed)) {
      const all = P.numbers(packed.values, "Int16").map((x) => packed.offset + x / 100);
      unpacked.set(packed, Array.from({ length: all.length / cells }, (_, k) => all.subarray(k * cells, (k + 1) * cells)));
    }
    return unpacked.get(packed);
  }

  const options = (name, list) => {
    const before = pick(name).value;
    pick(name).replaceChildren(...list.map(([value, text]) => new Option(text, value)));
    if (list.some(([value]) => value === before)) { pick(name).value = before; }
  };

  function show() {
    const name = pick("set").value, set = data[name], it = set.cases[pick("case").value];
    const label = pick("model").value, model = it.models[label], k = Number(pick("lead").value) - 1;
    const cells = set.lat.length * set.lon.length;
    const truth = frames(it.truth, cells)[k], forecast = frames(model, cells);
    const shown = forecast[Math.min(k, forecast.length - 1)];  // persistence has one frame
    const { low, high, worst } = it;
    const lead = `${set.leads[k]} h`;
    const kelvin = (x) => P.colour(data.colours.temperature, (x - low) / (high - low));
    P.map(pick("truth"), set, (n) => kelvin(truth[n]));
    P.map(pick("forecast"), set, (n) => kelvin(shown[n]));
    P.map(pick("difference"), set, (n) => P.colour(data.colours.difference, (shown[n] - truth[n] + worst) / (2 * worst)));
    P.scale(pick("temperature-scale"), data.colours.temperature, low.toFixed(0), `${high.toFixed(0)} K`);
    P.scale(pick("difference-scale"), data.colours.difference, `≤ −${worst.toFixed(1)}`, `≥ ${worst.toFixed(1)} K`);
    pick("lead-value").textContent = `${lead} ahead`;
    pick("lead").setAttribute("aria-valuetext", `${lead} ahead`);
    pick("forecast-name").textContent = label;
    const mae = model.mae[k], still = it.models[set.persistence].mae[k];
    pick("said").textContent = `${name}, ${pick("case").value} case, last input ${it.time} UTC, ${lead} ahead: `
      + `MAE of ${label} ${mae.toFixed(3)} K`
      + (label === set.persistence ? "." : `; of no change at all (persistence) ${still.toFixed(3)} K.`);
    const drawn = shown.reduce((sum, x, n) => sum + Math.abs(x - truth[n]), 0) / cells;
    root.shown = { set: name, case: pick("case").value, model: label, lead: k, mae, drawn, truth: [...truth], forecast: [...shown] };
  }

  function choose() {
    const set = data[pick("set").value];
    options("case", Object.keys(set.cases).map((c) => [c, c]));
    options("model", Object.keys(Object.values(set.cases)[0].models).map((m) => [m, m]));
    pick("lead").max = set.leads.length;
    show();
  }

  options("set", Object.keys(data).filter((k) => k !== "colours").map((k) => [k, data[k].title]));
  choose();
  pick("case").value = "extreme";
  pick("model").selectedIndex = pick("model").options.length - 1;
  pick("lead").value = 4;
  pick("set").addEventListener("input", choose);
  ["case", "model", "lead"].forEach((name) => pick(name).addEventListener("input", show));
  P.onWidth(root, show);
}());
