// A chart over two axes of numbers, drawn by uPlot on a canvas. Every mark is one of its series, in its mode for points
// that each have an x of their own. Ticks, ends and margins are those of plot_layout.js, so that what is pointed at and
// what is saved (as SVG, by plot_marks.js) lie where they are drawn.

import uPlot from "uplot";

import { clamp, isRanged } from "./plot_layout.js";

const FONT = '11px system-ui, "DejaVu Sans", sans-serif';
const NAME = 16;
const NOTHING = [[null], [null]];

/* ---- looks: those of plot.css ---- */

const colours = new Map(); // CSS variable → what it is in this theme
const charts = new Set();

function colour(name) {
  if (!colours.has(name)) colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return colours.get(name);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  colours.clear();
  for (const chart of charts) chart.redraw(false);
});

const VARIABLES = { dim: "--edge", bad: "--bad", inked: "--ink" };
const SOLID = ["band", "bars"];

function lookOf(mark) {
  const [first, ...more] = (mark.style || "s1").split(" ");
  const isRule = mark.kind === "rule";
  const look = { width: 2, dash: null, cap: "round", alpha: 1, variable: isRule && !mark.style ? "--edge" : VARIABLES[first] || `--${first}` };
  const dash = isRule ? [4, 3] : more.includes("dash") ? [5, 4] : null;
  if (dash) look.dash = dash.map((length) => length * devicePixelRatio);
  if (more.includes("thin")) look.width = 1.2;
  if (isRule) Object.assign(look, { width: 1, cap: "butt" });
  else if (mark.kind === "dots") look.width = mark.size || 6;
  else if (SOLID.includes(mark.kind)) look.width = 0;
  if (mark.kind === "band") look.alpha = 0.17;
  else if (first === "dim" && !isRule) look.alpha = mark.kind === "bars" ? 0.4 : 0.5;
  return look;
}

/* ---- data ---- */

const finite = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

// What a series of uPlot holds: x, y, and the further end of what has two. A gap is a y of null.
function dataOf(mark, { x, y }) {
  if (mark.kind === "rule") return [[mark.at], [mark.at]];
  if (mark.kind === "lines") return NOTHING; // has a path of its own, for its x begins anew with each line
  const two = mark.kind === "band" || mark.kind === "spans";
  const columns = [[], [], []];
  for (const point of mark.points) {
    const ranged = isRanged(mark, point);
    const across = finite(point[0]);
    const up = finite(ranged ? point[2] : point[1]);
    const end = two ? finite(point[2]) : ranged ? finite(point[1]) : up;
    if (across === null || !Number.isFinite(x(across)) || (mark.kind !== "line" && mark.kind !== "step" && (up === null || end === null))) continue;
    columns[0].push(across);
    columns[1].push(up !== null && Number.isFinite(y(up)) ? up : null);
    columns[2].push(end);
  }
  return columns;
}

/* ---- paths: of canvas pixels ---- */

const straight = uPlot.paths.linear();
const stairs = uPlot.paths.stepped({ align: 1 });

// uPlot would also close a line to an area.
const known = (ys, path) => ({ ...path, count: ys.filter((value) => value !== null).length, fill: null });

// What paths need of a chart: from values to pixels, and the edges of its area.
function pixels(u) {
  const { left, top, width, height } = u.bbox;
  return { x: (value) => u.valToPos(value, "x", true), y: (value) => u.valToPos(value, "y", true), left, top, right: left + width, bottom: top + height };
}

