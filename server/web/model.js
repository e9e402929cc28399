// One model: how good it is, a form to try it, its versions and names, and what came of it since.

import { call, get, Problem } from "./api.js";
import { agree, bytes, card, el, goneBox, number, percent, problemBox, query, show, state, tabs, title } from "./dom.js";
import { driftView } from "./model_drift.js";
import { reportView } from "./model_report.js";
import { versionsView } from "./model_versions.js";
import { codeCard } from "./snippets.js";
import { estimateWords } from "./space.js";
import { tryForm } from "./try.js";

const words = (name) => String(name || "").replaceAll("_", " ");

function headCard(model, report, asked, out) {
  const range = report.interval ? [[`${percent(report.interval.level, 0)} range`, `${number(report.interval.low, 2)} to ${number(report.interval.high, 2)}`]] : [];
  const facts = [[words(report.metric), number(report.score)], ...range, ["Family", model.family], ["A prediction", model.us_per_row ? `${number(model.us_per_row, 2)} µs` : "–"], ["Size", bytes(model.bytes)], ["Version", String(model.version)]];
  const remove = el("button", { class: "quiet", id: "delete-model", onclick: async () => {
    if (!(await agree(`Delete ${model.name} with all its versions?`, "Delete", "Apps that ask for it are answered 404. This can't be undone."))) return;
    try {
      await call("DELETE", `/api/v1/models/${encodeURIComponent(model.name)}`);
      location.assign("/models");
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } }, "Delete");
  return el("div", { class: "card" },
    el("div", { class: "head" }, el("div", {}, el("h1", {}, model.name), model.final === false ? state("running") : null,
      report.target ? el("span", { class: "faint" }, ` predicts ${report.target}`) : null),
    el("div", { class: "actions" }, el("a", { href: `/compare/models?models=${encodeURIComponent(asked)}` }, "Compare"), model.job ? el("a", { href: `/jobs/${encodeURIComponent(model.job)}` }, "Its job") : null,
      report.dataset?.id ? el("a", { href: `/datasets/${encodeURIComponent(report.dataset.id)}` }, "Its data") : null, remove)),
    out,
    el("div", { class: "facts" }, facts.map(([label, value]) => el("div", {}, el("span", {}, label), el("strong", {}, value)))),
    report.baseline?.comparison ? el("p", {}, `${words(report.baseline.comparison)}.`) : null,
    el("p", { class: "faint small" }, `Measured ${estimateWords(report.estimate)}.`,
      model.final === false ? " Its job still runs: a better version may come." : ""),
    (report.warnings || []).map((text) => el("p", { class: "warning" }, text)));
}

// A version asked for in the address (?version=3) instead of the one that `best` points to.
async function load(name, version) {
  const path = `/api/v1/models/${encodeURIComponent(name)}`;
  const model = await get(path);
  const at = version ? `${path}/versions/${encodeURIComponent(version)}` : path;
  const [shown, report, schema] = await Promise.all([version ? get(at) : model, get(`${at}/report`), get(`${at}/schema`)]);
  return { model, shown: { ...model, ...shown }, report, schema };
}

export async function modelPage(name) {
  let found = null;
  const version = query("version");
  try {
    found = await load(name, version);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
    show(version ? goneBox("version", `/models/${encodeURIComponent(name)}`, "The model") : goneBox("model", "/models", "Models"));
    return;
  }
  const { model, shown, report, schema } = found;
  title(model.name);
  const out = el("div", { "aria-live": "polite" });
  const asked = version ? `${model.name}@${shown.version}` : model.name;
  const views = [
    ["report", "Report", () => reportView(shown, report, schema)],
    ["try", "Try it", async () => {
      const code = codeCard(asked, schema);
      const form = await tryForm(asked, { schema, report, onRequest: code.set });
      return el("div", { class: "two" }, card(`Try ${asked}`, form), el("div", { class: "beside" }, code.box));
    }],
    ["versions", "Versions", () => versionsView(model)],
    ["drift", "Drift", () => driftView(model.name, version)],
  ];
  const old = version ? [el("p", { class: "flag" }, `This is version ${shown.version}. `, el("a", { href: location.pathname }, "Show what is served now"))] : [];
  show(headCard(shown, report, asked, out), ...old, tabs("view", views));
}
