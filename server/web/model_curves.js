// The charts of a report: ROC, precision and recall, calibration, truth against prediction, what matters.

import { el, number, percent } from "./dom.js";
import { plot } from "./plot.js";

const IMPORTANT = 15;
const ROW_HEIGHT = 26;

const unit = { min: 0, max: 1 };

function rocPlot(points, area, against) {
  return plot({ title: "ROC", heading: "h3", id: "roc", note: `Area ${number(area, 3)}; chance is 0.5.`,
    x: { label: `false alarms (share of ${against})`, ...unit }, y: { label: "found", ...unit },
    marks: [{ kind: "line", points: points.map((one) => [one.fpr, one.tpr]), name: "this model" }, { kind: "line", points: [[0, 0], [1, 1]], style: "dim thin dash", name: "chance", quiet: true }] }).box;
}

// share: of the rows that are of the class, which chance would reach.
function precisionPlot(points, area, share) {
  return plot({ title: "Precision and recall", heading: "h3", id: "pr", note: `Area ${number(area, 3)}${share === null ? "" : `; chance is ${number(share, 2)}`}.`,
    x: { label: "recall (share found)", ...unit }, y: { label: "precision", ...unit },
    marks: [{ kind: "line", points: points.map((one) => [one.recall, one.precision]), name: "this model" },
      share === null ? null : { kind: "line", points: [[0, share], [1, share]], style: "dim thin dash", name: "chance", quiet: true }].filter(Boolean) }).box;
}

function shareOf(classes, at) {
  const rows = (classes || []).reduce((sum, one) => sum + one.support, 0);
  return rows && at ? at.support / rows : null;
}

export function curvePlots(report) {
  const { roc, pr, metrics, classes } = report.metrics || {};
  const plots = [];
  if (roc?.length) plots.push(rocPlot(roc, metrics?.roc_auc, "the first class"));
  if (pr?.length) plots.push(precisionPlot(pr, metrics?.pr_auc, shareOf(classes, classes?.[1])));
  return plots;
}

// Of many classes one against all others, chosen among those that are found worst; null for two classes.
export function classCurves(report) {
  const { class_curves: curves, classes } = report.metrics || {};
  if (!curves?.length) return null;
  const out = el("div", { class: "plots", "aria-live": "polite" });
  const select = el("select", { name: "curve-class", onchange: draw }, curves.map((one, i) => el("option", { value: i }, one.class)));
  function draw() {
    const one = curves[Number(select.value)];
    out.replaceChildren(rocPlot(one.roc, one.roc_auc, "all others"), precisionPlot(one.pr, one.pr_auc, shareOf(classes, classes?.find((other) => other.name === one.class))));
  }
  draw();
  return el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "One class against all others"), el("div", { class: "actions" }, el("label", { class: "inline" }, "Class", select))),
    classes?.length > curves.length ? el("p", { class: "faint" }, `The ${curves.length} of ${classes.length} classes that are found worst.`) : null, out);
}

export function calibrationPlot(report) {
  const tenths = (report.metrics?.calibration || []).filter((one) => one.count);
  if (tenths.length < 2) return null;
  const used = report.calibration?.used ? ` A temperature of ${number(report.calibration.temperature, 3)} is used.` : "";
  return plot({ title: "Calibration", heading: "h3", id: "calibration", note: `Of the rows given 70 %, do 70 % come true? On the line they do.${used}`,
    x: { label: "probability given", ...unit }, y: { label: "share that came true", ...unit },
    marks: [{ kind: "line", points: [[0, 0], [1, 1]], style: "dim thin dash", name: "as it should be", quiet: true },
      { kind: "line", points: tenths.map((one) => [one.mean_probability, one.observed]), name: "this model", quiet: true },
      { kind: "dots", unlisted: true, name: "this model", size: 8, points: tenths.map((one) => [one.mean_probability, one.observed, `given ${percent(one.mean_probability)}, came true ${percent(one.observed)}, ${one.count} rows`]) }] }).box;
}

export function regressionPlots(report) {
  const { sample, residual_quantiles: quantiles } = report.metrics || {};
  const plots = [];
  if (sample?.length) {
    const values = sample.flatMap((one) => [one.true, one.predicted]);
    const ends = [Math.min(...values), Math.max(...values)];
    plots.push(plot({ title: "Truth and prediction", heading: "h3", id: "truth", note: `${sample.length} rows; on the line they agree.`, x: { label: "truth" }, y: { label: "prediction" },
      marks: [{ kind: "line", points: ends.map((end) => [end, end]), style: "dim thin dash", name: "agreement", quiet: true }, { kind: "dots", points: sample.map((one) => [one.true, one.predicted]), size: 4, name: "a row" }] }).box);
    plots.push(plot({ title: "Errors along the prediction", heading: "h3", id: "residuals", note: "Truth less prediction; a bend or a funnel tells what the model misses.", x: { label: "prediction" }, y: { label: "error" },
      marks: [{ kind: "rule", axis: "y", at: 0 }, { kind: "dots", points: sample.map((one) => [one.predicted, one.true - one.predicted]), size: 4, name: "a row" }] }).box);
  }
  if (quantiles?.length) {
    const middle = quantiles.filter((one) => one.quantile > 0 && one.quantile < 1);
    plots.push(plot({ title: "How large the errors are", heading: "h3", id: "quantiles", note: "The share of rows whose error is at or below each value.", x: { label: "error" }, y: { label: "share of rows", ...unit },
      marks: [{ kind: "rule", axis: "x", at: 0 }, { kind: "line", points: middle.map((one) => [one.residual, one.quantile]), name: "rows", quiet: true },
        { kind: "dots", unlisted: true, points: middle.map((one) => [one.residual, one.quantile, `${percent(one.quantile, 0)} of errors are at most ${number(one.residual)}`]), size: 7, name: "rows" }] }).box);
  }
  return plots;
}

export function importancePlot(report) {
  const list = (report.importance || []).slice(0, IMPORTANT);
  if (!list.length) return null;
  const left = report.importance.length - list.length;
  return el("section", { class: "card" }, plot({ title: "What matters", id: "importance", note: `How much each column weighs in the model, as shares: by gain in trees, by weight and spread in linear models, by the first layer in networks.${left > 0 ? ` ${left} more columns in the report.` : ""}`,
    height: 40 + ROW_HEIGHT * list.length, x: { label: "share", min: 0 }, y: { kind: "band", values: list.map((one) => one.name) },
    marks: [{ kind: "hbars", points: list.map((one) => [one.importance, one.name]), name: "importance" }] }).box);
}
