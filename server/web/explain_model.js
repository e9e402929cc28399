// What the search's Gaussian process thinks: along one hyperparameter, and over two.

import { get } from "./api.js";
import { card, el, number, problemBox, query, setQuery } from "./dom.js";
import { contour } from "./contour.js";
import { plot } from "./plot.js";
import { scoreRange } from "./scale.js";
import { axisOf, textOf, words } from "./space.js";

const LEVELS = 7;

// A choice among hyperparameters; it stays the same element, so a keyboard keeps its place in it.
function picker(label, name, parameters, onchange) {
  const select = el("select", { name, onchange: () => onchange(select.value) }, parameters.map((item) => el("option", { value: item.name }, words(item.name))));
  return { box: el("label", { class: "pick" }, label, select), set: (value) => { select.value = value; } };
}

// Which view of the others is shown: as in the best trial, or averaged.
function view(slice, byBest) {
  const [mean, sd] = byBest ? ["best_mean", "best_sd"] : ["mean", "sd"];
  return slice.points.filter((point) => Number.isFinite(point[mean])).map((point) => [point.at, point[mean], Number.isFinite(point[sd]) ? point[sd] : 0]);
}

function sliceMarks(source, parameter, slice, byBest) {
  const points = view(slice, byBest);
  const seen = slice.observations.filter((item) => Number.isFinite(item.value));
  const marks = [
    { kind: parameter.kind === "band" ? "spans" : "band", points: points.map(([at, mean, sd]) => [at, mean - 2 * sd, mean + 2 * sd]), style: "s1", name: "95 % sure to be within" },
    parameter.kind === "band" ? { kind: "dots", points: points.map(([at, mean]) => [at, mean]), style: "s1", size: 10, name: "expected score" }
      : { kind: "line", points: points.map(([at, mean]) => [at, mean]), style: "s1", name: "expected score" },
    { kind: "dots", points: seen.map((item) => [item.at, item.value, `Trial ${item.trial}\n${words(parameter.key)} ${textOf(item.at)}\n${source.metric} ${number(item.value)}`]), style: "s3", size: 6, name: "trials" },
  ];
  if (slice.next && slice.next.at !== null && slice.next.at !== undefined) marks.push({ kind: "rule", axis: "x", at: slice.next.at, style: "s2", text: "next", name: "next trial" });
  return { marks, range: seenRange(source, seen.map((item) => item.value), points.map(([, mean]) => mean)), any: points.length > 0 };
}

// Ends around what was seen, so that a place the model knows nothing of does not flatten all the rest.
function seenRange(source, values, means) {
  if (!values.length) return {};
  const usual = scoreRange(values, source.higher);
  const low = usual.min ?? Math.min(...values);
  const high = usual.max ?? Math.max(...values);
  const span = Math.max(high - low, 0.01 * Math.abs(high), 1e-9);
  return { min: Math.max(low - 0.6 * span, Math.min(low, ...means)) - 0.15 * span, max: Math.min(high + 0.6 * span, Math.max(high, ...means)) + 0.15 * span };
}

// The improvement that is expected, as a share of its peak: its logarithm is only comparable within one slice.
function gainPoints(slice) {
  const known = slice.points.filter((point) => Number.isFinite(point.log_ei));
  const peak = Math.max(...known.map((point) => point.log_ei));
  return known.map((point) => [point.at, Math.exp(point.log_ei - peak)]);
}

export function sliceView(source) {
  const first = plot({ id: "gp", title: "What the search believes", height: 300, left: 62, x: {}, y: {}, empty: "…" });
  const second = plot({ id: "acquisition", title: "Where improvement is expected", height: 130, left: 62, x: {}, y: {}, heading: "h3", empty: "Nothing is to be gained along this one, as far as the model can tell." });
  const out = el("div");
  const by = el("select", { name: "others", onchange: () => { setQuery("others", by.value === "averaged" ? "averaged" : ""); redraw(); } },
    el("option", { value: "best" }, "as in the best trial"), el("option", { value: "averaged", selected: query("others") === "averaged" }, "averaged over the space"));
  const which = picker("Hyperparameter", "param", source.parameters, (name) => choose(name));
  const box = el("div", {}, el("div", { class: "fields inline" }, which.box, el("label", { class: "pick" }, "The others", by)), out, first.box, second.box);
  let slice = null;
  let turn = 0;
  let parameter = null;

  function redraw() {
    if (!slice) return;
    const wanted = by.value === "best";
    const hasBest = slice.points.some((point) => Number.isFinite(point.best_mean));
    const byBest = wanted && hasBest;
    const seen = slice.observations.filter((item) => Number.isFinite(item.value));
    const { marks, range, any } = sliceMarks(source, parameter, slice, byBest);
    const x = axisOf(parameter);
    first.set({
      title: "What the search believes", x, y: { label: source.metric, ...range }, marks: any ? marks : [], empty: "The best trial does not have this one, and no other does either.",
      note: `${parameter.help ? `${parameter.help} ` : ""}${byBest ? "The others are as in the best trial." : `${wanted && !hasBest ? "The best trial does not have this one, so the" : "The"} others are averaged over ${slice.averaged} configurations.`} Dots are trials, which differ in the others too${seen.some((item) => item.value < range.min || item.value > range.max) ? "; those on the edge lie beyond it" : ""}.`,
      describe: `The Gaussian process along ${parameter.name}: expected score with a band of two standard deviations, and the trials.`,
    });
    second.set({ x, y: { label: "share of its peak", min: 0, max: parameter.kind === "band" ? 1.3 : 1 }, // over bars, room for "next"
      marks: hasBest ? [{ kind: parameter.kind === "band" ? "bars" : "line", points: gainPoints(slice), style: "s2", name: "expected improvement" },
        ...marks.filter((mark) => mark.kind === "rule")] : [],
      note: slice.next ? slice.next.at === null || slice.next.at === undefined ? "The trial that the search would make next does not have this one." : `The search would try ${words(parameter.key)} ${textOf(slice.next.at)} next; it does not go by this curve alone.` : "This method does not choose by what it has learned." });
  }

  async function load() {
    const mine = ++turn;
    try {
      const answer = await get(`${source.path}/slices?param=${encodeURIComponent(parameter.name)}&points=80`);
      if (mine !== turn) return;
      slice = answer;
      out.replaceChildren();
      redraw();
    } catch (problem) {
      if (mine === turn) out.replaceChildren(problem.status === 409 ? el("p", { class: "plot-empty" }, problem.message) : problemBox(problem));
    }
  }

  function choose(name) {
    parameter = source.parameters.find((item) => item.name === name) || parameter || source.parameters[0];
    setQuery("param", parameter.name);
    which.set(parameter.name);
    return load();
  }
  return { box: card(null, box), choose, load: () => parameter && load() };
}

