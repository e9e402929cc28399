// An answer of a model: what it says, how sure it is, why, and whether the row is unlike what it learned from.

import { el, number, percent, shareBar } from "./dom.js";

const CLASSES_SHOWN = 8;
const REASONS = { below_range: "is below all that was seen in training", above_range: "is above all that was seen in training", unknown_category: "was never seen in training",
  missing: "is missing, which it never was in training" };
const FAR = 0.01; // the share of the training data from which on a row counts as far from it

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

const SCALES = {
  probability: "its probability", value: "the number itself", log_odds: "log-odds, where 0.7 doubles the odds", log_ratio: "the log of its probability over the classes' mean",
  mean_log_odds: "log-odds, the mean of its members", mean_log_ratio: "log ratios, the mean of its members",
};

function reasons(prediction, explain) {
  const explanation = prediction.explanation;
  if (!explanation?.contributions) return null;
  const asShare = explain?.of === "probability";
  const shown = (value) => (asShare ? percent(value) : number(value));
  const signed = (value) => `${value >= 0 ? "+" : "−"}${asShare ? `${(100 * Math.abs(value)).toFixed(1)} pts` : number(Math.abs(value))}`;
  const list = [...explanation.contributions];
  if (Math.abs(explanation.others || 0) > 0) list.push({ column: "all other columns", contribution: explanation.others });
  const most = Math.max(...list.map((one) => Math.abs(one.contribution)));
  const total = explanation.total ?? (asShare ? prediction.probability : prediction.value);
  const sampled = explain?.method === "sampled" ? "; sampled, so a little rough" : "";
  return el("div", { id: "reasons" }, el("h3", {}, prediction.label === undefined ? "Why" : `Why ${prediction.label}`),
    el("p", { class: "faint small" }, `From ${shown(explanation.base)} when nothing is known of the row to ${shown(total)}, in ${SCALES[explain?.of] || explain?.of}${sampled}.`),
    list.map((one) => reasonRow(one.column, one.contribution, most, signed(one.contribution))));
}

// A map of an image: how much less sure the answer is with each part covered.
function heatMap(prediction) {
  const map = prediction.explanation?.drops;
  if (!map?.length || !map[0].length) return null;
  const most = Math.max(...map.flat().map(Math.abs));
  if (most < 0.005) return el("p", { class: "faint small" }, "No single part decides: with any one of them covered it answers the same.");
  const canvas = el("canvas", { class: "heat", id: "heat", width: map[0].length, height: map.length, role: "img",
    "aria-label": `what the answer rests on: covering the strongest part takes ${percent(Math.max(...map.flat()))} off` });
  const context = canvas.getContext("2d");
  map.forEach((line, y) => line.forEach((value, x) => {
    context.fillStyle = value >= 0 ? `rgba(40, 190, 145, ${value / most})` : `rgba(240, 150, 50, ${-value / most})`;
    context.fillRect(x, y, 1, 1);
  }));
  return el("div", {}, el("h3", {}, "What it rests on"), canvas,
    el("p", { class: "faint small" }, `Brighter green: covered, the answer is less sure, by up to ${percent(most)}. Orange: covered, it is surer.`));
}

function unusual(prediction) {
  const found = prediction.unusual;
  if (!found) return null;
  const known = Number.isFinite(found.farther);
  const mainly = found.farthest?.length ? `, mainly by ${found.farthest.map((one) => one.column).join(", ")}` : "";
  const far = known && found.farther < FAR ? `farther from the training data than ${percent(1 - found.farther, found.farther ? 1 : 0)} of it${mainly}` : "";
  if (!found.columns?.length && !far)
    return known ? el("p", { class: "faint small", id: "usual" }, `An ordinary case: ${percent(found.farther, 0)} of the training data lie as far out or farther.`) : null;
  const parts = (found.columns || []).slice(0, 6).map((one) => [el("strong", {}, one.column), ` ${REASONS[one.reason] || one.reason}`]);
  if (far) parts.push([far]);
  return el("div", { class: "flag", id: "unusual" }, "Unusual: ", parts.map((part, i) => [i ? "; " : "", part]), ". Trust this answer less.");
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
