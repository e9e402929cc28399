// The start: what runs, what wants a look, what is done; a file dropped anywhere begins a new job.

import { get } from "./api.js";
import { ago, card, count, el, number, problemBox, seconds, show, state, swap, table, title } from "./dom.js";
import { uploadForm } from "./upload.js";

const LIVE = new Set(["queued", "running", "paused"]);
const FRESH_MS = 3000;
const SHOWN = 20;

const words = (name) => String(name || "").replaceAll("_", " ");
const jobPath = (job) => `/jobs/${encodeURIComponent(job.id)}`;
const modelPath = (name) => `/models/${encodeURIComponent(name)}`;

/* ---- what wants a look ---- */

function jobNotice(job) {
  if (job.state === "failed")
    return [job.name || job.id, job.error?.detail || job.error?.title || "The job failed.", jobPath(job), "See why"];
  if (job.state === "paused") return [job.name || job.id, "Paused: it waits until it is resumed.", jobPath(job), "Open"];
  if (job.state === "succeeded" && !job.model) return [job.name || job.id, "It ended without a model.", jobPath(job), "See why"];
  return null;
}

function datasetNotice(dataset) {
  if (dataset.state !== "failed") return null;
  return [dataset.name, dataset.error?.detail || "The file could not be read.", `/datasets/${encodeURIComponent(dataset.id)}`, "See where"];
}

function noticesCard(notices) {
  return card("Needs attention", el("ul", { class: "notices", id: "attention" }, notices.map(([name, text, href, verb]) =>
    el("li", {}, el("div", {}, el("strong", {}, name), el("div", { class: "faint" }, text)), el("a", { href, "aria-label": `${verb}: ${name}` }, verb)))));
}

/* ---- what runs ---- */

function runningItem(job) {
  const percent = Math.round(100 * (job.progress || 0));
  const fill = el("div");
  fill.style.width = `${percent}%`;
  const best = job.best ? `best ${words(job.best.metric)} ${number(job.best.value)}` : "no score yet";
  const left = job.state === "running" && Number.isFinite(job.eta_s) ? `${seconds(job.eta_s)} left` : "";
  return el("li", {},
    el("div", { class: "head" }, el("a", { href: jobPath(job) }, el("strong", {}, job.name || job.id)), state(job.state)),
    el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(percent), "aria-label": `progress of ${job.name || job.id}` }, fill),
    el("p", { class: "faint small" }, [`${percent} %`, best, count(job.trials?.done || 0, "trial") + " done", left].filter(Boolean).join(" · ")));
}

function runningCard(jobs) {
  jobs.sort((a, b) => (a.state === "paused") - (b.state === "paused"));
  return card("Running", jobs.length ? el("ul", { class: "running", id: "running" }, jobs.map(runningItem))
    : el("p", { class: "faint", id: "running" }, "Nothing runs at the moment."));
}

/* ---- what is done ---- */

function jobsCard(jobs) {
  const rows = jobs.map((job) => [
    el("a", { href: jobPath(job) }, job.name || job.id), state(job.state),
    job.best ? `${number(job.best.value)} ${words(job.best.metric)}` : "–",
    job.model ? el("a", { href: modelPath(job.model.name) }, job.model.name) : "", ago(job.ended_at || job.created_at)]);
  return el("section", { class: "card" },
    el("div", { class: "head" }, el("h2", {}, "Latest jobs"), el("div", { class: "actions" }, el("a", { href: "/jobs" }, "All jobs"), el("a", { class: "button", href: "/jobs/new" }, "New job"))),
    table(["Job", "State", { text: "Best score", number: true }, "Model", "When"], rows, { id: "jobs", "aria-label": "latest jobs" }),
    rows.length ? null : firstSteps());
}

function firstSteps() {
  const line = `curl -H "Authorization: Bearer $KEY" -F file=@data.csv -F target=COLUMN -F seconds=60 -F name=my-model \\\n  "${location.origin}/api/v1/train"`;
  return el("div", {}, el("p", {}, "No job yet. Drop a file above: you choose what to predict next, and a minute later there is a model. From a terminal it is one line:"),
    el("pre", { tabindex: "0" }, line));
}

function modelsCard(models) {
  return card("Models", models.length ? el("ul", { class: "plain" }, models.map((model) => el("li", { class: "head" },
    el("div", {}, el("a", { href: modelPath(model.name) }, el("strong", {}, model.name)),
      el("span", { class: "faint small" }, ` version ${model.version} · ${words(model.metric)} ${number(model.score)}`)),
    el("a", { href: `${modelPath(model.name)}?view=try`, "aria-label": `try ${model.name}` }, "Try it"))))
    : el("p", { class: "faint" }, "None yet: a job makes the first one."));
}

export async function homePage() {
  title("");
  const { form } = uploadForm((dataset) => location.assign(`/jobs/new?dataset=${encodeURIComponent(dataset.id)}`));
  const attention = el("div"), running = el("div"), jobs = el("div"), models = el("div"), fault = el("div", { "aria-live": "polite" });
  let seen = "";

  async function refresh() {
    const [jobPage, datasetPage, modelPage] = await Promise.all([
      get(`/api/v1/jobs?limit=${SHOWN}`), get(`/api/v1/datasets?limit=${SHOWN}`), get("/api/v1/models?limit=6")]);
    const now = JSON.stringify([jobPage.items, datasetPage.items, modelPage.items]);
    // What did not change stays as it is: a focus or a selection is not lost.
    if (now === seen) return;
    seen = now;
    const notices = [...jobPage.items.map(jobNotice), ...datasetPage.items.map(datasetNotice)].filter(Boolean);
    swap(attention, ...(notices.length ? [noticesCard(notices.slice(0, 6))] : []));
    swap(running, runningCard(jobPage.items.filter((job) => LIVE.has(job.state))));
    swap(jobs, jobsCard(jobPage.items));
    swap(models, modelsCard(modelPage.items));
  }

  await refresh();
  show(el("h1", { class: "hush" }, "Home"),
    el("section", { class: "card" }, el("h2", {}, "Start with a file"), form), fault, attention,
    el("div", { class: "two" }, el("div", {}, jobs), el("div", {}, running, models)));
  setInterval(async () => {
    if (document.hidden) return;
    try {
      await refresh();
      fault.replaceChildren();
    } catch (problem) {
      fault.replaceChildren(problemBox(problem));
    }
  }, FRESH_MS);
}
