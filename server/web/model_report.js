// A model's report: scores, confusions with the rows behind them, curves, residuals, and what matters.

import { rowsOf, shortWords } from "./dataset_issues.js";
import { dependenceCard } from "./dependence.js";
import { card, el, number, percent, table } from "./dom.js";
import { calibrationPlot, curvePlots, importancePlot, regressionPlots } from "./model_curves.js";

const MATRIX_MOST = 30;
const PAIRS_SHOWN = 40;
const CLASSES_SHOWN = 30;
const STRONGEST = 45; // percent of colour in a cell, so that ink stays readable on it

const words = (name) => String(name || "").replaceAll("_", " ");

/* ---- scores ---- */

function scores(report) {
  const rows = Object.entries(report.metrics?.metrics || {}).filter(([, value]) => typeof value === "number").sort(([a], [b]) => (a === report.metric ? -1 : b === report.metric ? 1 : 0));
  const some = report.metrics?.rows ? `On ${report.metrics.rows} rows it had not learned from.` : "";
  const decision = report.decision?.by === "tuned_threshold" ? ` The second class is answered from a probability of ${number(report.decision.threshold, 3)} on.` : "";
  return card("Scores", el("p", { class: "faint" }, some + decision),
    el("div", { class: "score-grid" }, rows.map(([name, value]) => el("div", { class: name === report.metric ? "chosen" : "" }, el("span", {}, words(name)), el("strong", {}, number(value))))));
}

function classTable(report) {
  const classes = report.metrics?.classes || [];
  if (!classes.length) return null;
  const worst = [...classes].sort((a, b) => (a.f1 ?? 0) - (b.f1 ?? 0));
  const shown = classes.length > CLASSES_SHOWN ? worst.slice(0, CLASSES_SHOWN) : classes;
  return card("Each class", classes.length > shown.length ? el("p", { class: "faint" }, `The ${shown.length} of ${classes.length} classes that do worst.`) : null,
    el("div", { class: "scroll" }, table(["Class", { text: "Rows", number: true }, { text: "Precision", number: true }, { text: "Recall", number: true }, { text: "F1", number: true }],
      shown.map((one) => [one.name, String(one.support), percent(one.precision), percent(one.recall), number(one.f1, 3)]), { id: "classes", "aria-label": "scores of each class" })));
}

/* ---- confusions ---- */

const ofCell = (report, given, suggested) => (report.label_suspects || []).filter((one) => one.given === given && one.suggested === suggested);

function showRows(report, given, suggested, box) {
  const found = ofCell(report, given, suggested);
  box.replaceChildren(el("h3", { class: "apart" }, `Given ${given}, taken for ${suggested}`), el("p", { class: "faint" }, "The clearest of them, by models that had not seen these rows. The label may be wrong, or the model."));
  rowsOf(report.dataset.id, found, `${given} taken for ${suggested}`, shortWords).then((node) => box.append(node));
}

function cell(report, labels, matrix, i, j, box) {
  const count = matrix[i][j];
  const total = matrix[i].reduce((sum, one) => sum + one, 0) || 1;
  const words = `${count} of ${total} rows of ${labels[i]} were taken for ${labels[j]}`;
  const behind = i !== j && report.dataset?.id ? ofCell(report, labels[i], labels[j]).length : 0;
  const td = el("td", { class: count ? (i === j ? "right" : "wrong") : "" }, behind
    ? el("button", { type: "button", title: `${words}: show rows`, "aria-label": `${words}: show rows`, onclick: () => showRows(report, labels[i], labels[j], box) }, el("u", {}, String(count)))
    : el("span", { title: words }, String(count)));
  td.style.setProperty("--share", `${Math.round((STRONGEST * count) / total)}%`);
  return td;
}

function confusion(report) {
  const { labels, matrix } = report.metrics?.confusion || {};
  if (!labels) return null;
  if (labels.length > MATRIX_MOST) return confusedPairs(report, labels, matrix);
  const box = el("div", { "aria-live": "polite" });
  return card("Confusions", el("p", { class: "faint" }, "Rows are the true classes, columns what was predicted; colour is the share of the row. A number that is underlined shows the rows behind it."),
    el("div", { class: "matrix", role: "region", tabindex: "0", "aria-label": "confusion matrix" }, el("table", { id: "confusion" },
      el("thead", {}, el("tr", {}, el("td"), labels.map((name) => el("th", { scope: "col", title: name }, name)))),
      el("tbody", {}, labels.map((name, i) => el("tr", {}, el("th", { scope: "row", title: name }, name), labels.map((_, j) => cell(report, labels, matrix, i, j, box))))))), box);
}

// Of many classes only what is taken for what most often.
function confusedPairs(report, labels, matrix) {
  const pairs = [];
  matrix.forEach((row, i) => row.forEach((count, j) => { if (i !== j && count) pairs.push([i, j, count, count / row.reduce((sum, one) => sum + one, 0)]); }));
  pairs.sort((a, b) => b[2] - a[2]);
  return card("Confusions", el("p", { class: "faint" }, `Of ${labels.length} classes these are taken for another most often.`),
    el("div", { class: "scroll" }, table(["True class", "Taken for", { text: "Rows", number: true }, { text: "Share of the class", number: true }],
      pairs.slice(0, PAIRS_SHOWN).map(([i, j, count, share]) => [labels[i], labels[j], String(count), percent(share)]), { id: "confusion", "aria-label": "most frequent confusions" })));
}

/* ---- how sure it is ---- */

function sureness(report) {
  const { calibration, prediction_intervals: intervals } = report;
  if (calibration?.used) {
    const { before, after } = calibration.log_loss;
    return card("How sure it is", el("p", {}, `Probabilities are calibrated by a temperature of ${number(calibration.temperature, 3)}: log loss ${number(after)}, without it ${number(before)}.`));
  }
  if (!intervals?.levels.length) return null;
  return card("How sure it is", el("p", { class: "faint" }, `Measured on ${intervals.rows} rows. An app asks for an interval with "interval": 0.9.`),
    table([{ text: "Asked for", number: true }, { text: "Truths within", number: true }, { text: "Mean width", number: true }],
      intervals.levels.map((row) => [percent(row.level, 0), row.coverage === null ? "–" : percent(row.coverage), number(row.mean_width)]), { id: "intervals", "aria-label": "intervals" }));
}

/* ---- suspects ---- */

function suspects(report) {
  if (!report.label_suspect_count || !report.dataset?.id) return null;
  const target = report.target ? `?target=${encodeURIComponent(report.target)}` : "";
  return card("Labels that look wrong", el("p", {}, `${report.label_suspect_count} rows contradict models that had not seen them. `,
    el("a", { href: `/datasets/${encodeURIComponent(report.dataset.id)}${target}#issues` }, "Look at them"), " before you trust or fix them."));
}

export function reportView(model, report, schema) {
  const plots = [...curvePlots(report), calibrationPlot(report), ...regressionPlots(report)].filter(Boolean);
  const note = sureness(report);
  return el("div", { class: "report" }, scores(report),
    el("div", { class: "two even" }, el("div", {}, confusion(report), note), el("div", {}, importancePlot(report), classTable(report))),
    plots.length ? el("section", { class: "card" }, el("h2", { class: "hush" }, "Curves"), el("div", { class: "plots" }, plots)) : null,
    schema.kind === "table" && report.dataset?.id ? dependenceCard(model, report, schema) : null, suspects(report));
}
