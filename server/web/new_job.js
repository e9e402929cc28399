// The form for a new job: what to predict and how long to search in one screen, the rest under "More choices"; beside
// it what would run, and the same as a line for a terminal, both as the form stands.

import { all, call, get, Problem } from "./api.js";
import { back, bytes, copyButton, count, el, goneBox, number, problemBox, query, seconds, show, title } from "./dom.js";
import { curlOf, modelName, requestOf } from "./job_request.js";
import { spaceTables } from "./job_space.js";

const NO_TARGETS = new Set(["text", "identifier"]);
const SETTLE_MS = 500;
const READING_MS = 1000;
const TIMES = [["30 s", 30], ["1 min", 60], ["5 min", 300], ["30 min", 1800], ["2 h", 7200]];

const words = (name) => name.replaceAll("_", " ");

/* ---- fields ---- */

function choice(name, label, options, help) {
  return el("label", {}, label, el("select", { name }, options.map(([value, text, selected]) => el("option", { value, selected }, text))),
    help ? el("span", { class: "small" }, help) : null);
}

function amount(name, label, more, help) {
  return el("label", {}, label, el("input", { name, type: "number", step: "any", ...more }), help ? el("span", { class: "small" }, help) : null);
}

function timeField() {
  const input = el("input", { name: "seconds", type: "number", min: 1, step: "any", value: 60 });
  return el("div", {}, el("label", {}, "Search for (seconds)", input), el("div", { class: "quick" }, TIMES.map(([text, value]) =>
    el("button", { type: "button", class: "quiet small", onclick: () => {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    } }, text))));
}

function mainFields(dataset, targets, metrics, select) {
  return el("div", { class: "fields main" }, el("label", {}, "Dataset", select),
    dataset.kind === "table" ? choice("target", "Predict the column", targets) : null,
    timeField(),
    choice("metric", "Score", [["", "the task's usual one", true], ...metrics.map((name) => [name, words(name)])]),
    el("label", {}, "Model's name", el("input", { name: "deploy_as", pattern: "[a-z0-9][a-z0-9._\\-]{0,62}", placeholder: "the job's name or id", value: modelName(dataset.name),
      title: "Small letters, digits, dot, dash and underscore" }), el("span", { class: "small" }, "An app asks for it by this name.")));
}

function moreFields(dataset, families, lists) {
  const columns = dataset.columns || [];
  const none = ["", "none", true];
  const named = (keep) => [none, ...columns.filter(keep).map((column) => [column.name, column.name])];
  const isTable = dataset.kind === "table";
  const best = lists.methods.find((method) => method.default);
  const method = choice("method", "Search method", [["", `the usual one${best ? ` (${best.name})` : ""}`, true], ...lists.methods.map((one) => [one.name, one.name])]);
  const help = el("span", { class: "small" }, best?.help || "");
  method.append(help);
  method.querySelector("select").addEventListener("change", (event) => {
    help.textContent = (lists.methods.find((one) => one.name === event.target.value) || best)?.help || "";
  });
  return [
    el("h2", { class: "part" }, "Budget"), el("div", { class: "fields" },
      amount("trials", "Trials, at most", { min: 1, step: 1, placeholder: "as many as fit" }),
      amount("target_score", "End early at the score", {}),
      amount("max_predict_us", "Prediction, at most (µs)", { min: 1, placeholder: "no limit" }),
      amount("max_model_bytes", "Model, at most (bytes)", { min: 1, step: 1, placeholder: "no limit" })),
    el("h2", { class: "part" }, "Validation"), el("div", { class: "fields" },
      isTable ? choice("task", "Task", [["", "by the column's values", true], ["classification", "classification"], ["regression", "regression"]]) : null,
      amount("folds", "Folds", { min: 2, max: 20, step: 1, placeholder: "by the number of rows" }),
      amount("holdout", "Share held out", { min: 0.02, max: 0.5, placeholder: "by the number of rows" }),
      isTable ? choice("group", "Keep groups together", named((column) => column.type !== "text")) : null,
      isTable ? choice("time", "Test on the latest by", named((column) => column.type === "datetime" || column.type === "numeric")) : null,
      isTable ? choice("sample_weight", "Weight of each row", named((column) => column.type === "numeric")) : null,
      choice("class_weight", "Class weights", [["", "none", true], ["balanced", "balanced"]]),
      choice("refit", "Fit again on all rows", [["", "unless it is worse", true], ["none", "no"], ["all", "also on report rows"]])),
    el("h2", { class: "part" }, "Search"), el("div", { class: "fields" }, method,
      amount("seed", "Seed", { min: 0, step: 1, placeholder: "drawn" }),
      amount("parallel", "Trials at once, at most", { min: 1, step: 1, placeholder: "as many as workers" }),
      choice("early_stopping", "Stop weak trials early", [["", "no", true], ...lists.stopping.map((name) => [name, name])]),
      lists.jobs.length ? choice("warm_start_from", "Learn from an earlier job", [none, ...lists.jobs.map((job) => [job.id, `${job.name || job.id} (${job.created_at.slice(0, 10)})`])]) : null,
      lists.bases.length ? choice("base_model", "Start from model", [none, ...lists.bases.map((name) => [name, name])], "its layers are taken over") : null,
      el("label", {}, "Job's name", el("input", { name: "name", maxlength: 200, placeholder: dataset.name }))),
    el("fieldset", {}, el("legend", {}, "Families"), families.map((family) => el("label", { class: "check" },
      el("input", { type: "checkbox", name: "family", value: family.name, checked: family.fits !== false, disabled: family.fits === false }),
      el("span", {}, el("strong", {}, family.name), ` ${family.fits === false ? family.why_not : family.help}`)))),
  ];
}

