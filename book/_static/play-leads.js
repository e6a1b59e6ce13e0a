/* The page "Scores by lead". Data: play-leads-data.js; helpers: play-common.js. */
(function () {
  "use strict";
  const root = document.getElementById("play-leads");
  const data = window.PLAY_LEADS, P = window.PLAY;
  if (!root || !data || !P) { return; }

  const SVG = "http://www.w3.org/2000/svg";
  const pick = P.picker(root);
  const sets = Object.keys(data.sets);
  const LEFT = 46, TOP = 24, BOTTOM = 38, HEIGHT = 300, RIGHT = 10;
  const on = new Set(data.start);

  function draw(parent, kind, attributes, text) {
    const element = document.createElementNS(SVG, kind);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    if (text !== undefined) { element.textContent = text; }
    parent.appendChild(element);
    return element;
  }

  const score = () => data.scores[pick("score").value];
  const minus = () => pick("minus").checked;
  const signed = (x, digits) => (x < 0 ? "−" : minus() ? "+" : "") + Math.abs(x).toFixed(digits);

  // mean over seeds by lead, as shown: itself, or minus ridge's
  function curve(set, label) {
    const rows = data.sets[set].rows, name = pick("score").value;
    const less = minus() ? rows[data.ridge][name].mean : null;
    return rows[label][name].mean.map((x, k) => x - (less ? less[k] : 0));
  }

  function written(set, label, k) {
    const { spread } = data.sets[set].rows[label][pick("score").value];
    const mean = signed(curve(set, label)[k], score().digits);
    return spread ? `${mean} ± ${spread[k].toFixed(score().digits)}` : mean;
  }

  function ticks(low, high) {
    const rough = (high - low) / 5, ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((s) => s * ten).find((s) => s >= rough);
    const found = [];
    for (let t = Math.ceil(low / step); t * step <= high; t += 1) { found.push(t * step); }
    return [found, Math.max(0, -Math.floor(Math.log10(step)))];
  }

  function chart(set) {
    const svg = pick(`chart-${set}`), leads = data.sets[set].leads;
    const width = Math.max(220, svg.parentElement.clientWidth);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.setAttribute("height", HEIGHT);
    svg.replaceChildren();
    const labels = [...on], k = Number(pick("lead").value) - 1;
    const all = labels.flatMap((l) => curve(set, l).flatMap((x, i) => {
      const { spread } = data.sets[set].rows[l][pick("score").value];
      return [x - (spread ? spread[i] : 0), x + (spread ? spread[i] : 0)];
    }));
    if (minus()) { all.push(0); }
    let [low, high] = all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
    if (high - low < 1e-9) { [low, high] = [low - 0.5, high + 0.5]; }
    [low, high] = [low - 0.04 * (high - low), high + 0.04 * (high - low)];
    const X = (i) => LEFT + 8 + i / (leads.length - 1) * (width - LEFT - RIGHT - 16);
    const Y = (x) => TOP + (high - x) / (high - low) * (HEIGHT - TOP - BOTTOM);
    const end = HEIGHT - BOTTOM;
    draw(svg, "text", { x: 0, y: 13, "font-weight": "bold" }, `${set}: ${score().title}${minus() ? " minus ridge's" : ""}`);
    const [found, digits] = ticks(low, high);
    found.forEach((t) => {
      draw(svg, "line", { x1: LEFT, x2: width - RIGHT, y1: Y(t), y2: Y(t), class: Math.abs(t) < 1e-12 && minus() ? "axis" : "grid" });
      draw(svg, "text", { x: LEFT - 5, y: Y(t) + 4, "text-anchor": "end" }, signed(t, digits));
    });
    draw(svg, "path", { d: `M${LEFT},${TOP}V${end}H${width - RIGHT}`, class: "axis" });
    leads.forEach((l, i) => draw(svg, "text", { x: X(i), y: end + 16, "text-anchor": "middle" }, l));
    draw(svg, "text", { x: (LEFT + width - RIGHT) / 2, y: end + 33, "text-anchor": "middle" }, "lead (h)");
    draw(svg, "line", { x1: X(k), x2: X(k), y1: TOP, y2: end, class: "guide" });
    const lines = draw(svg, "g", { class: "lines" });
    labels.forEach((label) => {
      const { colour, dash } = data.looks[label], values = curve(set, label);
      const { spread } = data.sets[set].rows[label][pick("score").value];
      const group = draw(lines, "g", { stroke: colour, fill: "none", "stroke-width": 2, "data-label": label });
      draw(group, "polyline", { points: values.map((x, i) => `${X(i)},${Y(x)}`).join(" "), "stroke-dasharray": dash });
      values.forEach((x, i) => {
        if (spread) { draw(group, "line", { x1: X(i), x2: X(i), y1: Y(x - spread[i]), y2: Y(x + spread[i]), "stroke-width": 1 }); }
        draw(draw(group, "circle", { cx: X(i), cy: Y(x), r: i === k ? 4.5 : 2.5, fill: colour }), "title", {},
          `${label}, ${leads[i]} h: ${written(set, label, i)}`);
      });
    });
    svg.onpointermove = (event) => {
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left) / box.width * width;
      const i = leads.map((_, j) => Math.abs(X(j) - at)).reduce((best, d, j, list) => (d < list[best] ? j : best), 0);
      if (i !== Number(pick("lead").value) - 1) { pick("lead").value = i + 1; show(); }
    };
  }

  function show() {
    const k = Number(pick("lead").value) - 1, name = pick("score").value;
    sets.forEach(chart);
    const hours = sets.map((set) => `${data.sets[set].leads[k]} h`);
    pick("lead-value").textContent = hours.join(" / ");
    pick("lead").setAttribute("aria-valuetext", sets.map((s, i) => `${s} ${hours[i]}`).join(", "));
    const numbers = {};
    pick("rows").querySelectorAll("tr").forEach((line) => {
      const label = line.dataset.label;
      line.classList.toggle("off", !on.has(label));
      sets.forEach((set, i) => { line.children[i + 1].textContent = written(set, label, k); });
      numbers[label] = sets.map((set) => curve(set, label)[k]);
    });
    pick("heads").querySelectorAll("th").forEach((head, i) => { if (i) { head.textContent = `${sets[i - 1]}, ${hours[i - 1]}`; } });
    root.shown = { score: name, minus: minus(), lead: k, on: [...on], numbers };
    const best = (set) => [...on].reduce((a, b) => {
      const [x, y] = [a, b].map((l) => curve(set, l)[k]);
      return (score().lower ? y < x : y > x) ? b : a;
    });
    pick("said").textContent = on.size
      ? sets.map((set, i) => `${set}, ${hours[i]} ahead: ${score().lower ? "lowest" : "highest"} ${score().title} of those shown: ${best(set)}, ${written(set, best(set), k)}.`).join(" ")
      : "No model is chosen.";
  }

  pick("score").replaceChildren(...Object.entries(data.scores).map(([name, s]) => new Option(s.title, name)));
  pick("lead").max = data.sets[sets[0]].leads.length;
  pick("rows").replaceChildren(...Object.keys(data.looks).map((label) => {
    const line = document.createElement("tr");
    line.dataset.label = label;
    const name = line.appendChild(document.createElement("td")).appendChild(document.createElement("label"));
    const box = name.appendChild(document.createElement("input"));
    box.type = "checkbox";
    box.checked = on.has(label);
    box.addEventListener("input", () => { on[box.checked ? "add" : "delete"](label); show(); });
    const swatch = name.appendChild(document.createElement("span"));
    swatch.className = "swatch";
    swatch.style.borderColor = data.looks[label].colour;
    if (data.looks[label].dash !== "none") { swatch.style.borderTopStyle = "dashed"; }
    name.append(label);
    sets.forEach(() => line.appendChild(document.createElement("td")));
    return line;
  }));
  ["score", "minus", "lead"].forEach((name) => pick(name).addEventListener("input", show));
  P.onWidth(root, show);
}());
