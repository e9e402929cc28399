// The list of models, and one model with its report.

import { call } from "./api.js";
import { el, number, show } from "./dom.js";
import { curlLines, tryForm } from "./try.js";

export async function modelsPage() {
  const page = await call("GET", "/api/v1/models?limit=100");
  const heads = ["Model", "Version", "Score", "Metric", "Family"];
  const rows = page.items.map((model) => el("tr", {},
    el("td", {}, el("a", { href: `/models/${model.name}` }, model.name)),
    el("td", { class: "number" }, String(model.version ?? "–")),
    el("td", { class: "number" }, number(model.score)),
    el("td", {}, model.metric || ""), el("td", {}, model.family || "")));
  show(el("div", { class: "card" }, el("h1", {}, "Models"),
    rows.length ? el("table", {}, el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i === 1 || i === 2 ? "number" : "" }, head)))), el("tbody", {}, rows))
      : el("p", {}, "No model yet: a job makes the first one.")));
}

function confusion(table) {
  if (!table || table.labels.length > 20) return null;
  const { labels: classes, matrix } = table;
  return el("div", {}, el("h2", {}, "Confusion matrix"), el("p", { class: "faint" }, "Rows are true classes, columns predictions."),
    el("table", {}, el("thead", {}, el("tr", {}, el("th"), classes.map((name) => el("th", { class: "number" }, name)))),
      el("tbody", {}, matrix.map((row, i) => el("tr", {}, el("th", {}, classes[i]), row.map((count) => el("td", { class: "number" }, String(count))))))));
}

function scores(report) {
  const rows = Object.entries(report.metrics?.metrics || {}).filter(([, value]) => typeof value === "number");
  return el("table", {}, el("tbody", {}, rows.map(([name, value]) => el("tr", {}, el("td", {}, name.replaceAll("_", " ")), el("td", { class: "number" }, number(value))))));
}

const VERSIONS_SHOWN = 10;

// Which version answers under which name, and what each scores and takes.
function versions(model) {
  const names = (version) => Object.keys(model.aliases || {}).filter((alias) => model.aliases[alias] === version).join(", ");
  const shown = (model.versions || []).filter((item, i) => i < VERSIONS_SHOWN || names(item.version));
  const heads = ["Version", "Score", "µs a row", "Family", "Alias"];
  return el("div", { class: "card" }, el("h2", {}, "Versions"),
    el("p", { class: "faint" }, `Predict with an alias or a version: ${model.name}@fast, ${model.name}@${model.version}.`),
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i < 3 ? "number" : "" }, head)))),
      el("tbody", {}, shown.map((item) => el("tr", {},
        el("td", { class: "number" }, String(item.version)), el("td", { class: "number" }, number(item.score)),
        el("td", { class: "number" }, number(item.us_per_row, 2)), el("td", {}, item.family || ""),
        el("td", {}, names(item.version)))))));
}

// What is fitted after the models: a temperature for probabilities, intervals around numbers.
function sureness(report) {
  const { calibration, prediction_intervals: intervals } = report;
  if (calibration?.used) {
    const { before, after } = calibration.log_loss;
    return el("div", { class: "card" }, el("h2", {}, "How sure it is"),
      el("p", {}, `Probabilities are calibrated by a temperature of ${number(calibration.temperature, 3)}: log loss ${number(after)}, without it ${number(before)}.`));
  }
  if (!intervals?.levels.length) return null;
  const heads = ["Level", "Truths within", "Mean width"];
  return el("div", { class: "card" }, el("h2", {}, "How sure it is"),
    el("p", { class: "faint" }, `Intervals on ${intervals.measured_on} rows; ask for one with "interval": 0.9.`),
    el("table", {}, el("thead", {}, el("tr", {}, heads.map((head) => el("th", { class: "number" }, head)))),
      el("tbody", {}, intervals.levels.map((row) => el("tr", {},
        el("td", { class: "number" }, `${number(100 * row.level)} %`),
        el("td", { class: "number" }, row.coverage === null ? "–" : `${(100 * row.coverage).toFixed(1)} %`),
        el("td", { class: "number" }, number(row.mean_width)))))));
}

export async function modelPage(name) {
  const path = `/api/v1/models/${encodeURIComponent(name)}`;
  const [model, report, schema, form] = await Promise.all([
    call("GET", path), call("GET", `${path}/report`), call("GET", `${path}/schema`), tryForm(name)]);
  const importance = (report.importance || []).slice(0, 12);
  show(
    el("div", { class: "card" }, el("h1", {}, model.name || name),
      el("p", { class: "faint" }, `Version ${model.version}, ${model.family}: ${report.metric} ${number(report.score)}, estimated by ${(report.estimate || "").replaceAll("_", "-")}.`),
      report.baseline && report.baseline.comparison ? el("p", {}, report.baseline.comparison) : null),
    el("div", { class: "two" },
      el("div", {},
        el("div", { class: "card" }, el("h2", {}, "Scores on held-out rows"), scores(report), confusion(report.metrics?.confusion)),
        sureness(report), versions(model),
        importance.length ? el("div", { class: "card" }, el("h2", {}, "What matters"), importance.map((item) => {
          const fill = el("div");
          fill.style.width = `${(100 * item.importance / (importance[0].importance || 1)).toFixed(1)}%`;
          return el("div", { class: "share" }, item.name, el("div", { class: "bar" }, fill), number(item.importance, 2));
        })) : null),
      el("div", { class: "card" }, el("h2", {}, "Try it"), form, el("h2", {}, "From an app"), el("pre", {}, curlLines(name, schema)))));
}
