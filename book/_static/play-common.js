/* What the pages to play with share: unpacking, colours, maps. Plain JavaScript. */
window.PLAY = (function () {
  "use strict";

  const buffer = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

  // little-endian, as numpy wrote them
  function numbers(text, kind) {
    const view = new DataView(buffer(text)), size = kind === "Int16" ? 2 : 4;
    return Float64Array.from({ length: view.byteLength / size }, (_, k) => view[`get${kind}`](k * size, true));
  }

  // colour at part 0 … 1 of a list of "#rrggbb"
  function colour(stops, part) {
    const at = Math.min(1, Math.max(0, part)) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    const mixed = [1, 3, 5].map((i) => {
      const [a, b] = [stops[k], stops[k + 1]].map((c) => parseInt(c.slice(i, i + 2), 16));
      return Math.round(a + (at - k) * (b - a));
    });
    return `rgb(${mixed.join(",")})`;
  }

  const step = (centres) => Math.abs(centres[1] - centres[0]);

  // Draws cells, row-major from the north-west, and the coast; returns cell -> [x, y, width, height].
  function map(canvas, grid, fill) {
    const { lat, lon, coast } = grid;
    const dx = step(lon), dy = step(lat), rows = lat.length, columns = lon.length;
    const tall = (dy * rows) / (dx * columns * Math.cos((lat[0] + lat[rows - 1]) / 2 * Math.PI / 180));
    const width = canvas.clientWidth, height = Math.round(width * tall);
    const sharp = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    const c = canvas.getContext("2d");
    c.scale(sharp, sharp);
    const X = (l) => (l - lon[0] + dx / 2) / (dx * columns) * width;
    const Y = (p) => (lat[0] + dy / 2 - p) / (dy * rows) * height;
    for (let n = 0; n < rows * columns; n += 1) {
      const [r, k] = [Math.floor(n / columns), n % columns];
      const [x, x2] = [k, k + 1].map((i) => Math.round(i * canvas.width / columns) / sharp);
      const [y, y2] = [r, r + 1].map((i) => Math.round(i * canvas.height / rows) / sharp);
      c.fillStyle = fill(n);
      c.fillRect(x, y, x2 - x, y2 - y);  // whole pixels: no seams
    }
    c.strokeStyle = "rgba(0,0,0,0.75)";
    c.lineWidth = 0.8;
    coast.forEach((line) => {
      c.beginPath();
      for (let k = 0; k < line.length; k += 2) { c.lineTo(X(line[k]), Y(line[k + 1])); }
      c.stroke();
    });
    return { c, cell: (r, k) => [k * width / columns, r * height / rows, width / columns, height / rows] };
  }

  function cellAt(canvas, grid, event) {
    const box = canvas.getBoundingClientRect();
    const part = (x, length) => Math.min(length - 1, Math.max(0, Math.floor(x * length)));
    const r = part((event.clientY - box.top) / box.height, grid.lat.length);
    return r * grid.lon.length + part((event.clientX - box.left) / box.width, grid.lon.length);
  }

  const degrees = (x, plus, minus) => `${Math.abs(x)}°${x < 0 ? ` ${minus}` : x > 0 ? ` ${plus}` : ""}`;
  const place = (lat, lon) => `${degrees(lat, "N", "S")}, ${degrees(lon, "E", "W")}`;

  function scale(element, stops, low, high) {
    const [first, bar, last] = element.children;
    first.textContent = low;
    bar.style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    last.textContent = high;
  }

  // Calls draw now and whenever the width of root changes.
  function onWidth(root, draw) {
    let wide = 0;
    new ResizeObserver(() => {
      if (root.clientWidth !== wide) { wide = root.clientWidth; draw(); }
    }).observe(root);
    root.hidden = false;
    draw();
  }

  const picker = (root) => (name) => root.querySelector(`[data-part="${name}"]`);

  return { numbers, colour, map, cellAt, place, scale, onWidth, picker };
}());
