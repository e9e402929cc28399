// Jobs side by side: facts, the best score over trials and over time, and which hyperparameters won.

import { get } from "./api.js";
import { differs, headRow, row, sideBySide, STYLES } from "./compare_parts.js";
import { bytes, card, el, number, seconds, state, table } from "./dom.js";
import { trialsOf } from "./explain.js";
import { bestSoFar } from "./job_charts.js";
import { plot } from "./plot.js";
import { higherIsBetter, textOf, words } from "./space.js";

export async function loadJob(id) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  const job = await get(path);
  const [trials, model] = await Promise.all([trialsOf(path), job.model ? get(`/api/v1/models/${encodeURIComponent(job.model.name)}/versions/${job.model.version}`).catch(() => null) : null]);
  trials.sort((a, b) => a.number - b.number);
  return { job, trials, model };
}

function facts(items) {
  const same = !differs(items, ({ job }) => job.metric);
  const sign = higherIsBetter(items[0].job.metric) ? 1 : -1;
  const plain = (text) => (text === null || text === undefined || text === "" ? "–" : String(text));
  const rows = [
    row("State", items, ({ job }) => job.state, (name) => state(name)),
    row(same ? `Best ${words(items[0].job.metric)} (validation)` : "Best score (validation)", items, ({ job }) => job.best?.value ?? NaN, (value) => number(value), same ? sign : 0),
    row("Score of its model (report rows)", items, ({ model }) => model?.score ?? NaN, (value) => number(value), same ? sign : 0),
    row("Metric", items, ({ job }) => words(job.metric), plain),
    row("Method", items, ({ job }) => job.spec?.search?.method || "bayes", plain),
    row("Early stopping", items, ({ job }) => job.spec?.search?.early_stopping || "none", plain),
    row("Trials done", items, ({ job }) => job.trials?.done ?? NaN, (value) => number(value)),
    row("Stopped early", items, ({ job }) => job.trials?.pruned ?? 0, (value) => number(value)),
    row("Failed", items, ({ job }) => job.trials?.failed ?? 0, (value) => number(value)),
    row("Time", items, ({ job }) => job.elapsed_s, seconds),
    row("CPU time of its trials", items, ({ trials }) => trials.reduce((sum, trial) => sum + (trial.seconds || 0), 0), (value) => (value < 10 ? `${number(value, 2)} s` : seconds(value))),
    row("Winner's family", items, ({ job }) => job.best?.family, plain),
    row("A prediction by its model", items, ({ model }) => model?.us_per_row ?? NaN, (value) => (Number.isFinite(value) ? `${number(value, 2)} µs` : "–"), -1),
    row("Its size", items, ({ model }) => model?.bytes ?? model?.model_bytes ?? NaN, bytes, -1),
    row("Dataset", items, ({ job }) => `${job.dataset?.id || "–"}, version ${job.dataset?.version || "–"}`, plain),
    row("Target", items, ({ job }) => job.target, plain),
  ];
  return sideBySide("compare", "Jobs side by side", headRow(items.map(({ job }) => [job.name || job.id, `/jobs/${encodeURIComponent(job.id)}`])), rows);
}

function warnings(items) {
  const list = [];
  if (differs(items, ({ job }) => job.metric)) list.push("They are judged by different metrics, so their scores can't be compared.");
  else if (differs(items, ({ job }) => `${job.dataset?.id} ${job.target}`)) list.push("They are about different data or targets: a higher score does not mean a better model.");
  else if (differs(items, ({ job }) => job.dataset?.version)) list.push("They ran on different versions of the dataset.");
  return list;
}

function curves(items, heading, id, x, at) {
  const metric = items[0].job.metric;
  const higher = higherIsBetter(metric);
  const marks = items.map(({ job, trials }, i) => ({ kind: "step", style: STYLES[i], name: job.name || job.id, points: bestSoFar(trials.filter((trial) => trial.state === "done" && trial.ended_at).sort((a, b) => at(a, job) - at(b, job)), higher, (trial) => at(trial, job)) })).filter((mark) => mark.points.length);
  return plot({ id, title: heading, height: 280, x, y: { label: words(metric) }, marks, empty: "No trial is done yet." }).box;
}

function winners(items) {
  const names = [...new Set(items.flatMap(({ job }) => Object.keys(job.best?.params || {})))].sort();
  const differ = names.filter((name) => new Set(items.map(({ job }) => textOf(job.best?.params?.[name]))).size > 1);
  if (!differ.length) return null;
  return card("Hyperparameters of the winners, where they differ", table(["", ...items.map(({ job }) => job.name || job.id)], differ.map((name) => [words(name), ...items.map(({ job }) => textOf(job.best?.params?.[name]))]), { "aria-label": "Hyperparameters of the winners" }));
}

export function jobsView(items) {
  return { warnings: warnings(items), nodes: [card(null, facts(items)),
    el("div", { class: "even" }, card(null, curves(items, "Best score by trial", "by-trial", { label: "trial", integer: true, min: 1 }, (trial) => trial.number)),
      card(null, curves(items, "Best score by time", "by-time", { label: "seconds since its start", min: 0 }, (trial, job) => Math.max(0, (new Date(trial.ended_at) - new Date(job.started_at)) / 1000)))),
    winners(items)] };
}
