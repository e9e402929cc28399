// An answer of a model: what it says, how sure it is, why, and whether the row is unlike what it learned from.

import { el, number, percent, shareBar } from "./dom.js";

const CLASSES_SHOWN = 8;
const REASONS = { below_range: "is below all that was seen in training", above_range: "is above all that was seen in training", unknown_category: "was never seen in training" };

function probabilities(prediction) {
  const all = Object.entries(prediction.probabilities || {}).sort((a, b) => b[1] - a[1]);
  const left = all.slice(CLASSES_SHOWN);
  return [all.slice(0, CLASSES_SHOWN).map(([label, share]) => shareBar(label, share, percent(share))),
    left.length ? el("p", { class: "faint small" }, `and ${left.length} more with ${percent(left.reduce((sum, [, share]) => sum + share, 0))} together`) : null];
}

// One bar to the right or to the left of the answer without any column.
function reasonRow(name, value, most, text) {
  const bar = el("div", { class: value >= 0 ? "up" : "down" });
  const half = (50 * Math.abs(value)) / (most || 1);
  bar.style.left = `${value >= 0 ? 50 : 50 - half}%`;
  bar.style.width = `${half}%`;
  const zero = el("div", { class: "zero" });
  zero.style.left = "50%";
  return el("div", { class: "reason" }, el("span", {}, name), el("div", { class: "track", "aria-hidden": "true" }, zero, bar), el("span", {}, text));
}

function reasons(prediction, explain) {
  const explanation = prediction.explanation;
  if (!explanation?.contributions) return null;
  const asShare = explain?.of === "probability";
  const signed = (value) => `${value >= 0 ? "+" : "−"}${asShare ? `${(100 * Math.abs(value)).toFixed(1)} pts` : number(Math.abs(value))}`;
  const list = [...explanation.contributions];
  if (Math.abs(explanation.others || 0) > 0) list.push({ column: "all other columns", contribution: explanation.others });
  const most = Math.max(...list.map((one) => Math.abs(one.contribution)));
  const base = asShare ? percent(explanation.base) : number(explanation.base);
  const sampled = explain?.method === "sampled" ? " (sampled, so a little rough)" : "";
  return el("div", { id: "reasons" }, el("h3", {}, "Why"), el("p", { class: "faint small" }, `From ${base}, the answer without knowing any column; the bars add up to ${asShare ? percent(prediction.probability) : number(prediction.value)}${sampled}.`),
    list.map((one) => reasonRow(one.column, one.contribution, most, signed(one.contribution))));
}

// A map of an image: which parts the answer rests on.
function heatMap(prediction) {
  const map = prediction.explanation?.map;
  if (!Array.isArray(map) || !Array.isArray(map[0])) return null;
  const most = Math.max(...map.flat().map(Math.abs), 1e-12);
  const canvas = el("canvas", { class: "heat", width: map[0].length, height: map.length, role: "img", "aria-label": "parts of the image that count for the answer" });
  const context = canvas.getContext("2d");
  map.forEach((line, y) => line.forEach((value, x) => {
    context.fillStyle = value >= 0 ? `rgba(28, 160, 120, ${value / most})` : `rgba(220, 140, 40, ${-value / most})`;
    context.fillRect(x, y, 1, 1);
  }));
  return el("div", {}, el("h3", {}, "Why"), canvas, el("p", { class: "faint small" }, "Green parts speak for the answer, orange ones against it."));
}

function unusual(prediction) {
  const found = prediction.unusual;
  if (!found) return null;
  if (found.columns?.length)
    return el("div", { class: "flag", id: "unusual" }, "Unusual: ", found.columns.slice(0, 6).map((one, i) => [i ? "; " : "", el("strong", {}, one.column), ` ${REASONS[one.reason] || one.reason}`]), ". Trust this answer less.");
  return found.unusual === true || found.score >= 0.99 ? el("div", { class: "flag", id: "unusual" }, "Unusual: unlike what it learned from. Trust this answer less.") : null;
}

function warnings(prediction) {
  return (prediction.warnings || []).map((warning) =>
    el("p", { class: "warning" }, typeof warning === "string" ? warning : `${warning.column || ""} ${warning.message || ""}`.trim()));
}

// result: the whole answer of a predict call for one row; `took` in milliseconds.
export function answerView(result, schema, took) {
  const prediction = result.predictions[0];
  if (prediction.error) return el("p", { class: "problem" }, prediction.error.message || prediction.error.detail || String(prediction.error));
  const isNumber = prediction.value !== undefined;
  const range = prediction.interval ? el("p", {}, `${number(prediction.interval.low)} to ${number(prediction.interval.high)} with ${percent(result.interval, 0)}`) : null;
  const threshold = result.threshold !== undefined && Math.abs(result.threshold - 0.5) > 1e-9
    ? el("p", { class: "faint small" }, `${schema.classes?.[1] ?? "The second class"} is answered from ${percent(result.threshold)} on.`) : null;
  return el("div", {}, schema.target ? el("p", { class: "faint small" }, schema.target) : null,
    el("p", { class: "answer" }, isNumber ? number(prediction.value) : String(prediction.label)), range,
    isNumber ? null : probabilities(prediction), threshold, unusual(prediction), warnings(prediction), reasons(prediction, result.explain), heatMap(prediction),
    el("p", { class: "faint small" }, `${result.model}, version ${result.version}, in ${took.toFixed(0)} ms with the way there and back`));
}
