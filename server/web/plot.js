// Charts as SVG, drawn at the size they are shown. One chart is a list of marks over two axes:
//   {kind: "line" | "step", points: [[x, y]]}          {kind: "dots", points: [[x, y, text?]], size}
//   {kind: "band", points: [[x, low, high]]}           {kind: "bars", points: [[x, y]] or [[x0, x1, y]]}
//   {kind: "spans", points: [[x, low, high]]}           {kind: "lines", lines: [[[x, y], …], …]}
//   {kind: "hbars", points: [[length, name]]}          {kind: "rule", axis: "x" | "y", at, text, row}
//   {kind: "cells", cells: [[x0, x1, y0, y1, share, text]]}   share 0 to 1 is how strong the colour is
// each with `style` (s1 … s6, dim, bad, and thin, dash) and `name` (its place in the legend and in the CSV).

import { csv, download, el, number } from "./dom.js";
import { label, scale } from "./scale.js";

const NS = "http://www.w3.org/2000/svg";
const TABLE_ROWS = 200;

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined && value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/* ---- saving ---- */

const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "shape-rendering", "opacity", "font-size", "font-family", "font-weight"];

// A copy that looks the same without this page's style sheet.
function standalone(drawn) {
  const copy = drawn.cloneNode(true);
  const from = [drawn, ...drawn.querySelectorAll("*")];
  const to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of KEPT) {
      const value = style.getPropertyValue(name);
      if (value) to[i].setAttribute(name, value);
    }
    to[i].removeAttribute("class");
  });
  const { width, height } = drawn.viewBox.baseVal;
  copy.setAttribute("xmlns", NS);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(svg("rect", { width, height, fill: getComputedStyle(document.documentElement).getPropertyValue("--card").trim() }));
  return new XMLSerializer().serializeToString(copy);
}

export function saveSvg(drawn, name) {
  download(`${name}.svg`, new Blob([standalone(drawn)], { type: "image/svg+xml" }));
}