const PATHS = {
  line: (u, at, mark, [, ys]) => known(ys, straight(u, at, 0, ys.length - 1)),
  step: (u, at, mark, [, ys]) => known(ys, stairs(u, at, 0, ys.length - 1)),
  lines(u, at, mark) {
    const { x, y } = pixels(u);
    const stroke = new Path2D();
    let count = 0;
    for (const points of mark.lines) {
      let begun = false;
      for (const [across, up] of points) {
        const px = x(across);
        const py = y(up);
        if (up === null || !Number.isFinite(px) || !Number.isFinite(py)) {
          begun = false;
          continue;
        }
        if (begun) stroke.lineTo(px, py);
        else stroke.moveTo(px, py);
        begun = true;
        count++;
      }
    }
    return { count, stroke };
  },
  dots(u, at, mark, [xs, ys]) {
    const { x, y, top, bottom } = pixels(u);
    const radius = (mark.size || 6) / 2 * devicePixelRatio;
    const fill = new Path2D();
    for (let i = 0; i < xs.length; i++) {
      const px = x(xs[i]);
      const py = clamp(y(ys[i]), top, bottom);
      fill.moveTo(px + radius, py);
      fill.arc(px, py, radius, 0, 2 * Math.PI);
    }
    return { count: xs.length, fill };
  },
  band(u, at, mark, [xs, lows, highs]) {
    const { x, y } = pixels(u);
    const fill = new Path2D();
    for (let i = 0; i < xs.length; i++) fill.lineTo(x(xs[i]), y(highs[i]));
    for (let i = xs.length - 1; i >= 0; i--) fill.lineTo(x(xs[i]), y(lows[i]));
    fill.closePath();
    return { count: xs.length, fill };
  },
  spans(u, at, mark, [xs, lows, highs]) {
    const { x, y, top, bottom } = pixels(u);
    const stroke = new Path2D();
    for (let i = 0; i < xs.length; i++) {
      stroke.moveTo(x(xs[i]), clamp(y(lows[i]), top, bottom));
      stroke.lineTo(x(xs[i]), clamp(y(highs[i]), top, bottom));
    }
    return { count: xs.length, stroke };
  },
  bars(u, at, mark, [xs, ys, ends]) {
    const { x, y, bottom } = pixels(u);
    const fill = new Path2D();
    const gap = devicePixelRatio;
    const ranged = isRanged(mark, mark.points[0]);
    for (let i = 0; i < xs.length; i++) {
      const from = ranged ? x(xs[i]) : x(xs[i]) - 4 * gap;
      const to = ranged ? x(ends[i]) : x(xs[i]) + 4 * gap;
      const up = Math.min(y(ys[i]), bottom);
      fill.rect(Math.min(from, to), up, Math.max(gap, Math.abs(to - from) - (ranged ? gap : 0)), bottom - up);
    }
    return { count: xs.length, fill };
  },
  rule(u, at, mark) {
    const { x, y, left, top, right, bottom } = pixels(u);
    const stroke = new Path2D();
    const across = mark.axis === "x";
    const place = across ? x(mark.at) : y(mark.at);
    if (!Number.isFinite(place)) return null;
    stroke.moveTo(across ? place : left, across ? top : place);
    stroke.lineTo(across ? place : right, across ? bottom : place);
    return { count: 1, stroke };
  },
};

function ruleText(u, mark) {
  const { x, y, left, top, right, bottom } = pixels(u);
  const ratio = devicePixelRatio;
  const across = mark.axis === "x";
  const place = across ? x(mark.at) : y(mark.at);
  if (!mark.text || !(across ? place >= left && place <= right : place >= top && place <= bottom)) return;
  const before = across && place > right - 60 * ratio;
  u.ctx.save(); // uPlot remembers what it set
  u.ctx.font = FONT.replace("11", String(11 * ratio));
  u.ctx.fillStyle = colour("--faint");
  u.ctx.textBaseline = "alphabetic";
  u.ctx.textAlign = before || !across ? "right" : "left";
  if (across) u.ctx.fillText(mark.text, place + (before ? -4 : 4) * ratio, top + (10 + 13 * (mark.row || 0)) * ratio);
  else u.ctx.fillText(mark.text, right - 4 * ratio, place - 4 * ratio);
  u.ctx.restore();
}

/* ---- a chart ---- */

