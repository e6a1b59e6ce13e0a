/* The page "Explore the learned graph". Plain JavaScript; the data is in learned-graph-data.js. */
(function () {
  "use strict";
  const root = document.getElementById("learned-graph");
  const graphs = window.LEARNED_GRAPHS;
  if (!root || !graphs) { return; }

  const COLOURS = ["#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#081d58"];
  const LOW = -2, HIGH = 2;  // ends of the colours: 0.01 and 100 times the uniform weight
  const STRONGEST = 8;
  const LEFT = 64, RIGHT = 12;  // of the map, pixels
  const SVG = "http://www.w3.org/2000/svg";
  const pick = (name) => root.querySelector(`[data-part="${name}"]`);
  const state = { set: Object.keys(graphs)[0], run: 0, side: "row", cell: 0 };
  const matrices = new Map();

  /* ---- the graph */

  function embedding(run, nodes) {
    const bytes = Uint8Array.from(atob(run.embedding), (c) => c.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const size = bytes.length / 2 / nodes;
    return Array.from({ length: nodes }, (_, n) =>
      Float64Array.from({ length: size }, (_, e) => view.getInt16(2 * (n * size + e), true) * run.scale));
  }

  // softmax(relu(E Eᵀ)), rows receive
  function adjacency(run, nodes) {
    const E = embedding(run, nodes);
    return E.map((e) => {
      const similar = E.map((other) => Math.max(0, e.reduce((sum, x, k) => sum + x * other[k], 0)));
      const top = Math.max(...similar);
      const weights = similar.map((s) => Math.exp(s - top));
      const total = weights.reduce((a, b) => a + b);
      return weights.map((w) => w / total);
    });
  }

  function matrix() {
    const run = graph().runs[state.run];
    if (!matrices.has(run.key)) { matrices.set(run.key, adjacency(run, nodes())); }
    return matrices.get(run.key);
  }

  const graph = () => graphs[state.set];
  const nodes = () => graph().lat.length * graph().lon.length;
  const row = (n) => Math.floor(n / graph().lon.length);
  const column = (n) => n % graph().lon.length;
  const place = (n) => [graph().lat[row(n)], graph().lon[column(n)]];

  function weights() {
    const a = matrix();
    return state.side === "row" ? a[state.cell] : a.map((r) => r[state.cell]);
  }

  function kilometres(n, m) {  // haversine
    const [[lat, lon], [lat2, lon2]] = [place(n), place(m)].map((p) => p.map((x) => x * Math.PI / 180));
    const h = Math.sin((lat2 - lat) / 2) ** 2 + Math.cos(lat) * Math.cos(lat2) * Math.sin((lon2 - lon) / 2) ** 2;
    return 2 * 6371 * Math.asin(Math.sqrt(Math.min(1, h)));
  }

  /* ---- writing and drawing */

  const degrees = (x, plus, minus) => `${Math.abs(x)}°${x < 0 ? ` ${minus}` : x > 0 ? ` ${plus}` : ""}`;
  const named = (n) => `${degrees(place(n)[0], "N", "S")}, ${degrees(place(n)[1], "E", "W")}`;
  const number = (x) => (x >= 0.01 ? x.toFixed(3) : x.toPrecision(2));

  function colour(relative) {
    const at = (Math.log10(relative) - LOW) / (HIGH - LOW) * (COLOURS.length - 1);
    const k = Math.min(COLOURS.length - 2, Math.max(0, Math.floor(at)));
    const part = Math.min(1, Math.max(0, at - k));
    const rgb = [1, 3, 5].map((i) => {
      const [a, b] = [COLOURS[k], COLOURS[k + 1]].map((c) => parseInt(c.slice(i, i + 2), 16));
      return Math.round(a + part * (b - a));
    });
    return `rgb(${rgb.join(",")})`;
  }

  function draw(parent, kind, attributes, text) {
    const element = document.createElementNS(SVG, kind);
    Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
    if (text !== undefined) { element.textContent = text; }
    parent.appendChild(element);
    return element;
  }

  const edge = (centres, k) => centres[k] + (k ? 1 : -1) * Math.abs(centres[1] - centres[0]) / 2;

  function frame(width) {  // degrees -> pixels, the same scale in km both ways at the middle latitude
    const { lat, lon } = graph();
    const west = edge(lon, 0), east = lon[lon.length - 1] + Math.abs(lon[1] - lon[0]) / 2;
    const north = lat[0] + Math.abs(lat[1] - lat[0]) / 2;
    const south = lat[lat.length - 1] - Math.abs(lat[1] - lat[0]) / 2;
    const left = LEFT, x = (width - left - RIGHT) / (east - west);
    const y = x / Math.cos((north + south) / 2 * Math.PI / 180);
    return {
      west, east, north, south, left,
      bottom: 6 + (north - south) * y,
      X: (l) => left + (l - west) * x,
      Y: (p) => 6 + (north - p) * y,
    };
  }

  function ticks(low, high) {
    const step = [1, 2, 5, 10, 20].find((s) => (high - low) / s <= 5);
    const found = [];
    for (let t = Math.ceil(low / step) * step; t <= high; t += step) { found.push(t); }
    return found;
  }

  function drawMap() {
    const svg = pick("map");
    const width = Math.max(260, Math.min(760, root.clientWidth));
    const f = frame(width);
    const { lat, lon, coast } = graph();
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${f.bottom + 44}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", f.bottom + 44);
    const [dy, dx] = [Math.abs(lat[1] - lat[0]), Math.abs(lon[1] - lon[0])];
    const cells = draw(svg, "g", { "shape-rendering": "crispEdges" });
    for (let n = 0; n < nodes(); n += 1) {
      const [p, l] = place(n);
      const cell = draw(cells, "rect", {
        x: f.X(l - dx / 2), y: f.Y(p + dy / 2), width: f.X(l + dx / 2) - f.X(l - dx / 2),
        height: f.Y(p - dy / 2) - f.Y(p + dy / 2), "data-node": n,
      });
      draw(cell, "title", {});
    }
    const clip = draw(draw(svg, "defs", {}), "clipPath", { id: "learned-graph-clip" });
    const box = { x: f.X(f.west), y: 6, width: f.X(f.east) - f.left, height: f.bottom - 6 };
    draw(clip, "rect", box);
    const lines = draw(svg, "g", { "clip-path": "url(#learned-graph-clip)", "pointer-events": "none" });
    coast.forEach((line) => {
      const points = [];
      for (let k = 0; k < line.length; k += 2) { points.push(`${f.X(line[k]).toFixed(1)},${f.Y(line[k + 1]).toFixed(1)}`); }
      draw(lines, "polyline", { points: points.join(" "), fill: "none", stroke: "#111", "stroke-width": 1 });
    });
    draw(svg, "rect", { ...box, fill: "none", stroke: "#444", "pointer-events": "none" });
    const text = { fill: "#222", "font-size": 13 };
    ticks(f.west, f.east).filter((t) => f.X(t) < width - 30).forEach((t) => draw(svg, "text", { ...text, x: f.X(t), y: f.bottom + 17, "text-anchor": "middle" }, degrees(t, "E", "W")));
    ticks(f.south, f.north).forEach((t) => draw(svg, "text", { ...text, x: f.left - 4, y: f.Y(t) + 4, "text-anchor": "end" }, degrees(t, "N", "S")));
    draw(svg, "text", { ...text, x: (f.left + width - RIGHT) / 2, y: f.bottom + 37, "text-anchor": "middle" }, "longitude");
    const half = (6 + f.bottom) / 2;
    draw(svg, "text", { ...text, x: 14, y: half, "text-anchor": "middle", transform: `rotate(-90 14 ${half})` }, "latitude");
    draw(svg, "g", { "data-part": "marks", "pointer-events": "none" });
    drawScale(width);
    show();
  }

  function drawScale(width) {
    const svg = pick("scale");
    const left = LEFT, wide = width - left - RIGHT;
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} 56`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", 56);
    const steps = 80;
    for (let k = 0; k < steps; k += 1) {
      const power = LOW + (k + 0.5) / steps * (HIGH - LOW);
      draw(svg, "rect", { x: left + k * wide / steps, y: 0, width: wide / steps + 0.5, height: 14, fill: colour(10 ** power) });
    }
    for (let power = LOW; power <= HIGH; power += 1) {
      const end = power === LOW ? "≤ " : power === HIGH ? "≥ " : "";
      draw(svg, "text", {
        x: left + (power - LOW) / (HIGH - LOW) * wide, y: 30, fill: "#222", "font-size": 13,
        "text-anchor": power === LOW ? "start" : power === HIGH ? "end" : "middle",
      }, end + 10 ** power);
    }
    draw(svg, "text", { x: left + wide / 2, y: 50, fill: "#222", "font-size": 13, "text-anchor": "middle" }, "weight × N (1: as in a uniform graph)");
  }

  function show() {
    const w = weights(), N = nodes(), own = state.cell, run = graph().runs[state.run];
    root.weights = w;  // for the check of the built book
    pick("map").querySelectorAll("rect[data-node]").forEach((cell, n) => {
      cell.setAttribute("fill", colour(w[n] * N));
      cell.firstChild.textContent = `${named(n)}: ${number(w[n])}`;
    });
    const order = w.map((_, n) => n).filter((n) => n !== own).sort((a, b) => w[b] - w[a]).slice(0, STRONGEST);
    const f = frame(Number(pick("map").getAttribute("width")));
    const marks = pick("map").querySelector('[data-part="marks"]');
    marks.replaceChildren();
    order.forEach((n) => draw(marks, "circle", { cx: f.X(place(n)[1]), cy: f.Y(place(n)[0]), r: 5, fill: "none", stroke: "#d55e00", "stroke-width": 2.5 }));
    const [x, y] = [f.X(place(own)[1]), f.Y(place(own)[0])];
    const cross = `M${x - 6},${y - 6}L${x + 6},${y + 6}M${x - 6},${y + 6}L${x + 6},${y - 6}`;
    draw(marks, "path", { d: cross, stroke: "#000", "stroke-width": 6 });
    draw(marks, "path", { d: cross, stroke: "#f0e442", "stroke-width": 3 });

    const total = w.reduce((a, b) => a + b);
    const far = w.reduce((sum, x, n) => sum + (kilometres(own, n) > graph().far ? x : 0), 0) / total;
    const uniform = w.reduce((sum, _, n) => sum + (kilometres(own, n) > graph().far ? 1 : 0), 0) / N;
    const listens = state.side === "row";
    pick("said").textContent = `Cell at ${named(own)}. Its weight for itself is ${number(w[own])}; a uniform graph's would be ${number(1 / N)}. `
      + (listens
        ? "Its row adds up to 1. "
        : `The weights of all cells for it add up to ${total.toFixed(2)}. `)
      + `Beyond ${graph().far} km lie ${Math.round(100 * far)} % of this; of a uniform graph it would be ${Math.round(100 * uniform)} %. `
      + `The ${STRONGEST} ${listens ? "cells it listens to most" : "cells that listen to it most"}, itself left out (circles):`;
    pick("list").replaceChildren(...order.map((n) => {
      const line = document.createElement("tr");
      [named(n), `${Math.round(kilometres(own, n))} km`, number(w[n]), (w[n] * N).toFixed(1)].forEach((cell) => {
        line.appendChild(document.createElement("td")).textContent = cell;
      });
      return line;
    }));
    pick("error").textContent = `Embeddings are packed in 16 bits here: no weight of this graph is further than ${Math.max(0.001, 100 * run.error).toFixed(3)} % from the recorded one. Run ${run.key}.`;
  }

  /* ---- what the reader does */

  function move(down, right) {
    const r = Math.min(graph().lat.length - 1, Math.max(0, row(state.cell) + down));
    const c = Math.min(graph().lon.length - 1, Math.max(0, column(state.cell) + right));
    state.cell = r * graph().lon.length + c;
    show();
  }

  function choose(set) {
    state.set = set;
    pick("run").replaceChildren(...graph().runs.map((run, k) => new Option(run.label, k)));
    state.run = Math.min(state.run, graph().runs.length - 1);
    pick("run").value = state.run;
    state.cell = Math.floor(graph().lat.length / 2) * graph().lon.length + Math.floor(graph().lon.length / 2);
    drawMap();
  }

  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  pick("map").addEventListener("keydown", (event) => {
    if (ARROWS[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      move(...ARROWS[event.key]);
    }
  });
  pick("map").addEventListener("click", (event) => {
    const cell = event.target.closest("rect[data-node]");
    if (cell) { state.cell = Number(cell.dataset.node); show(); }
  });
  pick("set").replaceChildren(...Object.entries(graphs).map(([name, g]) => new Option(g.title, name)));
  pick("set").addEventListener("change", (event) => choose(event.target.value));
  pick("run").addEventListener("change", (event) => { state.run = Number(event.target.value); show(); });
  pick("side").addEventListener("change", (event) => { state.side = event.target.value; show(); });
  let wide = 0;
  new ResizeObserver(() => {
    if (root.clientWidth !== wide) { wide = root.clientWidth; drawMap(); }
  }).observe(root);
  root.hidden = false;
  choose(state.set);
}());
