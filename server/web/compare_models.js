// Models side by side, any version of each: scores, cost, curves over each other, each class, and what they go by.

import { get } from "./api.js";
import { differs, headRow, row, sideBySide, STYLES } from "./compare_parts.js";
import { bytes, card, el, number, percent, table, when } from "./dom.js";
import { plot } from "./plot.js";
import { estimateWords, higherIsBetter, textOf, words } from "./space.js";

const CLASSES_SHOWN = 30;
const COLUMNS_SHOWN = 15;

const unit = { min: 0, max: 1 };

// `asked`: a model's name, which is its best, or NAME@ALIAS or NAME@VERSION.
export async function loadModel(asked) {
  const [name, pick = "best"] = asked.split("@");
  const path = `/api/v1/models/${encodeURIComponent(name)}`;
  const known = await get(path);
  const version = known.aliases?.[pick] ?? (pick === "best" ? known.version : pick);
  const at = `${path}/versions/${encodeURIComponent(version)}`;
  const [model, report] = await Promise.all([get(at), get(`${at}/report`)]);
  return { model, report };
}

const nameOf = ({ model }) => `${model.name}@${model.version}`;
const addressOf = ({ model }) => `/models/${encodeURIComponent(model.name)}?version=${model.version}`;
const head = (items) => headRow(items.map((item) => [nameOf(item), addressOf(item)]));
const plain = (text) => (text === null || text === undefined || text === "" ? "–" : String(text));

function warnings(items) {
  const list = [];
  if (differs(items, ({ report }) => report.task) || differs(items, ({ report }) => report.target)) list.push("They predict different things, so their scores can't be compared.");
  else if (differs(items, ({ report }) => report.dataset?.sha256)) list.push("They learned from different data: a higher score does not mean a better model.");
  else if (differs(items, ({ report }) => report.estimate) || differs(items, ({ report }) => report.metrics?.rows)) list.push("They were not measured on the same rows or not in the same way: small differences mean nothing.");
  else if (overlap(items)) list.push("The ranges of their scores overlap: as far as these rows can tell, either may be the better one.");
  return list;
}

// Whether the best two can't be told apart by their intervals.
function overlap(items) {
  const ranges = items.map(({ report }) => report.interval);
  if (items.length < 2 || !ranges.every(Boolean) || differs(items, ({ report }) => report.metric)) return false;
  const sign = higherIsBetter(items[0].report.metric) ? 1 : -1;
  const [first, second] = [...items].sort((a, b) => sign * (b.report.score - a.report.score)).map(({ report }) => report.interval);
  return sign > 0 ? second.high >= first.low : second.low <= first.high;
}

function facts(items) {
  const same = !differs(items, ({ report }) => report.metric);
  const sign = higherIsBetter(items[0].report.metric) ? 1 : -1;
  const range = (interval) => (interval ? `${number(interval.low, 3)} to ${number(interval.high, 3)}` : "–");
  return sideBySide("compare", "Models side by side", head(items), [
    row(same ? words(items[0].report.metric) : "Score", items, ({ report }) => report.score ?? NaN, (value) => number(value), same ? sign : 0),
    row("Its range", items, ({ report }) => report.interval, range),
    row("Metric", items, ({ report }) => words(report.metric), plain),
    row("Predicts", items, ({ report }) => report.target, plain),
    row("Family", items, ({ model }) => model.family, plain),
    row("Models in it", items, ({ report }) => report.members?.length ?? NaN, (value) => number(value)),
    row("A prediction", items, ({ model }) => model.us_per_row ?? NaN, (value) => (Number.isFinite(value) ? `${number(value, 2)} µs` : "–"), -1),
    row("Its size", items, ({ model }) => model.bytes ?? NaN, bytes, -1),
    row("Rows learned from", items, ({ report }) => report.rows?.used ?? NaN, (value) => number(value)),
    row("Rows measured on", items, ({ report }) => report.metrics?.rows ?? NaN, (value) => number(value)),
    row("Measured", items, ({ report }) => estimateWords(report.estimate), plain),
    row("Dataset", items, ({ report }) => report.dataset?.id, plain),
    row("Made", items, ({ model }) => model.created_at, (value) => when(value)),
  ]);
}

// All metrics that one of them has, the chosen ones first.
function scores(items) {
  const of = ({ report }) => report.metrics?.metrics || {};
  const chosen = new Set(items.map(({ report }) => report.metric));
  const names = [...new Set(items.flatMap((item) => Object.keys(of(item)).filter((name) => Number.isFinite(of(item)[name]))))].sort((a, b) => chosen.has(b) - chosen.has(a) || (a < b ? -1 : 1));
  if (!names.length) return null;
  const corrected = items.some(({ report }) => report.estimate === "bbc_cv");
  return card("All scores", corrected ? el("p", { class: "faint" }, "As the rows give them; the score above has taken off what choosing the best of many trials adds by luck.") : null, sideBySide("compare-scores", "All scores", head(items),
    names.map((name) => row(words(name), items, (item) => of(item)[name] ?? NaN, (value) => number(value), higherIsBetter(name) ? 1 : -1))));
}

