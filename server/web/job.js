// One job, live: progress, time left, best score over trials, the trial table, and a form for its model.

import { call } from "./api.js";
import { chart } from "./chart.js";
import { bytes, el, number, problemBox, seconds, show, state } from "./dom.js";
import { curlLines, tryForm } from "./try.js";

const LOWER_IS_BETTER = /^(log_loss|brier_score|rmse|mae|mape|rmsle|quantile_.*)$/;
const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const OPEN = new Set(["running", "paused"]);

function params(values) {
  return Object.entries(values || {}).map(([name, value]) => `${name} ${typeof value === "number" ? number(value, 3) : value}`).join(", ");
}

function fact(label) {
  const value = el("strong", {}, "–");
  return { box: el("div", {}, el("span", {}, label), value), set: (text) => { value.textContent = text; } };
}

function skeleton(job) {
  const parts = {
    state: el("span", {}, state(job.state)),
    fill: el("div"),
    done: el("p", { class: "faint" }),
    problem: el("div"),
    facts: ["Best score", "Trials done", "Running", "Elapsed", "Time left"].map(fact),
    chart: el("div", { id: "chart" }),
    rows: el("tbody"),
    live: el("p", { class: "faint" }),
    model: el("div", { class: "card", id: "model", hidden: true }),
    pause: el("button", { class: "quiet", id: "pause" }, "Pause"),
    resume: el("button", { id: "resume" }, "Resume"),
    cancel: el("button", { class: "quiet", id: "cancel" }, "Stop and keep the best"),
    extend: el("button", { class: "quiet", id: "extend" }, "Extend…"),
    clone: el("button", { class: "quiet", id: "clone" }, "Clone"),
    extension: el("form", { id: "extension", hidden: true }),
    log: el("pre", { id: "log" }),
    more: el("button", { class: "quiet", id: "more-log", hidden: true }, "More"),
  };
  const buttons = el("div", { class: "actions" }, parts.pause, parts.resume, parts.extend, parts.clone, parts.cancel);
  const heads = ["Trial", "Family", "State", "Score", "Seconds", "Hyperparameters"];
  show(
    el("div", { class: "card" },
      el("div", { class: "head" }, el("div", {}, el("h1", {}, job.name || job.id), parts.state), buttons),
      el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "progress" }, parts.fill),
      parts.done, parts.problem, parts.extension,
      el("div", { class: "facts" }, parts.facts.map((item) => item.box))),
    el("div", { class: "two" },
      el("div", { class: "card" }, el("h2", {}, "Best score so far"), parts.chart, parts.live),
      parts.model),
    el("div", { class: "card" }, el("h2", {}, "Trials"),
      el("div", { class: "scroll" }, el("table", { id: "trials" },
        el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i === 3 || i === 4 ? "number" : "" }, head)))), parts.rows))),
    el("div", { class: "card" }, el("h2", {}, "Log"), el("div", { class: "scroll" }, parts.log), parts.more,
      el("p", {}, el("a", { id: "log-link", href: `/api/v1/jobs/${encodeURIComponent(job.id)}/logs?limit=1000` }, "The log as JSON"))));
  return parts;
}

function trialRow(trial, bestId, paused) {
  const note = trial.reasons && trial.reasons.length ? trial.reasons[trial.reasons.length - 1] : params(trial.params);
  const beyond = trial.within_limits === false ? `beyond the limits (${number(trial.us_per_row, 3)} µs, ${bytes(trial.model_bytes)}) · ` : "";
  const look = trial.id === bestId ? "best" : trial.state === "pruned" ? "pruned" : "";
  return el("tr", { class: look },
    el("td", {}, String(trial.number)), el("td", {}, trial.family), el("td", {}, state(paused && trial.state === "running" ? "paused" : trial.state),
      trial.rungs ? ` ${trial.rung}/${trial.rungs}` : ""),
    el("td", { class: "number" }, number(trial.metric)), el("td", { class: "number" }, number(trial.seconds, 2)),
    el("td", { class: "params" }, beyond, note));
}

function logLine(line) {
  const trial = line.trial ? ` ${line.trial}` : "";
  return `${line.at.slice(11, 19)} ${line.level === "info" ? "" : `${line.level} `}${line.source}${trial}: ${line.message}\n`;
}

// New totals for the budget the job has; fields only for what it is limited by.
function fillExtension(form, job, send) {
  const budget = job.budget || {};
  const fields = ["seconds", "trials"].filter((name) => budget[name]).map((name) =>
    el("label", {}, `New total of ${name} (now ${number(budget[name])})`,
      el("input", { type: "number", name, min: "1", step: "1", value: String(Math.ceil(2 * budget[name])) })));
  form.replaceChildren(...fields, el("button", {}, "Extend"));
  form.onsubmit = (event) => {
    event.preventDefault();
    const body = {};
    for (const input of form.querySelectorAll("input")) if (Number(input.value) > budget[input.name]) body[input.name] = Number(input.value);
    send(body);
  };
}

// Shows the form once the job has something servable, and again when a better version is published.
async function showModel(job, box, shown) {
  if (!job.model || shown.version === job.model.version) return;
  const first = shown.version === undefined;
  shown.version = job.model.version;
  const title = `Try ${job.model.name}, version ${job.model.version}`;
  if (!first) {
    box.querySelector("h2").textContent = title;
    return;
  }
  const form = await tryForm(job.model.name);
  const schema = await call("GET", `/api/v1/models/${encodeURIComponent(job.model.name)}/schema`);
  box.replaceChildren(el("h2", {}, title), form,
    el("details", {}, el("summary", {}, "From an app"), el("pre", {}, curlLines(job.model.name, schema)),
      el("a", { href: `/models/${job.model.name}` }, "Its report")));
  box.hidden = false;
}

