// A model's report: scores, confusions with the rows behind them, curves, residuals, and what matters.

import { dependenceCard } from "./dependence.js";
import { card, el, number, percent, table } from "./dom.js";
import { confusionsCard } from "./model_confusions.js";
import { calibrationPlot, classCurves, curvePlots, importancePlot, regressionPlots } from "./model_curves.js";

const CLASSES_SHOWN = 30;
const NARROW_CLASSES = 6; // whose matrix fits beside other cards

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
  const confusions = confusionsCard(model, report);
  const wide = report.metrics?.confusion?.labels.length > NARROW_CLASSES;
  return el("div", { class: "report" }, scores(report), wide ? confusions : null,
    el("div", { class: "two even" }, el("div", {}, wide ? null : confusions, note), el("div", {}, importancePlot(report), classTable(report))),
    classCurves(report),
    plots.length ? el("section", { class: "card" }, el("h2", { class: "hush" }, "Curves"), el("div", { class: "plots" }, plots)) : null,
    schema.kind === "table" && report.dataset?.id ? dependenceCard(model, report, schema) : null, suspects(report));
}