/* ---- two at once ---- */

// Cells around the values of an axis: ends half way between neighbours, on the axis's own scale.
function ends(values, kind) {
  if (kind === "band") return values.map((value) => [value, value]);
  const log = kind === "log";
  const middle = (a, b) => (log ? Math.sqrt(a * b) : (a + b) / 2);
  return values.map((value, i) => [i ? middle(values[i - 1], value) : value, i + 1 < values.length ? middle(value, values[i + 1]) : value]);
}

function pairMarks(source, px, py, pair, byBest) {
  const grid = byBest ? pair.best_mean : pair.mean;
  const heights = grid.flat().filter(Number.isFinite);
  if (!heights.length) return { marks: [], low: NaN, high: NaN };
  const seen = pair.observations.filter((item) => Number.isFinite(item.value));
  const usual = seenRange(source, seen.map((item) => item.value), heights);
  const low = Math.max(Math.min(...heights), usual.min ?? -Infinity);
  const high = Math.min(Math.max(...heights), usual.max ?? Infinity);
  const share = (value) => (high > low ? Math.max(0, Math.min(1, (source.higher ? value - low : high - value) / (high - low))) : 0.5);
  const xs = pair.x.values;
  const ys = pair.y.values;
  const xEnds = ends(xs, px.kind);
  const yEnds = ends(ys, py.kind);
  const cells = [];
  grid.forEach((row, i) => row.forEach((value, j) => {
    if (Number.isFinite(value)) cells.push([...xEnds[i], ...yEnds[j], share(value), `${words(px.key)} ${textOf(xs[i])}, ${words(py.key)} ${textOf(ys[j])}\nexpected ${source.metric} ${number(value)}`]);
  }));
  const marks = [{ kind: "cells", cells, style: "s1", name: "expected score" }];
  if (px.kind !== "band" && py.kind !== "band" && high > low)
    for (let n = 1; n <= LEVELS; n++) {
      const lines = contour(xs, ys, grid, low + (high - low) * n / (LEVELS + 1));
      if (lines.length) marks.push({ kind: "lines", lines, style: "inked thin", name: "equal scores" });
    }
  marks.push({ kind: "dots", points: seen.map((item) => [item.x, item.y, `Trial ${item.trial}\n${source.metric} ${number(item.value)}`]), style: "s2", size: 6, name: "trials" });
  return { marks, low, high };
}

export function pairView(source) {
  const chart = plot({ id: "pair", title: "Two at once", height: 360, x: {}, y: {}, empty: "…" });
  const across = picker("Across", "pair-x", source.parameters, (name) => choose(name, names[1]));
  const upwards = picker("Upwards", "pair-y", source.parameters, (name) => choose(names[0], name));
  const controls = el("div", { class: "fields inline" }, across.box, upwards.box);
  const out = el("div");
  let names = [];
  let turn = 0;

  async function load() {
    const mine = ++turn;
    const [px, py] = names.map((name) => source.parameters.find((item) => item.name === name));
    if (!px || !py || px === py) return chart.set({ marks: [], empty: "Choose two different ones." });
    try {
      const pair = await get(`${source.path}/pairs?x=${encodeURIComponent(px.name)}&y=${encodeURIComponent(py.name)}&points=24`);
      if (mine !== turn) return undefined;
      out.replaceChildren();
      const byBest = pair.best_mean.flat().some(Number.isFinite);
      const { marks, low, high } = pairMarks(source, px, py, pair, byBest);
      return chart.set({ marks, x: axisOf(px), y: axisOf(py), empty: "These two are never there together.",
        note: `From ${number(low, 3)} to ${number(high, 3)}, the stronger the colour the better; ${byBest ? "the others as in the best trial" : "the others averaged"}.`,
        describe: `Expected score over ${px.name} and ${py.name}.` });
    } catch (problem) {
      if (mine === turn) out.replaceChildren(problem.status === 409 ? el("p", { class: "plot-empty" }, problem.message) : problemBox(problem));
      return undefined;
    }
  }

  function choose(x, y) {
    names = [x, y];
    setQuery("x", x);
    setQuery("y", y);
    across.set(x);
    upwards.set(y);
    return load();
  }
  return { box: card(null, controls, out, chart.box), choose, load };
}