export async function jobPage(id) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  let job = await call("GET", path);
  const parts = skeleton(job);
  const trials = new Map();
  const shown = {};
  let stream = null;
  let busy = false;
  let again = false;

  let seen = 0;
  let fault = null;

  // What the server refused stays to be read until the next try.
  async function tell(button, verb, body) {
    button.disabled = true;
    fault = null;
    let answer = null;
    try {
      answer = await call("POST", `${path}/${verb}`, body);
    } catch (problem) {
      fault = problem;
    }
    button.disabled = false;
    await refresh();
    if (answer && verb !== "clone" && !ENDED.has(answer.state) && !stream) listen();
    return answer;
  }

  for (const verb of ["pause", "resume", "cancel"]) parts[verb].addEventListener("click", () => tell(parts[verb], verb));
  parts.extend.addEventListener("click", () => {
    parts.extension.hidden = !parts.extension.hidden;
    fillExtension(parts.extension, job, async (body) => {
      if (await tell(parts.extend, "extend", body)) parts.extension.hidden = true;
    });
  });
  parts.clone.addEventListener("click", async () => {
    const made = await tell(parts.clone, "clone");
    if (made) location.assign(`/jobs/${encodeURIComponent(made.id)}`);
  });
  parts.more.addEventListener("click", () => loadLog());

  async function loadLog() {
    const page = await call("GET", `${path}/logs?limit=200&after=${seen}`);
    if (page.items.length) seen = page.items[page.items.length - 1].seq;
    parts.log.append(page.items.map(logLine).join(""));
    parts.more.hidden = !page.next_cursor;
  }

  async function loadTrials() {
    // Trials are numbered in order: only those that may still change are asked for again.
    let after = 0;
    for (let n = 1; trials.has(n) && !OPEN.has(trials.get(n).state); n++) after = n;
    for (let cursor = after ? String(after) : ""; ;) {
      const page = await call("GET", `${path}/trials?limit=100${cursor ? `&cursor=${cursor}` : ""}`);
      for (const trial of page.items) trials.set(trial.number, trial);
      if (!page.next_cursor) return;
      cursor = encodeURIComponent(page.next_cursor);
    }
  }

  function draw() {
    const metric = job.metric || (job.best && job.best.metric) || "score";
    const ended = ENDED.has(job.state);
    const percent = Math.round(100 * (ended ? 1 : job.progress || 0));
    parts.state.replaceChildren(state(job.state));
    parts.fill.style.width = `${percent}%`;
    parts.fill.parentElement.setAttribute("aria-valuenow", String(percent));
    parts.done.textContent = ended ? `Ended${job.stop_reason ? `: ${job.stop_reason.replaceAll("_", " ")}` : ""}.` : `${percent} % of the budget`;
    parts.problem.replaceChildren(...(fault ? [problemBox(fault)] : job.error ? [problemBox({ message: job.error.detail || job.error.title || String(job.error) })] : []));
    const counts = job.trials || {};
    const paused = job.state === "paused";
    parts.facts[2].box.firstChild.textContent = paused ? "Waiting" : "Running";
    if (paused) parts.live.textContent = "";
    const texts = [job.best ? `${number(job.best.value)}` : "–", String(counts.done || 0), String(counts.running || 0), seconds(job.elapsed_s), ended ? "–" : seconds(job.eta_s)];
    parts.facts.forEach((item, i) => item.set(texts[i]));
    parts.facts[0].box.firstChild.textContent = `Best ${metric.replaceAll("_", " ")}`;
    const list = [...trials.values()].sort((a, b) => a.number - b.number);
    const done = list.filter((trial) => trial.state === "done"), fitting = done.filter((trial) => trial.within_limits);
    parts.chart.replaceChildren(chart(fitting.length ? fitting : done, !LOWER_IS_BETTER.test(metric), metric));
    parts.rows.replaceChildren(...list.reverse().map((trial) => trialRow(trial, job.best && job.best.trial, paused)));
    parts.cancel.hidden = ended;
    parts.pause.hidden = ended || paused;
    parts.resume.hidden = !paused;
  }

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        job = await call("GET", path);
        await loadTrials();
        // A long log is read on at the reader's pace.
        if (parts.more.hidden) await loadLog();
        draw();
        await showModel(job, parts.model, shown);
        if (again) await new Promise((resolve) => setTimeout(resolve, 300));
      } while (again);
    } catch (problem) {
      parts.problem.replaceChildren(problemBox(problem));
    } finally {
      busy = false;
    }
    if (ENDED.has(job.state) && stream) {
      stream.close();
      stream = null;
      parts.live.textContent = "";
    }
  }

  function listen() {
    stream = new EventSource(`${path}/events`);
    for (const kind of ["state", "trial", "best", "done", "reset"]) stream.addEventListener(kind, refresh);
    stream.addEventListener("epoch", (event) => {
      const epoch = JSON.parse(event.data);
      const score = Number.isFinite(epoch.valid_metric) ? `, score ${number(epoch.valid_metric)}` : "";
      parts.live.textContent = `Trial ${epoch.trial ?? epoch.number}: epoch ${epoch.epoch}${epoch.epoch_count ? ` of ${epoch.epoch_count}` : ""}${score}`;
    });
  }

  await refresh();
  if (!ENDED.has(job.state)) listen();
  // The clock moves on between events.
  setInterval(() => {
    if (!ENDED.has(job.state) && !document.hidden) refresh();
  }, 1000);
}
