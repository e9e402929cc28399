// Parallel coordinates: a line for each trial over all hyperparameters, with a range on any axis to pick some out.

import { el, number, query, setQuery } from "./dom.js";
import { figure, svg } from "./plot.js";
import { label, scale, scoreRange } from "./scale.js";
import { valueOf, words } from "./space.js";

const HEIGHT = 300;
const MOST_AXES = 12;
const GROUPS = ["dim", "s6", "s3", "s1"]; // from the worst quarter to the best

// The picked ranges are in the address, so that it can be shared: name~top~bottom~…
function readRanges(ranges) {
  const parts = query("brush").split("~");
  for (let i = 0; i + 2 < parts.length; i += 3)
    if (parts[i + 1] !== "" && Number.isFinite(Number(parts[i + 1])) && Number.isFinite(Number(parts[i + 2]))) ranges.set(parts[i], [Number(parts[i + 1]), Number(parts[i + 2])]);
}

export function parallelView(source, onpick) {
  const ranges = new Map(); // axis name → [from, to] as shares of its height, or a set of names
  readRanges(ranges);
  let axes = [];
  let shown = [];
  let picked = [];
  const told = el("p", { class: "plot-note", role: "status" });
  const frame = figure({ id: "parallel", title: "All at once", draw, empty: "No finished trial yet.",
    note: "A line for each finished trial; the best quarter is strongest. It passes below the axis of a hyperparameter that its family does not have. Drag along an axis to pick a range, click its name to take it away.",
    describe: () => `${picked.length} of ${shown.length} trials over ${axes.length} axes.`,
    data: () => ({ columns: ["trial", ...axes.map((axis) => axis.name)], rows: picked.map((trial) => [trial.number, ...axes.map((axis) => axis.of(trial) ?? null)]) }) });

  // The same by keyboard: an axis, from and to.
  const which = el("select", { name: "parallel-axis" });
  const from = el("input", { name: "parallel-from", type: "text" });
  const to = el("input", { name: "parallel-to", type: "text", placeholder: "" });
  const form = el("form", { class: "fields inline", onsubmit: (event) => {
    event.preventDefault();
    const axis = axes.find((item) => item.name === which.value);
    const at = (text, other) => { const y = axis.at(axis.kind === "band" ? text : Number(text)); return text !== "" && Number.isFinite(y) ? y : other; };
    if (axis && axis.at) setRange(axis.name, at(from.value, HEIGHT - 24), at(to.value || (axis.kind === "band" ? from.value : ""), 34), axis);
  } }, el("label", { class: "pick" }, "Only where", which), el("label", { class: "pick" }, "from", from), el("label", { class: "pick" }, "to", to),
  el("div", { class: "actions" }, el("button", { class: "quiet small" }, "Pick out"), el("button", { class: "quiet small", type: "button", onclick: () => { ranges.clear(); redraw(); } }, "All")));

  function setRange(name, a, b, axis) {
    const half = axis && axis.at && axis.at.kind === "band" ? axis.at.width * 0.4 : 2;
    ranges.set(name, [Math.min(a, b) - half, Math.max(a, b) + half]);
    redraw();
  }

  function redraw() {
    setQuery("brush", [...ranges].map(([name, [top, bottom]]) => `${name}~${Math.round(top)}~${Math.round(bottom)}`).join("~"));
    frame.update();
  }

  function inRanges(trial) {
    for (const [name, [top, bottom]] of ranges) {
      const axis = axes.find((item) => item.name === name);
      if (!axis || !axis.at) continue;
      const y = axis.at(axis.of(trial));
      if (!(y >= top && y <= bottom)) return false;
    }
    return true;
  }

  function lay(width) {
    const step = (width - 90) / Math.max(1, axes.length - 1);
    axes.forEach((axis, i) => {
      axis.x = 45 + i * step;
      const values = shown.map(axis.of).filter((value) => value !== undefined && value !== null);
      axis.at = scale({ ...axis, pad: 0 }, values, axis.kind === "band" ? 40 : HEIGHT - 28, axis.kind === "band" ? HEIGHT - 24 : 40, 5);
    });
    axes = axes.filter((axis) => axis.at);
  }

  const path = (trial) => {
    let text = "";
    for (const axis of axes) {
      const value = axis.of(trial);
      const y = value === undefined || value === null ? NaN : Math.max(30, Math.min(HEIGHT - 18, axis.at(value)));
      text += `${text ? "L" : "M"}${axis.x.toFixed(1)} ${(Number.isFinite(y) ? y : HEIGHT - 8).toFixed(1)}`;
    }
    return text;
  };

  function drawAxis(node, axis) {
    node.append(svg("line", { class: "axis", x1: axis.x, x2: axis.x, y1: 34, y2: HEIGHT - 22 }));
    const range = ranges.get(axis.name);
    if (range) node.append(svg("rect", { class: "band s2", x: axis.x - 7, y: Math.max(30, range[0]), width: 14, height: Math.max(4, Math.min(HEIGHT - 20, range[1]) - Math.max(30, range[0])) }));
    const cut = Math.max(6, Math.floor((axes.length > 1 ? Math.abs(axes[1].x - axes[0].x) : 200) / 6.5));
    const name = words(axis.key);
    const head = svg("text", { class: "ink", x: axis.x, y: axis.odd ? 24 : 11, "text-anchor": "middle" }, name.length > 2 * cut ? `${name.slice(0, 2 * cut - 1)}…` : name);
    node.append(head);
    for (const tick of axis.at.ticks) node.append(svg("text", { x: axis.x + 4, y: axis.at(tick) + 4 }, String(label(tick)).slice(0, cut)));
  }

  function brush(node) {
    let start = null;
    const place = (event) => { const frameBox = node.getBoundingClientRect(); return [event.clientX - frameBox.left, event.clientY - frameBox.top]; };
    const nearest = (x) => axes.reduce((best, axis) => (Math.abs(axis.x - x) < Math.abs(best.x - x) ? axis : best), axes[0]);
    node.addEventListener("pointerdown", (event) => {
      const [x, y] = place(event);
      const axis = nearest(x);
      if (!axis || Math.abs(axis.x - x) > 24) return;
      event.preventDefault();
      if (y < 30) {
        ranges.delete(axis.name);
        redraw();
        return;
      }
      start = { axis, y };
      node.setPointerCapture(event.pointerId);
    });
    node.addEventListener("pointerup", (event) => {
      if (!start) return;
      const [, y] = place(event);
      if (Math.abs(y - start.y) < 4) ranges.delete(start.axis.name);
      else ranges.set(start.axis.name, [Math.min(y, start.y), Math.max(y, start.y)]);
      start = null;
      redraw();
    });
  }

  function draw(width) {
    if (!shown.length) return null;
    const wide = Math.max(width, 90 + 62 * axes.length);
    lay(wide);
    const node = svg("svg", { class: "plot parallel", viewBox: `0 0 ${wide} ${HEIGHT}`, width: wide, height: HEIGHT });
    picked = shown.filter(inRanges);
    const rest = ranges.size ? shown.filter((trial) => !picked.includes(trial)) : [];
    if (rest.length) node.append(svg("path", { class: "line dim thin", "stroke-opacity": 0.15, d: rest.map(path).join("") }));
    const sorted = [...picked].sort((a, b) => (source.higher ? a.metric - b.metric : b.metric - a.metric));
    GROUPS.forEach((style, i) => {
      const part = sorted.slice(Math.floor(sorted.length * i / 4), Math.floor(sorted.length * (i + 1) / 4));
      if (part.length) node.append(svg("path", { class: `line thin ${style}`, "stroke-opacity": 0.35 + 0.18 * i, d: part.map(path).join("") }));
    });
    for (const axis of axes) drawAxis(node, axis);
    brush(node);
    const best = sorted[sorted.length - 1];
    told.replaceChildren(ranges.size ? `${picked.length} of ${shown.length} trials. ` : "", ...(best ? [`The best of them is `, onpick ? el("a", { href: onpick(best) }, `trial ${best.number}`) : `trial ${best.number}`, `: ${source.metric} ${number(best.metric)}.`] : []));
    return { node };
  }

  function set(trials, order) {
    shown = trials.filter((trial) => trial.state === "done" && Number.isFinite(trial.metric));
    const used = source.parameters.filter((item) => shown.some((trial) => valueOf(trial, item) !== undefined));
    const rank = (item) => { const at = order.indexOf(item.name); return at < 0 ? order.length : at; };
    const kept = [...used].sort((a, b) => rank(a) - rank(b)).slice(0, MOST_AXES);
    axes = [...used.filter((item) => kept.includes(item)).map((item) => ({ ...item, min: item.low, max: item.high, of: (trial) => valueOf(trial, item) })),
      { name: source.metric, key: source.metric, kind: "linear", of: (trial) => trial.metric, ...scoreRange(shown.map((trial) => trial.metric), source.higher) }];
    axes.forEach((axis, i) => { axis.odd = axes.length > 6 && i % 2 === 1; });
    const before = which.value;
    which.replaceChildren(...axes.map((axis) => el("option", { value: axis.name, selected: axis.name === before }, words(axis.name))));
    frame.update();
  }
  const scroll = frame.box.querySelector(".plot-area");
  scroll.classList.add("wide");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Parallel coordinates");
  return { box: el("section", { class: "card" }, frame.box, told, form), set };
}