// `now`: {place, marks, drawn}, read whenever uPlot asks.
function optionsOf(now) {
  const faint = () => colour("--faint");
  const edge = () => colour("--edge");
  const axis = (ticks, name) => ({
    font: FONT, labelFont: FONT, stroke: faint, labelSize: NAME, label: name() === null ? null : name,
    incrs: (u, at, low, high) => [Math.max(5, high - low)], // ticks are ours; only that there is room for one counts
    splits: () => ticks().map(([value]) => value), values: () => ticks().map(([, text]) => text), filter: (u, values) => values,
    border: { show: false }, grid: { show: false }, ticks: { show: false },
  });
  const across = axis(() => now.place.ticksAcross, () => now.place.nameAcross);
  const up = axis(() => now.place.ticksUp, () => now.place.nameUp);
  Object.assign(across, { scale: "x", side: 2, size: 24, gap: 4, labelGap: -1, border: { show: true, stroke: edge, width: 1 }, ticks: { show: true, stroke: edge, width: 1, size: 4 } });
  Object.assign(up, { scale: "y", side: 3, size: () => now.place.edge.left - (now.place.nameUp === null ? 0 : NAME), gap: 6, labelGap: -1, grid: { show: true, stroke: () => colour("--line"), width: 1 } });
  const scaleOf = (name) => ({ time: false, distr: now.place[name].kind === "log" ? 3 : 1, range: () => [now.place[name].low, now.place[name].high] });
  return {
    mode: 2, width: now.place.width, height: now.place.height, padding: [12, 12, 0, 0],
    legend: { show: false }, cursor: { show: false }, select: { show: false },
    scales: { x: scaleOf("x"), y: scaleOf("y") }, axes: [up, across], // the line of the lower one over the grid
    series: [null, ...now.marks.map(() => seriesOf(now))],
    hooks: {
      drawSeries: [(u, at) => { if (now.marks[at - 1].kind === "rule") ruleText(u, now.marks[at - 1]); }],
      draw: [(u) => tellDrawn(u, now)],
    },
  };
}

function seriesOf(now) {
  const variable = (u, at) => colour(u.series[at].variable);
  return {
    facets: [{ scale: "x", auto: false }, { scale: "y", auto: false }], auto: false, pxAlign: 0, width: 1, stroke: variable, fill: variable, points: { show: false },
    paths: (u, at) => {
      const mark = now.marks[at - 1];
      const data = u.data[at];
      now.drawn[at] = null;
      if (mark.kind !== "lines" && !data[1].some((value) => value !== null)) return null;
      now.drawn[at] = PATHS[mark.kind](u, at, mark, data);
      return now.drawn[at] && { stroke: null, fill: null, clip: null, flags: 0, ...now.drawn[at] };
    },
  };
}

// How many points of each kind are on the canvas, for whoever can't look into it: data-line, data-dots …
function tellDrawn(u, now) {
  const counts = {};
  now.marks.forEach((mark, i) => {
    const kind = mark.kind === "step" || mark.kind === "lines" ? "line" : mark.kind;
    counts[kind] = (counts[kind] || 0) + (now.drawn[i + 1]?.count || 0);
  });
  for (const name of Object.keys(u.root.dataset)) if (!counts[name]) delete u.root.dataset[name];
  for (const [name, count] of Object.entries(counts)) if (count) u.root.dataset[name] = String(count);
}

const shapeOf = ({ place }) => JSON.stringify([place.x.kind, place.y.kind, place.nameAcross === null, place.nameUp === null]);

// The result: draw(place, marks) gives the drawing's node, the same as long as only data change; destroy() when it is no
// longer on the page, for uPlot listens to the window.
export function lineChart() {
  const now = { place: null, marks: [], drawn: [] };
  let u = null;
  let shape = "";

  function fit() {
    while (u.series.length <= now.marks.length) u.addSeries(seriesOf(now));
    while (u.series.length > now.marks.length + 1) u.delSeries(u.series.length - 1);
    now.marks.forEach((mark, i) => Object.assign(u.series[i + 1], lookOf(mark)));
  }

  function destroy() {
    if (!u) return;
    charts.delete(u);
    u.destroy();
    u = null;
  }

  function draw(place, marks) {
    Object.assign(now, { place, marks, drawn: [] });
    const data = [null, ...marks.map((mark) => dataOf(mark, place))];
    if (u && shape !== shapeOf(now)) destroy();
    if (!u) {
      shape = shapeOf(now);
      u = new uPlot(optionsOf(now), data);
      charts.add(u);
      fit();
    } else
      u.batch(() => {
        fit();
        if (u.width !== place.width || u.height !== place.height) u.setSize(place);
        u.setData(data);
      });
    return u.root;
  }
  return { draw, destroy };
}