/* ---- what would run ---- */

function plan(answer) {
  const { estimate, split, task } = answer;
  const scored = answer.metric ? `scored by ${words(answer.metric)}` : "";
  const fits = split.kind === "folds" ? `${split.fits_per_trial} folds of about ${split.valid_rows} rows`
    : `${split.train_rows} rows to train, ${split.valid_rows} to choose by, the rest for the report`;
  const facts = [
    ["Task", [task.kind, task.classes.length ? count(task.classes.length, "class", "classes") : "", scored].filter(Boolean).join(", ")],
    ["Validation", [fits, split.group && `groups of ${split.group} together`, split.time && `the latest by ${split.time}`].filter(Boolean).join(", ")],
    ["Trials", `about ${number(estimate.trials, 2)} on ${count(estimate.workers, "worker")}`],
    ...answer.families.map((family) => [`One of ${family.name}`, `about ${number(family.seconds_per_trial, 1)} s`]),
    ["In the database", `about ${bytes(estimate.storage_bytes)}`],
  ];
  return el("div", {}, el("p", { class: "plan-line" }, el("strong", { class: "big" }, `about ${seconds(estimate.total_seconds)}`), el("span", { class: "faint" }, `${number(estimate.trials, 2)} trials`)),
    el("table", {}, el("tbody", {}, facts.map(([label, text]) => el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, text))))),
    el("p", { class: "faint small" }, `Estimated from ${estimate.basis}.`));
}

// The field that a fault is about, by the last name in its pointer.
function markFaults(form, problem) {
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  for (const fault of problem?.faults || []) {
    const name = (fault.pointer || "").split("/").pop();
    const input = name && form.elements[name];
    if (!input?.setAttribute) continue;
    input.setAttribute("aria-invalid", "true");
    const fold = input.closest("details");
    if (fold) fold.open = true;
  }
}

/* ---- the page ---- */

// The dataset once it is ready; null when its page tells more (it failed).
async function readyDataset(id) {
  const path = `/api/v1/datasets/${encodeURIComponent(id)}`;
  for (;;) {
    const dataset = await get(path);
    if (dataset.state === "ready") return dataset;
    if (dataset.state === "failed") return null;
    show(el("div", { class: "card" }, el("h1", {}, "New job"), el("p", { role: "status" }, `The server is reading ${dataset.name}. The form opens by itself.`)));
    await new Promise((resolve) => setTimeout(resolve, READING_MS));
  }
}

// Models whose layers a job on images may take over; an ensemble of another kind is refused with the reason.
const isBase = (model) => model.family === "cnn" || model.family === "bag";

async function listsFor(dataset, contract) {
  const stopping = contract.components.schemas.JobRequest.properties.search.properties.early_stopping?.enum || [];
  const [methods, models, jobs] = await Promise.all([get("/api/v1/search-methods"), dataset.kind === "images" ? get("/api/v1/models?limit=100") : { items: [] }, get("/api/v1/jobs?limit=50")]);
  return { methods: methods.items, bases: models.items.filter(isBase).map((model) => model.name), stopping: stopping.filter((name) => name && name !== "none"),
    jobs: jobs.items.filter((job) => job.trials?.done > 0) };
}

