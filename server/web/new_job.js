// The form for a new job: what to predict, how long to search; a check before it starts.

import { call } from "./api.js";
import { bytes, el, number, problemBox, seconds, show } from "./dom.js";

const NO_TARGETS = new Set(["text", "identifier"]);

async function readyDatasets() {
  const found = [];
  for (let cursor = ""; ;) {
    const page = await call("GET", `/api/v1/datasets?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    found.push(...page.items.filter((dataset) => dataset.state === "ready"));
    cursor = page.next_cursor;
    if (!cursor || found.length >= 500) return found;
  }
}

async function metricNames() {
  const contract = await call("GET", "/openapi.json");
  return contract.components.schemas.Metric.enum;
}

function choice(name, label, options, help) {
  return el("label", {}, label, el("select", { name }, options.map(([value, text, selected]) => el("option", { value, selected }, text))),
    help ? el("span", { class: "small" }, help) : null);
}

// What the check says would run, in a table of two columns.
function plan(answer) {
  const { estimate, split, task } = answer;
  const scored = answer.metric ? `scored by ${answer.metric.replaceAll("_", " ")}` : "";
  const classes = task.classes.length ? `${task.classes.length} classes` : "";
  const fits = split.kind === "folds" ? `${split.fits_per_trial} folds of about ${split.valid_rows} rows`
    : `${split.train_rows} rows to train, ${split.valid_rows} to choose by, the rest for the report`;
  const facts = [
    ["Task", [task.kind, classes, scored].filter(Boolean).join(", ")],
    ["Validation", [fits, split.group && `groups of ${split.group} together`, split.time && `the latest by ${split.time}`].filter(Boolean).join(", ")],
    ["Trials", `about ${number(estimate.trials)} on ${estimate.workers} ${estimate.workers === 1 ? "worker" : "workers"}`],
    ["Time", `about ${seconds(estimate.total_seconds)}`],
    ...answer.families.map((family) => [`One trial of ${family.name}`, `about ${number(family.seconds_per_trial, 2)} s`]),
    ["Room in the database", `about ${bytes(estimate.storage_bytes)}`],
  ];
  return el("div", { class: "card", id: "plan" }, el("h2", {}, "This would run"),
    el("table", {}, el("tbody", {}, facts.map(([label, value]) => el("tr", {}, el("td", {}, label), el("td", {}, value))))),
    el("p", { class: "faint small" }, `Estimated from ${estimate.basis}.`));
}

function request(form, dataset) {
  const value = (name) => form.elements[name]?.value.trim() || undefined;
  const amount = (name) => (value(name) === undefined ? undefined : Number(value(name)));
  const families = [...form.querySelectorAll("input[name=family]")];
  const chosen = families.filter((box) => box.checked).map((box) => box.value);
  const validation = { folds: amount("folds"), holdout: amount("holdout"), group: value("group"), time: value("time") };
  const job = {
    dataset: dataset.id, target: value("target"), task: value("task"), metric: value("metric"), name: value("name"), deploy_as: value("deploy_as"),
    budget: { seconds: amount("seconds"), trials: amount("trials"), target_score: amount("target_score"),
      max_predict_us: amount("max_predict_us"), max_model_bytes: amount("max_model_bytes") },
    search: { method: value("method") },
    families: chosen.length && chosen.length < families.length ? chosen : undefined,
    validation: Object.values(validation).some((one) => one !== undefined) ? validation : undefined,
    class_weight: value("class_weight"), sample_weight: value("sample_weight"), base_model: value("base_model"),
  };
  return job;
}

// A model's name may have fewer letters than a dataset's.
function modelName(name) {
  return name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 63);
}

// Models whose layers a job on images may take over; an ensemble of another kind is refused with the reason.
async function baseModels(kind) {
  if (kind !== "images") return [];
  const page = await call("GET", "/api/v1/models?limit=100");
  return page.items.filter((model) => model.family === "cnn" || model.family === "bag").map((model) => model.name);
}

function fields(dataset, metrics, methods, families, bases) {
  const columns = dataset.columns || [];
  const none = ["", "none", true];
  const named = (keep) => [none, ...columns.filter(keep).map((column) => [column.name, column.name])];
  const targets = columns.filter((column) => !NO_TARGETS.has(column.type)).map((column, i, all) => [column.name, `${column.name} (${column.type})`, i === all.length - 1]);
  const table = dataset.kind === "table";
  return [
    el("div", { class: "fields" },
      table ? choice("target", "Predict the column", targets) : null,
      table ? choice("task", "Task", [["", "by the column's values", true], ["classification", "classification"], ["regression", "regression"]]) : null,
      choice("metric", "Score", [["", "the task's usual one", true], ...metrics.map((name) => [name, name.replaceAll("_", " ")])]),
      el("label", {}, "Seconds", el("input", { name: "seconds", type: "number", min: 1, step: "any", value: 60 })),
      el("label", {}, "Trials, at most", el("input", { name: "trials", type: "number", min: 1, placeholder: "as many as fit" })),
      el("label", {}, "Model's name", el("input", { name: "deploy_as", pattern: "[a-z0-9][a-z0-9._\\-]{0,62}", placeholder: "the job's name or id", value: modelName(dataset.name) }))),
    el("details", {}, el("summary", {}, "More choices"),
      el("div", { class: "fields" },
        choice("method", "Search", methods.map((method) => [method.name, method.name, method.default])),
        el("label", {}, "End early at the score", el("input", { name: "target_score", type: "number", step: "any" })),
        el("label", {}, "Prediction, at most (µs)", el("input", { name: "max_predict_us", type: "number", min: 1, step: "any", placeholder: "no limit" })),
        el("label", {}, "Model, at most (bytes)", el("input", { name: "max_model_bytes", type: "number", min: 1, step: 1, placeholder: "no limit" })),
        el("label", {}, "Job's name", el("input", { name: "name" })),
        el("label", {}, "Folds", el("input", { name: "folds", type: "number", min: 2, max: 20, placeholder: "by the number of rows" })),
        el("label", {}, "Share held out", el("input", { name: "holdout", type: "number", min: 0.01, max: 0.5, step: "any", placeholder: "by the number of rows" })),
        table ? choice("group", "Keep groups together", named((column) => column.type !== "text")) : null,
        table ? choice("time", "Test on the latest by", named((column) => column.type === "datetime" || column.type === "numeric")) : null,
        table ? choice("sample_weight", "Weight of each row", named((column) => column.type === "numeric")) : null,
        bases.length ? choice("base_model", "Start from model", [none, ...bases.map((name) => [name, name])], "its layers are taken over") : null,
        choice("class_weight", "Class weights", [["", "none", true], ["balanced", "balanced"]])),
      el("fieldset", {}, el("legend", {}, "Families"), families.map((family) => el("label", { class: "check" },
        el("input", { type: "checkbox", name: "family", value: family.name, checked: family.fits !== false, disabled: family.fits === false }),
        el("span", {}, el("strong", {}, family.name), ` ${family.fits === false ? family.why_not : family.help}`))))),
  ];
}

export async function newJobPage() {
  const wanted = new URLSearchParams(location.search).get("dataset");
  const [datasets, metrics, methods] = await Promise.all([readyDatasets(), metricNames(), call("GET", "/api/v1/search-methods")]);
  if (!datasets.length) {
    show(el("div", { class: "card" }, el("h1", {}, "New job"), el("p", {}, "There is no dataset yet. ", el("a", { href: "/datasets" }, "Upload one first."))));
    return;
  }
  const out = el("div", { "aria-live": "polite" });
  const rest = el("div");
  let dataset = null;
  const select = el("select", { name: "dataset", onchange: () => choose(select.value) },
    datasets.map((one) => el("option", { value: one.id, selected: one.id === wanted }, `${one.name} (${one.rows} ${one.kind === "table" ? "rows" : "images"})`)));
  const check = el("button", { type: "button", class: "quiet", id: "check", onclick: () => send(true) }, "Check");
  const start = el("button", { type: "submit", id: "start" }, "Start");
  const form = el("form", { id: "new-job", onsubmit: (event) => { event.preventDefault(); send(false); } },
    el("div", { class: "fields" }, el("label", {}, "Dataset", select)), rest, el("p", { class: "actions" }, start, check), out);

  async function choose(id) {
    dataset = await call("GET", `/api/v1/datasets/${encodeURIComponent(id)}`);
    const [families, bases] = await Promise.all([call("GET", `/api/v1/families?kind=${dataset.kind}`), baseModels(dataset.kind)]);
    rest.replaceChildren(...fields(dataset, metrics, methods.items, families.items, bases));
    out.replaceChildren();
  }

  async function send(only) {
    start.disabled = check.disabled = true;
    try {
      const answer = await call("POST", `/api/v1/jobs${only ? "?validate_only=1" : ""}`, request(form, dataset));
      if (!only) {
        location.assign(`/jobs/${answer.id}`);
        return;
      }
      out.replaceChildren(plan(answer));
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
    start.disabled = check.disabled = false;
  }
  show(el("div", { class: "card" }, el("h1", {}, "New job"), form));
  await choose(select.value);
}
