/* The page "What one cell reaches". Data: play-reach-data.js; helpers: play-common.js. */
(function () {
  "use strict";
  const root = document.getElementById("play-reach");
  const data = window.PLAY_REACH, P = window.PLAY;
  if (!root || !data || !P) { return; }

  const COLOURS = ["#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#081d58"];
  const LEAST = 0.001;  // share of the weight from which on a cell counts as read
  const OPERATORS = ["convolution", "graph", "lsconv"];
  const pick = P.picker(root);
  const rows = data.lat.length, columns = data.lon.length, N = rows * columns;
  const values = P.numbers(data.embedding, "Float32"), size = values.length / N;
  const state = { cell: Math.floor(rows / 2) * columns + Math.floor(columns / 2) };
  const row = (n) => Math.floor(n / columns), column = (n) => n % columns;
  const nodes = Array.from({ length: N }, (_, n) => n);

  /* ---- the operators */

  const similar = nodes.map((n) => nodes.map((m) => {
    let sum = 0;
    for (let e = 0; e < size; e += 1) { sum += values[n * size + e] * values[m * size + e]; }
    return Math.max(0, sum);
  }));

  function kilometres(n, m) {  // haversine
    const rad = Math.PI / 180;
    const [a, b] = [data.lat[row(n)] * rad, data.lat[row(m)] * rad];
    const turn = (data.lon[column(m)] - data.lon[column(n)]) * rad;
    const h = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(turn / 2) ** 2;
    return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, h)));
  }
  const km = nodes.map((n) => nodes.map((m) => kilometres(n, m)));

  // softmax(relu(E Eᵀ) / τ), rows receive; links longer than the cut are 0
  const adjacency = (tau, cut) => similar.map((s, n) => {
    const top = Math.max(...s);
    const weights = s.map((x) => Math.exp((x - top) / tau));
    const total = weights.reduce((a, b) => a + b);
    return weights.map((w, m) => (km[n][m] <= cut + 1e-3 ? w / total : 0));
  });

  // v K: a uniform k×k kernel, zeros outside the map
  function kernel(v, k) {
    const r = (k - 1) / 2, out = new Float64Array(N);
    nodes.forEach((n) => {
      for (let i = Math.max(0, row(n) - r); i <= Math.min(rows - 1, row(n) + r); i += 1) {
        for (let j = Math.max(0, column(n) - r); j <= Math.min(columns - 1, column(n) + r); j += 1) {
          out[i * columns + j] += v[n] / (k * k);
        }
      }
    });
    return out;
  }

  // v (I + A)
  function graph(v, A) {
    const out = Float64Array.from(v);
    nodes.forEach((n) => { if (v[n]) { nodes.forEach((m) => { out[m] += v[n] * A[n][m]; }); } });
    return out;
  }

  // Row of the operator to the power of the depth, as shares of its sum.
  function reach(operator, set, A) {
    let v = new Float64Array(N);
    v[state.cell] = 1;
    for (let layer = 0; layer < set.depth; layer += 1) {
      if (operator !== "graph") { v = kernel(v, set.kernel); }
      if (operator !== "convolution") { v = graph(v, A); }
    }
    const total = v.reduce((a, b) => a + b);
    return Array.from(v, (x) => x / total);
  }

  /* ---- writing and drawing */

  const percent = (x) => `${(100 * x).toFixed(1)} %`;
  const LOW = Math.log10(LEAST);
  const fill = (share) => (share < LEAST ? "#ffffff" : P.colour(COLOURS, 1 - Math.log10(share) / LOW));

  function settings() {
    const cut = Number(pick("cut").value), whole = cut >= Number(pick("cut").max);
    return {
      kernel: Number(pick("kernel").value), depth: Number(pick("depth").value),
      tau: 2 ** Number(pick("tau").value), cut, whole,
    };
  }

  function show() {
    const set = settings(), own = state.cell, A = adjacency(set.tau, set.cut);
    const radius = set.depth * (set.kernel - 1) / 2;
    const within = (n) => Math.abs(row(n) - row(own)) <= radius && Math.abs(column(n) - column(own)) <= radius;
    const result = {};
    pick("tau-value").textContent = `τ = ${Number(set.tau.toFixed(2))}`;
    pick("cut-value").textContent = set.whole ? "none" : `${set.cut} km`;
    OPERATORS.forEach((operator) => {
      const shares = reach(operator, set, A);
      const read = shares.filter((s) => s >= LEAST).length;
      const beyond = shares.reduce((sum, s, n) => sum + (within(n) ? 0 : s), 0);
      result[operator] = { shares, read, beyond };
      const { c, cell } = P.map(pick(operator), data, (n) => fill(shares[n]));
      const [x, y, w, h] = cell(row(own), column(own));
      c.lineWidth = 1.5;
      c.strokeStyle = "#d55e00";
      c.strokeRect(x - radius * w, y - radius * h, w * (2 * radius + 1), h * (2 * radius + 1));
      c.lineWidth = 4;
      c.strokeStyle = "#000";
      c.strokeRect(x + 1, y + 1, w - 2, h - 2);
      c.lineWidth = 2;
      c.strokeStyle = "#f0e442";
      c.strokeRect(x + 1, y + 1, w - 2, h - 2);
      pick(`${operator}-read`).textContent = `${read} cells, ${percent(beyond)} outside`;
    });
    root.shown = { cell: own, ...set, ...result };  // for the check of the built book
    const side = 2 * radius + 1;
    pick("said").textContent = `The cell at ${P.place(data.lat[row(own)], data.lon[column(own)])} reads, of ${N} cells, `
      + `${result.convolution.read} through the convolution, ${result.graph.read} through the graph and ${result.lsconv.read} through LS-Conv. `
      + `Outside the ${side} × ${side} cells of the kernel (orange) lie ${percent(result.lsconv.beyond)} of LS-Conv's weight, `
      + `${percent(result.graph.beyond)} of the graph's.`;
  }

  /* ---- what the reader does */

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  OPERATORS.forEach((operator) => {
    pick(operator).addEventListener("keydown", (event) => {
      if (!ARROWS[event.key] || event.ctrlKey || event.metaKey || event.altKey) { return; }
      event.preventDefault();
      const [down, right] = ARROWS[event.key];
      const r = Math.min(rows - 1, Math.max(0, row(state.cell) + down));
      state.cell = r * columns + Math.min(columns - 1, Math.max(0, column(state.cell) + right));
      show();
    });
    pick(operator).addEventListener("click", (event) => {
      state.cell = P.cellAt(pick(operator), data, event);
      show();
    });
  });
  const largest = Math.max(...km.map((r) => Math.max(...r)));
  pick("cut").max = Math.ceil(largest / 250) * 250;
  pick("cut").value = pick("cut").max;
  ["kernel", "depth", "tau", "cut"].forEach((name) => pick(name).addEventListener("input", show));
  P.scale(pick("scale"), COLOURS, "0.1 %", "100 % of the weight");
  P.onWidth(root, show);
}());
