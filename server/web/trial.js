// One trial of a job: what it was run with, how it learned, what was written about it, why it failed.

import { get } from "./api.js";
import { bytes, copyButton, count, el, number, problemBox, seconds, state } from "./dom.js";
import { curvesOf } from "./job_feed.js";
import { plot } from "./plot.js";
import { jobParameters, textOf, words } from "./space.js";

const LOG_PAGES = 3;

function facts(trial) {
  const list = [
    [words(trial.metric_name) || "score", number(trial.metric)],
    ["CPU time", trial.seconds === null ? "–" : trial.seconds < 10 ? `${number(trial.seconds, 2)} s` : seconds(trial.seconds)],
    ["fits done", trial.units_total ? `${trial.units_done} of ${trial.units_total}` : "–"],
  ];
  if (trial.rungs) list.push(["rung", `${trial.rung ?? "–"} of ${trial.rungs}`]);
  if (Number.isFinite(trial.us_per_row)) list.push(["a prediction", `${number(trial.us_per_row, 2)} µs`]);
  if (Number.isFinite(trial.model_bytes)) list.push(["model", bytes(trial.model_bytes)]);
  if (Number.isInteger(trial.rank)) list.push(["rank", String(trial.rank)]);
  return el("div", { class: "facts" }, list.map(([name, value]) => el("div", {}, el("span", {}, name), el("strong", {}, value))));
}

function parameters(job, trial) {
  const known = new Map(jobParameters(job).filter((item) => item.family === trial.family).map((item) => [item.key, item]));
  const names = Object.keys(trial.params || {}).sort((a, b) => known.has(b) - known.has(a) || (a < b ? -1 : 1));
  const row = (name) => el("tr", { class: known.has(name) ? "" : "pruned" }, el("th", { scope: "row" }, words(name)),
    el("td", { class: "number" }, textOf(trial.params[name])), el("td", { class: "faint small" }, known.get(name)?.help || (known.has(name) ? "" : "fixed")));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Hyperparameters" },
    el("table", { id: "trial-params" }, el("tbody", {}, names.map(row))));
}

function curves(trial) {
  const folds = curvesOf(trial.epochs || []);
  if (!folds.size) return null;
  const train = (trial.epochs || []).filter((row) => Number.isFinite(row.train_loss));
  const metric = folds.isLoss ? "loss" : words(trial.metric_name || "score");
  const chart = plot({ heading: "h3", title: `Trial ${trial.number}: validation ${metric}`, height: 200, x: { label: "epoch", integer: true }, y: {},
    marks: [...folds].map(([fold, points], i) => ({ kind: "line", points, style: `s${(i % 6) + 1} thin`, name: `fit ${fold + 1}` })) });
  const losses = new Map();
  for (const row of train) losses.set(row.fold, [...(losses.get(row.fold) || []), [row.epoch, row.train_loss]]);
  const loss = plot({ heading: "h3", title: `Trial ${trial.number}: training loss`, height: 200, x: { label: "epoch", integer: true }, y: {},
    marks: [...losses].map(([fold, points], i) => ({ kind: "line", points, style: `s${(i % 6) + 1} thin`, name: `fit ${fold + 1}` })) });
  return el("div", { class: "even" }, chart.box, losses.size ? loss.box : null);
}

async function logOf(path, trial) {
  const lines = [];
  let after = 0;
  for (let i = 0; i < LOG_PAGES; i++) {
    const page = await get(`${path}/logs?limit=1000&after=${after}`);
    lines.push(...page.items.filter((line) => line.trial === trial.number));
    if (!page.next_cursor || !page.items.length) break;
    after = page.items[page.items.length - 1].seq;
  }
  return lines.map((line) => `${line.at.slice(11, 19)} ${line.level === "info" ? "" : `${line.level} `}${line.message}`).join("\n");
}

// Fills `box` with the trial; onclose() when it is put away.
export async function showTrial(feed, number_, box, onclose) {
  const known = feed.trials.get(number_);
  if (!known) return;
  box.hidden = false;
  try {
    const trial = await get(`${feed.path}/trials/${encodeURIComponent(known.id)}`);
    const text = await logOf(feed.path, trial);
    const reasons = trial.reasons || [];
    box.replaceChildren(
      el("div", { class: "head" }, el("h2", {}, `Trial ${trial.number} · ${trial.family} `, state(trial.state)),
        el("div", { class: "actions" }, copyButton(() => JSON.stringify({ family: trial.family, ...trial.params }, null, 2), "Copy its hyperparameters"),
          el("button", { class: "quiet small", type: "button", id: "close-trial", onclick: onclose }, "Close"))),
      reasons.length ? el("div", { class: "card problem" }, el("p", {}, trial.state === "failed" ? "It failed:" : "What went wrong on the way:"), el("ul", {}, reasons.map((reason) => el("li", {}, reason)))) : "",
      trial.within_limits === false ? el("p", { class: "warning" }, "Beyond the job's limits on time or size, so it has no part in the model.") : "",
      facts(trial),
      el("div", { class: "two spaced" },
        el("div", {}, el("h3", {}, "Hyperparameters"), parameters(feed.job, trial)),
        el("div", {}, el("h3", {}, "Its lines in the log"), el("pre", { class: "scroll", tabindex: "0", "aria-label": "Log of the trial" }, text || "No line is kept."))),
      curves(trial) || el("p", { class: "faint" }, trial.family === "linear" ? "A linear model has no epochs, so no curve." : `No curve: ${count(trial.units_done || 0, "fit")} done, none in epochs.`));
  } catch (problem) {
    box.replaceChildren(problemBox(problem));
  }
}