// F1 of each class; of many those where the models differ most.
function classes(items) {
  const f1 = items.map(({ report }) => new Map((report.metrics?.classes || []).map((one) => [one.name, one.f1 ?? NaN])));
  const names = [...new Set(f1.flatMap((of) => [...of.keys()]))];
  if (!names.length) return null;
  const spread = (name) => Math.max(...f1.map((of) => of.get(name) ?? 0)) - Math.min(...f1.map((of) => of.get(name) ?? 0));
  const shown = names.length > CLASSES_SHOWN ? names.sort((a, b) => spread(b) - spread(a)).slice(0, CLASSES_SHOWN) : names;
  return card("F1 of each class", names.length > shown.length ? el("p", { class: "faint" }, `The ${shown.length} of ${names.length} classes where they differ most.`) : null,
    sideBySide("compare-classes", "F1 of each class", head(items), shown.map((name) => row(name, f1, (of) => of.get(name) ?? NaN, (value) => number(value, 3), 1))));
}

function importance(items) {
  const shares = items.map(({ report }) => new Map((report.importance || []).map((one) => [one.name, one.importance])));
  const most = (name) => Math.max(...shares.map((of) => of.get(name) ?? 0));
  const names = [...new Set(shares.flatMap((of) => [...of.keys()]))].sort((a, b) => most(b) - most(a));
  if (!names.length) return null;
  return card("What matters", el("p", { class: "faint" }, `How much each column weighs in each model, as shares.${names.length > COLUMNS_SHOWN ? ` The first ${COLUMNS_SHOWN} of ${names.length} columns.` : ""}`),
    sideBySide("compare-importance", "What matters", head(items), names.slice(0, COLUMNS_SHOWN).map((name) => row(name, shares, (of) => of.get(name) ?? NaN, (value) => percent(value)))));
}

// One line for each model that has such points.
function curve(items, { id, title, note, x, y, points, diagonal }) {
  const marks = items.map((item, i) => ({ kind: "line", style: STYLES[i], name: nameOf(item), points: points(item.report) })).filter((mark) => mark.points.length > 1);
  if (!marks.length) return null;
  return plot({ id, title, note, heading: "h3", x, y, marks: [...(diagonal ? [{ kind: "line", points: [[0, 0], [1, 1]], style: "dim thin dash", name: diagonal, quiet: true }] : []), ...marks] }).box;
}

function charts(items) {
  const boxes = [
    curve(items, { id: "compare-roc", title: "ROC", note: "Higher and further left is better.", x: { label: "false alarms", ...unit }, y: { label: "found", ...unit }, diagonal: "chance",
      points: (report) => (report.metrics?.roc || []).map((one) => [one.fpr, one.tpr]) }),
    curve(items, { id: "compare-pr", title: "Precision and recall", note: "Higher and further right is better.", x: { label: "recall", ...unit }, y: { label: "precision", ...unit },
      points: (report) => (report.metrics?.pr || []).map((one) => [one.recall, one.precision]) }),
    curve(items, { id: "compare-calibration", title: "Calibration", note: "On the dashed line probabilities come true as often as they say.", x: { label: "probability given", ...unit }, y: { label: "share that came true", ...unit }, diagonal: "as it should be",
      points: (report) => (report.metrics?.calibration || []).filter((one) => one.count).map((one) => [one.mean_probability, one.observed]) }),
    curve(items, { id: "compare-errors", title: "How large the errors are", note: "The share of rows whose error is at or below each value; the steeper around 0, the better.", x: { label: "error" }, y: { label: "share of rows", ...unit },
      points: (report) => (report.metrics?.residual_quantiles || []).filter((one) => one.quantile > 0 && one.quantile < 1).map((one) => [one.residual, one.quantile]) }),
  ].filter(Boolean);
  return boxes.length ? el("section", { class: "card" }, el("h2", { class: "hush" }, "Curves"), el("div", { class: "plots" }, boxes)) : null;
}

function settings(items) {
  const names = [...new Set(items.flatMap(({ report }) => Object.keys(report.params || {})))].sort();
  // What only one family has is no difference between settings.
  const shared = names.filter((name) => items.filter(({ report }) => report.params && name in report.params).length > 1);
  const differing = shared.filter((name) => differs(items, ({ report }) => textOf(report.params?.[name])));
  if (!differing.length) return null;
  return card("Hyperparameters, where they differ", el("p", { class: "faint" }, "Of the model in each that weighs most."),
    table(["", ...items.map(nameOf)], differing.map((name) => [words(name), ...items.map(({ report }) => textOf(report.params?.[name]))]), { "aria-label": "Hyperparameters of the models" }));
}

export function modelsView(items) {
  return { warnings: items.length > 1 ? warnings(items) : [], nodes: [card(null, facts(items)), charts(items),
    el("div", { class: "even" }, scores(items), el("div", {}, classes(items), importance(items))), settings(items)] };
}