export async function savePng(drawn, name) {
  const { width, height } = drawn.viewBox.baseVal;
  const url = URL.createObjectURL(new Blob([standalone(drawn)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = el("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    download(`${name}.png`, await new Promise((resolve) => canvas.toBlob(resolve, "image/png")));
  } finally {
    URL.revokeObjectURL(url);
  }
}

/* ---- the frame around a drawing ---- */

const fileName = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";

// A figure with a heading, a sentence, buttons to save, and its data as a table. `draw(width)` gives the SVG or null,
// `data()` {columns, rows}, `describe()` the sentence that stands for the picture. Redraws when its width changes.
export function figure({ heading = "h2", title, note = "", draw, data, describe, empty = "Nothing to show yet.", id }) {
  const area = el("div", { class: "plot-area" });
  const words = el("p", { class: "plot-note" });
  const legend = el("div", { class: "plot-legend" });
  const rows = el("div");
  const details = el("details", { class: "plot-data", ontoggle: () => fillTable() }, el("summary", {}, "As a table"), rows);
  let drawn = null;
  let width = 0;
  let waiting = false;

  const name = fileName(title);
  const save = el("div", { class: "plot-save" },
    [["PNG", () => savePng(drawn, name)], ["SVG", () => saveSvg(drawn, name)],
      ["CSV", () => { const { columns, rows: lines } = data(); download(`${name}.csv`, new Blob([csv(columns, lines)], { type: "text/csv" })); }]]
      .map(([kind, act]) => el("button", { type: "button", onclick: act, "aria-label": `Save ${title} as ${kind}` }, kind)));
  const box = el("figure", { class: "plot", id },
    el("div", { class: "plot-head" }, el(heading, {}, title), save), words, area, legend, details);

  function fillTable() {
    if (!details.open) return rows.replaceChildren();
    const { columns, rows: lines } = data();
    const text = (cell) => (typeof cell === "number" ? number(cell, 5) : cell === null || cell === undefined ? "–" : typeof cell === "object" ? JSON.stringify(cell) : String(cell));
    return rows.replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: data` },
      el("table", {}, el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
        el("tbody", {}, lines.slice(0, TABLE_ROWS).map((line) => el("tr", {}, line.map((cell) => el("td", {}, text(cell)))))))),
    lines.length > TABLE_ROWS ? el("p", { class: "faint" }, `The first ${TABLE_ROWS} of ${lines.length} rows; the CSV has all.`) : "");
  }

  function redraw() {
    waiting = false;
    width = Math.floor(area.clientWidth);
    if (width < 40) return;
    const result = draw(width);
    drawn = result ? result.node : null;
    if (drawn) {
      drawn.setAttribute("role", "img");
      drawn.setAttribute("aria-label", `${title}. ${describe ? describe() : ""}`);
    }
    area.replaceChildren(drawn || el("p", { class: "plot-empty" }, typeof empty === "function" ? empty() : empty), ...(result && result.over ? [result.over] : []));
    legend.replaceChildren(...(result && result.legend ? result.legend : []));
    legend.hidden = legend.children.length === 0;
    const text = typeof note === "function" ? note() : note;
    words.textContent = text;
    words.hidden = !text;
    save.hidden = details.hidden = !drawn;
    if (details.open) fillTable();
  }

  // Many changes in one frame are one drawing.
  function update() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(redraw);
  }
  new ResizeObserver(() => { if (Math.abs(area.clientWidth - width) > 1) update(); }).observe(area);
  return { box, update };
}

/* ---- marks ---- */

function pathOf(points, x, y, step) {
  let path = "";
  let before = NaN;
  for (const [a, b] of points) {
    const px = x(a);
    const py = y(b);
    if (!Number.isFinite(px) || !Number.isFinite(py) || b === null) {
      before = NaN;
      continue;
    }
    path += Number.isNaN(before) ? `M${px.toFixed(1)} ${py.toFixed(1)}` : step ? `H${px.toFixed(1)}V${py.toFixed(1)}` : `L${px.toFixed(1)} ${py.toFixed(1)}`;
    before = py;
  }
  return path;
}

const clamp = (value, low, high) => Math.max(Math.min(low, high), Math.min(Math.max(low, high), value));

// A thousand dots are one path of lines without length, so they cost little to draw.
function dotsOf(points, x, y, edge) {
  let path = "";
  for (const [a, b] of points) {
    const px = x(a);
    const py = clamp(y(b), edge.top, edge.bottom);
    if (Number.isFinite(px) && Number.isFinite(py) && b !== null) path += `M${px.toFixed(1)} ${py.toFixed(1)}h0`;
  }
  return path;
}

function bandOf(points, x, y) {
  const good = points.filter(([a, low, high]) => Number.isFinite(x(a)) && Number.isFinite(y(low)) && Number.isFinite(y(high)) && low !== null);
  if (!good.length) return "";
  const up = good.map(([a, , high]) => `${x(a).toFixed(1)} ${y(high).toFixed(1)}`);
  const down = good.map(([a, low]) => `${x(a).toFixed(1)} ${y(low).toFixed(1)}`).reverse();
  return `M${up.join("L")}L${down.join("L")}Z`;
}

function barRects(mark, x, y, edge) {
  return mark.points.map((point) => {
    const ranged = point.length > 2 && typeof point[2] === "number";
    const from = ranged ? x(point[0]) : x(point[0]) - 0.4 * (x.width || 10);
    const to = ranged ? x(point[1]) : x(point[0]) + 0.4 * (x.width || 10);
    const top = y(ranged ? point[2] : point[1]);
    const width = Math.max(1, Math.abs(to - from) - (ranged ? 1 : 0));
    return svg("rect", { class: `solid ${mark.style || "s1"}`, x: Math.min(from, to).toFixed(1), y: Math.min(top, edge.bottom).toFixed(1), width: width.toFixed(1), height: Math.max(0, edge.bottom - top).toFixed(1) });
  });
}

// The ends of a cell along one axis; on an axis of names a cell is a whole place.
function cellEnds(from, to, at) {
  if (at.kind === "band") return [at(from) - at.width / 2, at(from) + at.width / 2];
  return [Math.min(at(from), at(to)), Math.max(at(from), at(to))];
}

function cellRect([x0, x1, y0, y1, share], x, y, style) {
  const [left, right] = cellEnds(x0, x1, x);
  const [top, bottom] = cellEnds(y0, y1, y);
  return svg("rect", { class: `solid ${style}`, "fill-opacity": (0.03 + 0.8 * share).toFixed(3), "shape-rendering": "crispEdges", x: left.toFixed(2), y: top.toFixed(2), width: (right - left).toFixed(2), height: (bottom - top).toFixed(2) });
}

function draw(mark, x, y, edge) {
  const style = mark.style || "s1";
  switch (mark.kind) {
    case "line":
    case "step":
      return [svg("path", { class: `line ${style}`, d: pathOf(mark.points, x, y, mark.kind === "step") })];
    case "dots":
      return [svg("path", { class: `dots ${style}`, "stroke-width": mark.size || 6, d: dotsOf(mark.points, x, y, edge) })];
    case "band":
      return [svg("path", { class: `band ${style}`, d: bandOf(mark.points, x, y) })];
    case "spans":
      return [svg("path", { class: `line ${style}`, d: mark.points.filter(([a, low]) => Number.isFinite(x(a)) && low !== null).map(([a, low, high]) => `M${x(a).toFixed(1)} ${clamp(y(low), edge.top, edge.bottom).toFixed(1)}V${clamp(y(high), edge.top, edge.bottom).toFixed(1)}`).join("") })];
    case "lines":
      return [svg("path", { class: `line ${style}`, d: mark.lines.map((points) => pathOf(points, x, y, false)).join("") })];
    case "bars":
      return barRects(mark, x, y, edge);
    case "hbars":
      return mark.points.map(([length, name]) => svg("rect", { class: `solid ${style}`, x: edge.left, y: (y(name) - 0.34 * y.width).toFixed(1), width: Math.max(0, x(length) - edge.left).toFixed(1), height: (0.68 * y.width).toFixed(1), rx: 2 }));
    case "cells":
      return mark.cells.filter((cell) => Number.isFinite(cell[4])).map((cell) => cellRect(cell, x, y, style));
    case "rule": {
      const at = mark.axis === "x" ? x(mark.at) : y(mark.at);
      if (!Number.isFinite(at)) return [];
      const line = mark.axis === "x" ? { x1: at, x2: at, y1: edge.top, y2: edge.bottom } : { x1: edge.left, x2: edge.right, y1: at, y2: at };
      const right = mark.axis === "x" && at > edge.right - 60;
      const place = mark.axis === "x" ? { x: at + (right ? -4 : 4), y: edge.top + 10 + 13 * (mark.row || 0), "text-anchor": right ? "end" : "start" } : { x: edge.right - 4, y: at - 4, "text-anchor": "end" };
      return [svg("line", { class: `rule ${style === "s1" ? "" : style}`, ...line }), ...(mark.text ? [svg("text", place, mark.text)] : [])];
    }
    default:
      return [];
  }
}

function key(mark) {
  const style = mark.style || "s1";
  const sign = mark.kind === "spans" ? svg("path", { class: `line ${style}`, d: "M9 0V10" }) : mark.kind === "lines" ? svg("path", { class: `line ${style}`, d: "M1 5H17" }) : mark.kind === "dots" ? svg("path", { class: `dots ${style}`, "stroke-width": 7, d: "M9 5h0" })
    : mark.kind === "rule" ? svg("line", { class: `rule ${style}`, x1: 1, x2: 17, y1: 5, y2: 5 }) : mark.kind === "line" || mark.kind === "step" ? svg("path", { class: `line ${style}`, d: "M1 5H17" })
      : svg("rect", { class: `${mark.kind === "band" ? "band" : "solid"} ${style}`, x: 2, y: 0, width: 14, height: 10 });
  return el("span", {}, svg("svg", { class: "plot", viewBox: "0 0 18 10", "aria-hidden": "true" }, sign), mark.name);
}

/* ---- a chart over two axes ---- */

function valuesOf(marks, axis) {
  const at = axis === "x" ? 0 : 1;
  const values = [];
  for (const mark of marks) {
    if (mark.kind === "rule") {
      if (mark.axis === axis && !mark.outside) values.push(mark.at);
    } else if (mark.kind === "lines") for (const points of mark.lines) values.push(...points.map((point) => point[at]));
    else if (mark.kind === "cells") for (const cell of mark.cells) values.push(cell[2 * at], cell[2 * at + 1]);
    else if (mark.kind === "hbars") for (const point of mark.points) values.push(at === 0 ? point[0] : point[1]);
    else for (const point of mark.points) {
      if ((mark.kind === "band" || mark.kind === "spans") && at === 1) values.push(point[1], point[2]);
      else if (mark.kind === "bars" && typeof point[2] === "number") values.push(...(at === 0 ? [point[0], point[1]] : [point[2]]));
      else values.push(point[at]);
    }
  }
  return values.filter((value) => value !== null && value !== undefined);
}

function tableOf(marks, x, y) {
  const rows = [];
  for (const mark of marks) {
    const name = mark.name || mark.kind;
    if (mark.kind === "rule") rows.push([name, mark.axis === "x" ? mark.at : null, mark.axis === "y" ? mark.at : null, null, mark.text || ""]);
    else if (mark.kind === "lines") mark.lines.forEach((points, i) => points.forEach(([a, b]) => rows.push([`${name} ${i + 1}`, a, b, null, ""])));
    else if (mark.kind === "cells") for (const [x0, x1, y0, y1, , text] of mark.cells) rows.push([name, `${label(x0)} to ${label(x1)}`, `${label(y0)} to ${label(y1)}`, null, text || ""]);
    else for (const point of mark.points) {
      if (mark.kind === "band" || mark.kind === "spans") rows.push([name, point[0], point[1], point[2], ""]);
      else if (mark.kind === "bars" && typeof point[2] === "number") rows.push([name, point[0], point[2], null, `up to ${label(point[1])}`]);
      else rows.push([name, point[0], point[1], null, typeof point[2] === "string" ? point[2] : ""]);
    }
  }
  return { columns: ["series", x.label || "x", y.label || "y", "upper end", "about"], rows };
}

// Shows what is nearest to the pointer.
function hover(node, marks, x, y, edge, onpick) {
  const tip = el("div", { class: "plot-tip", hidden: true });
  const near = [];
  for (const mark of marks) {
    if (mark.quiet || !["line", "step", "dots", "bars", "hbars"].includes(mark.kind)) continue;
    for (const point of mark.points) {
      const ranged = mark.kind === "bars" && typeof point[2] === "number";
      const px = ranged ? (x(point[0]) + x(point[1])) / 2 : x(point[0]);
      const py = clamp(y(ranged ? point[2] : point[1]), edge.top, edge.bottom);
      if (Number.isFinite(px) && Number.isFinite(py)) near.push([px, py, mark, point]);
    }
  }
  const cells = marks.filter((mark) => mark.kind === "cells").flatMap((mark) => mark.cells);
  let found = null;
  const text = (mark, point) => (typeof point[2] === "string" ? point[2]
    : `${mark.name ? `${mark.name}\n` : ""}${mark.kind === "hbars" ? `${point[1]}: ${label(point[0])}` : `${label(point[0])}${typeof point[2] === "number" ? ` to ${label(point[1])}` : ""}: ${typeof point.at(-1) === "number" ? number(point.at(-1)) : point.at(-1)}`}`);
  node.addEventListener("pointermove", (event) => {
    const frame = node.getBoundingClientRect();
    const px = event.clientX - frame.left;
    const py = event.clientY - frame.top;
    found = null;
    let least = 30 * 30;
    for (const item of near) {
      const far = (item[0] - px) ** 2 + (item[1] - py) ** 2;
      if (far < least) [least, found] = [far, item];
    }
    const inside = ([a, b], at) => at >= a && at < b;
    const cell = found ? null : cells.find(([x0, x1, y0, y1]) => inside(cellEnds(x0, x1, x), px) && inside(cellEnds(y0, y1, y), py));
    tip.hidden = !found && !(cell && cell[5]);
    if (tip.hidden) return;
    tip.textContent = found ? text(found[2], found[3]) : cell[5];
    const left = found ? found[0] : px;
    const top = found ? found[1] : py;
    tip.style.top = `${top + 12}px`;
    tip.style.left = left > frame.width / 2 ? "auto" : `${left + 12}px`;
    tip.style.right = left > frame.width / 2 ? `${frame.width - left + 12}px` : "auto";
  });
  node.addEventListener("pointerleave", () => { tip.hidden = true; });
  if (onpick) node.addEventListener("click", () => { if (found) onpick(found[3], found[2]); });
  return tip;
}

// The widest label decides how much room the y axis takes.
function marginOf(ticks, name) {
  const longest = Math.max(...ticks.map((tick) => Math.min(26, label(tick).length)), 1);
  return Math.min(190, 12 + 6.3 * longest) + (name ? 16 : 0);
}

function axes(node, x, y, edge, spec) {
  const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
  let last = -Infinity;
  for (const tick of y.ticks) {
    const at = y(tick);
    if (y.kind === "band" && Math.abs(at - last) < 11) continue;
    last = at;
    if (y.kind !== "band") node.append(svg("line", { class: "grid", x1: edge.left, x2: edge.right, y1: at, y2: at }));
    node.append(svg("text", { x: edge.left - 6, y: at + 4, "text-anchor": "end" }, cut(label(tick), 27)));
  }
  last = -Infinity;
  for (const tick of x.ticks) {
    const at = x(tick);
    const text = x.kind === "band" ? cut(label(tick), Math.max(4, Math.floor(x.width / 6))) : label(tick);
    if (at - 3.2 * text.length < last) continue;
    last = at + 3.2 * text.length + 6;
    node.append(svg("line", { class: "axis", x1: at, x2: at, y1: edge.bottom, y2: edge.bottom + 4 }), svg("text", { x: at, y: edge.bottom + 16, "text-anchor": "middle" }, text));
  }
  node.append(svg("line", { class: "axis", x1: edge.left, x2: edge.right, y1: edge.bottom, y2: edge.bottom }));
  if (spec.x.label) node.append(svg("text", { x: (edge.left + edge.right) / 2, y: edge.bottom + 32, "text-anchor": "middle" }, spec.x.label));
  if (spec.y.label) node.append(svg("text", { transform: `translate(11 ${(edge.top + edge.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, spec.y.label));
}

function drawChart(spec, width) {
  const marks = spec.marks;
  if (!marks.some((mark) => mark.kind !== "rule" && (mark.points || mark.cells || mark.lines).length)) return null;
  const height = spec.height || 260;
  const edge = { top: 12, bottom: height - (spec.x.label ? 40 : 24), right: width - 12, left: 0 };
  const yValues = valuesOf(marks, "y");
  if (marks.some((mark) => mark.kind === "bars")) yValues.push(0);
  const y = scale(spec.y, yValues, spec.y.kind === "band" ? edge.top : edge.bottom, spec.y.kind === "band" ? edge.bottom : edge.top, Math.max(3, height / 55));
  if (!y) return null;
  edge.left = Math.max(spec.left || 0, marginOf(y.ticks, spec.y.label));
  const xValues = valuesOf(marks, "x");
  if (marks.some((mark) => mark.kind === "hbars")) xValues.push(0);
  const x = scale(spec.x, xValues, edge.left, edge.right, Math.max(3, (edge.right - edge.left) / 75));
  if (!x) return null;
  const node = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height });
  axes(node, x, y, edge, spec);
  // What lies beyond the ends of an axis is cut, not drawn over the labels.
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  node.append(svg("clipPath", { id: clip }, svg("rect", { x: edge.left - 5, y: edge.top - 6, width: edge.right - edge.left + 10, height: edge.bottom - edge.top + 12 })));
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  for (const mark of marks) inside.append(...draw(mark, x, y, edge));
  node.append(inside);
  const named = [...new Map(marks.filter((mark) => mark.name && !mark.unlisted).map((mark) => [mark.name, mark])).values()];
  return { node, over: hover(node, marks, x, y, edge, spec.onpick), legend: named.length > 1 ? named.map(key) : [] };
}

// spec: {id, title, note, describe, empty, heading, height, left (least room there, to line charts up), x: {label, kind, …}, y: {…}, marks, onpick(point, mark),
// table() when the CSV is to be another one}. Returns {box, set(changes)}.
export function plot(spec) {
  const now = { x: {}, y: {}, marks: [], ...spec };
  const frame = figure({
    heading: now.heading, title: now.title, id: now.id, note: () => now.note || "", empty: () => now.empty || "Nothing to show yet.",
    draw: (width) => drawChart(now, width), describe: () => now.describe || now.note || "",
    data: () => (now.table ? now.table() : tableOf(now.marks, now.x, now.y)),
  });
  return {
    box: frame.box,
    set(changes) {
      Object.assign(now, changes);
      frame.update();
    },
  };
}