async function formFor(dataset, datasets) {
  const contract = await get("/openapi.json");
  const lists = await listsFor(dataset, contract);
  const columns = dataset.columns || [];
  const able = columns.filter((column) => !NO_TARGETS.has(column.type));
  const wanted = query("target");
  const at = able.some((column) => column.name === wanted) ? wanted : able[able.length - 1]?.name;
  const targets = able.map((column) => [column.name, `${column.name} (${column.type})`, column.name === at]);
  const metrics = contract.components.schemas.Metric.enum;
  const space = {};
  const plans = el("div", { id: "plan", "aria-live": "polite" });
  const line = el("pre", { id: "curl", tabindex: "0" });
  const out = el("div", { "aria-live": "polite" });
  const tables = el("div");
  const start = el("button", { type: "submit", id: "start" }, "Start");
  const select = el("select", { name: "dataset", onchange: () => location.assign(`/jobs/new?dataset=${encodeURIComponent(select.value)}`) },
    datasets.map((one) => el("option", { value: one.id, selected: one.id === dataset.id }, `${one.name} (${one.rows} ${one.kind === "table" ? "rows" : "images"})`)));
  const families = await get(`/api/v1/families?kind=${dataset.kind}`);
  const form = el("form", { id: "new-job", onsubmit: begin, oninput: changed, onchange: changed },
    mainFields(dataset, targets, metrics, select),
    el("details", { id: "more" }, el("summary", {}, "More choices"), moreFields(dataset, families.items, lists), tables),
    el("p", { class: "actions" }, start), out);
  tables.append(...spaceTables(families.items, space, changed));
  let timer = 0;
  let asked = "";

  const request = () => requestOf(form, dataset, space);

  function changed() {
    const now = request();
    line.textContent = curlOf(now);
    clearTimeout(timer);
    timer = setTimeout(() => estimate(now), SETTLE_MS);
  }

  async function estimate(now) {
    const text = JSON.stringify(now);
    if (text === asked) return;
    asked = text;
    plans.setAttribute("aria-busy", "true");
    try {
      const answer = await call("POST", "/api/v1/jobs?validate_only=1", now);
      if (asked !== text) return;
      plans.replaceChildren(plan(answer));
      markFaults(form, null);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (asked !== text) return;
      plans.replaceChildren(problemBox(problem));
      markFaults(form, problem);
      asked = "";
    } finally {
      plans.removeAttribute("aria-busy");
    }
  }

  // The same press twice is one job, also when the answer to the first got lost.
  let once = "";
  let key = "";
  async function begin(event) {
    event.preventDefault();
    const now = request();
    const text = JSON.stringify(now);
    if (text !== once) {
      once = text;
      key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    }
    start.disabled = true;
    try {
      const job = await call("POST", "/api/v1/jobs", now, { headers: { "Idempotency-Key": key } });
      location.assign(`/jobs/${encodeURIComponent(job.id)}`);
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
      markFaults(form, problem);
      once = "";
      start.disabled = false;
      const wrong = form.querySelector("[aria-invalid]");
      if (wrong) wrong.focus();
      else back(start);
    }
  }

  changed();
  return el("div", { class: "two" }, el("div", { class: "card" }, el("h1", {}, "New job"), form),
    el("div", { class: "beside" }, el("section", { class: "card" }, el("h2", {}, "What would run"), plans),
      el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "The same from a terminal"), copyButton(() => line.textContent)), line)));
}

export async function newJobPage() {
  title("New job");
  const wanted = query("dataset");
  const datasets = (await all("/api/v1/datasets", 500)).filter((dataset) => dataset.state === "ready" || dataset.id === wanted);
  const id = wanted || datasets[0]?.id;
  if (!id) {
    show(el("div", { class: "card narrow" }, el("h1", {}, "New job"), el("p", {}, "There is no dataset yet."), el("p", {}, el("a", { class: "button", href: "/datasets" }, "Upload one first"))));
    return;
  }
  let dataset = null;
  try {
    dataset = await readyDataset(id);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    show(goneBox("dataset", "/datasets", "Datasets"));
    return;
  }
  if (!dataset) location.replace(`/datasets/${encodeURIComponent(id)}`);
  else show(await formFor(dataset, datasets));
}
