// One job, live: how far it is and what it does now, the best score and the curves, every trial, what it is told to do.

import { call, get, Problem } from "./api.js";
import { ago, bytes, count, el, goneBox, hideSome, number, problemBox, query, seconds, setQuery, show, state, title } from "./dom.js";
import { bestChart, curvesChart } from "./job_charts.js";
import { hasEnded, jobFeed } from "./job_feed.js";
import { higherIsBetter, jobParameters, textOf, words } from "./space.js";
import { showTrial } from "./trial.js";
import { virtualTable } from "./virtual.js";

const STOPPED = {
  budget_seconds: "its time was used up", budget_trials: "all its trials were made", target_score: "the target score was reached",
  no_gain: "nothing more was to be gained", exhausted: "nothing was left to try", cancelled: "it was stopped by hand",
};

function fact(label) {
  const value = el("strong", {}, "–");
  const name = el("span", {}, label);
  return { box: el("div", {}, name, value), name, set: (text) => { value.textContent = text; } };
}

// Those that are searched; all where the job does not say.
function paramsLine(trial, searched) {
  const names = Object.keys(trial.params || {});
  const kept = names.filter((name) => searched.has(`${trial.family}.${name}`));
  return (kept.length ? kept : names).map((name) => `${words(name)} ${textOf(trial.params[name])}`).join(", ");
}

const PLACE = { running: 0, done: 1, paused: 3, pruned: 4, cancelled: 5, failed: 6 };

// Those at work first, then the best first. A score at a rung is of one fit, so such trials come after the finished ones.
function ranked(list, higher) {
  const place = (trial) => (trial.state === "done" && trial.within_limits === false ? 2 : PLACE[trial.state] ?? 7);
  const score = (trial) => (Number.isFinite(trial.metric) ? (higher ? -trial.metric : trial.metric) : Infinity);
  return list.sort((a, b) => place(a) - place(b) || (score(a) === score(b) ? a.number - b.number : score(a) - score(b)));
}

function trialsTable(job, onpick) {
  const searched = new Set(jobParameters(job).map((item) => item.name));
  const beyond = (trial) => (trial.within_limits === false ? `beyond the limits (${number(trial.us_per_row, 3)} µs, ${bytes(trial.model_bytes)}) · ` : "");
  const lastReason = (trial) => (trial.reasons?.length ? trial.reasons[trial.reasons.length - 1] : null);
  return virtualTable({
    id: "trials", name: "Trials", onpick,
    look: (trial) => `${trial.best ? "best" : ""} ${trial.state}`,
    columns: [
      { text: "Trial", number: true, width: "3.6rem", cell: (trial) => String(trial.number), sort: (trial) => trial.number },
      { text: "Score", number: true, width: "5.5rem", cell: (trial) => number(trial.metric), sort: (trial) => trial.metric },
      { text: "State", width: "8rem", cell: (trial) => el("span", {}, state(trial.shown || trial.state), trial.rungs ? ` ${trial.rung ?? "–"}/${trial.rungs}` : ""), sort: (trial) => trial.state },
      { text: "Family", width: "4.5rem", cell: (trial) => trial.family, sort: (trial) => trial.family },
      { text: "Seconds", number: true, width: "5rem", cell: (trial) => number(trial.seconds, 2), sort: (trial) => trial.seconds },
      { text: "Hyperparameters", width: "minmax(16rem, 1fr)", cell: (trial) => { const text = beyond(trial) + (lastReason(trial) || paramsLine(trial, searched)); return el("span", { class: "small", title: text }, text); } },
    ],
  });
}

function skeleton(job, onTrial) {
  const parts = {
    state: el("span", {}, state(job.state)), fill: el("div"), done: el("p", { class: "faint", id: "now" }), problem: el("div"),
    facts: ["Best score", "Trials done", "Running", "Elapsed", "Time left"].map(fact),
    best: bestChart(([at]) => onTrial(at)), curves: curvesChart((point, mark) => mark.trial && onTrial(mark.trial.number)),
    trials: trialsTable(job, (trial) => onTrial(trial.number)), counts: el("p", { class: "faint" }),
    detail: el("section", { class: "card", id: "trial", hidden: true, "aria-label": "One trial" }),
    model: el("section", { class: "card", id: "model", hidden: true }),
    pause: el("button", { class: "quiet", id: "pause" }, "Pause"),
    resume: el("button", { id: "resume" }, "Resume"),
    cancel: el("button", { class: "quiet", id: "cancel" }, "Stop and keep the best"),
    extend: el("button", { class: "quiet", id: "extend" }, "Extend…"),
    clone: el("button", { class: "quiet", id: "clone" }, "Clone"),
    extension: el("form", { id: "extension", hidden: true }),
    log: el("pre", { id: "log" }), more: el("button", { class: "quiet small", id: "more-log", hidden: true }, "More"),
    live: el("span", { class: "faint small", id: "live" }),
  };
  const id = encodeURIComponent(job.id);
  const about = [words(job.task), job.target ? `of ${job.target}` : "", "·", words(job.metric), "·", job.spec?.search?.method || "bayes", "·", `made ${ago(job.created_at)}`].filter(Boolean).join(" ");
  title(job.name || job.id);
  show(
    el("section", { class: "card" },
      el("div", { class: "head" },
        el("div", {}, el("h1", {}, job.name || job.id), el("p", { class: "faint" }, parts.state, " ", about)),
        el("div", { class: "actions head-actions" }, parts.pause, parts.resume, parts.extend, parts.clone, parts.cancel)),
      el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "progress" }, parts.fill),
      parts.done, parts.problem, parts.extension,
      el("div", { class: "facts" }, parts.facts.map((item) => item.box)),
      el("p", { class: "actions" }, el("a", { class: "button quiet small", id: "explain", href: `/jobs/${id}/search` }, "The search, explained"),
        el("a", { class: "button quiet small", href: `/compare?jobs=${id}` }, "Compare with others"),
        job.dataset ? el("a", { class: "button quiet small", href: `/datasets/${encodeURIComponent(job.dataset.id)}` }, "Its dataset") : null, parts.live)),
    el("div", { class: "even" }, el("section", { class: "card" }, parts.best.box), el("section", { class: "card" }, parts.curves.box)),
    parts.detail,
    el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "Leaderboard"), parts.counts), parts.trials.box),
    el("div", { class: "two" },
      el("section", { class: "card" }, el("h2", {}, "Log"), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Log" }, parts.log), parts.more,
        el("p", {}, el("a", { id: "log-link", href: `/api/v1/jobs/${id}/logs?limit=1000` }, "The log as JSON"))),
      parts.model));
  return parts;
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
  form.replaceChildren(el("div", { class: "fields" }, fields), el("button", {}, "Extend"));
  form.onsubmit = (event) => {
    event.preventDefault();
    const body = {};
    for (const input of form.querySelectorAll("input")) if (Number(input.value) > budget[input.name]) body[input.name] = Number(input.value);
    send(body);
  };
}

// Shows the form once the job has something servable, and again when a better version is published.
async function showModel(job, box, shown) {
  if (!job.model || shown.version === job.model.version || shown.busy) return;
  const heading = `Try ${job.model.name}, version ${job.model.version}`;
  if (shown.version !== undefined) {
    shown.version = job.model.version;
    box.querySelector("h2").textContent = heading;
    return;
  }
  shown.busy = true;
  try {
    const name = encodeURIComponent(job.model.name);
    const { curlLines, tryForm } = await import("./try.js");
    const [form, schema] = await Promise.all([tryForm(job.model.name), get(`/api/v1/models/${name}/schema`)]);
    box.replaceChildren(el("h2", {}, heading), form,
      el("details", {}, el("summary", {}, "From an app"), el("pre", {}, curlLines(job.model.name, schema))),
      el("p", {}, el("a", { href: `/models/${name}` }, "Its report and versions")));
    box.hidden = false;
    shown.version = job.model.version;
  } finally {
    shown.busy = false;
  }
}

function nowWords(job, now) {
  const done = `${Math.round(100 * (job.progress || 0))} % of the budget`;
  if (job.state === "queued") return "Waiting for a free worker. It begins by itself.";
  if (job.state === "paused") return `${done}. Paused: its clock stands still until it is resumed.`;
  if (hasEnded(job)) return job.state === "failed" ? "It failed." : `Ended: ${STOPPED[job.stop_reason] || words(job.stop_reason) || job.state}.`;
  if (job.stop_reason) return "The search is over: making the model of the best trials.";
  return `${done}. ${now || (job.trials?.running ? `Training ${count(job.trials.running, "trial")}.` : "Choosing the next trial.")}`;
}

export async function jobPage(id) {
  let parts = null;
  let fault = null;
  let actFault = null;
  let now = "";
  let seen = 0;
  let loadingLog = false;
  let logAgain = false;
  let drawing = false;
  let charting = false;
  let chartRest = 0;
  let scrolledAt = -Infinity;
  let sorted = [];
  let drawn = "";
  let gone = false;
  const shown = {};

  const feed = jobFeed(id, {
    onChange: () => soon(), onNow: (text) => { now = text; },
    onProblem: (problem) => {
      fault = problem;
      if (gone) return;
      if (parts && problem instanceof Problem && problem.status === 404) {
        gone = true;
        feed.stop();
        show(goneBox("job", "/jobs", "All jobs"));
      } else if (problem && parts) draw();
      else if (problem) throw problem;
    },
    onConnection: (how) => {
      if (parts) parts.live.textContent = { live: "live", away: "the connection was lost; coming back …" }[how] || "";
    },
  });

  // Bursts of events are one drawing.
  function soon() {
    if (drawing || !parts) return;
    drawing = true;
    setTimeout(() => { drawing = false; draw(); }, 120);
  }

  // Charts of thousands of trials take long to draw: seldom then, and not while the page is being scrolled.
  function chartsSoon() {
    if (charting) return;
    charting = true;
    const turn = () => {
      if (performance.now() - scrolledAt < 250) return setTimeout(turn, 250);
      charting = false;
      const from = performance.now();
      parts.best.set(feed.job, sorted);
      parts.curves.draw(feed);
      chartRest = Math.min(1500, 4 * (performance.now() - from));
      return undefined;
    };
    setTimeout(turn, chartRest);
  }

  function pick(at) {
    setQuery("trial", String(at));
    showTrial(feed, at, parts.detail, () => {
      parts.detail.hidden = true;
      setQuery("trial", "");
    }).then(() => parts.detail.scrollIntoView({ block: "nearest" }));
  }

  // What is asked for while an answer is on its way is looked at after it: a job that has ended is drawn no more.
  async function loadLog() {
    logAgain = loadingLog;
    if (loadingLog) return;
    loadingLog = true;
    try {
      do {
        logAgain = false;
        const page = await get(`${feed.path}/logs?limit=200&after=${seen}`);
        if (page.items.length) seen = page.items[page.items.length - 1].seq;
        parts.log.append(page.items.map(logLine).join(""));
        parts.more.hidden = !page.next_cursor;
      } while (logAgain && parts.more.hidden);
    } finally {
      loadingLog = false;
    }
  }

  function drawFacts(job) {
    const paused = job.state === "paused";
    const ended = hasEnded(job);
    const counts = job.trials || {};
    const texts = [job.best ? number(job.best.value) : "–", String(counts.done || 0), String(counts.running || 0), seconds(job.elapsed_s), ended ? "–" : seconds(job.eta_s)];
    parts.facts.forEach((item, i) => item.set(texts[i]));
    parts.facts[0].name.textContent = `Best ${words(job.metric || "score")}`;
    parts.facts[2].name.textContent = paused ? "Waiting" : "Running";
    parts.counts.textContent = ["done", "running", "paused", "pruned", "failed", "cancelled"].filter((name) => counts[name]).map((name) => `${counts[name]} ${name}`).join(", ");
  }

  function draw() {
    const { job } = feed;
    if (!job) return;
    const ended = hasEnded(job);
    const paused = job.state === "paused";
    const percent = Math.round(100 * (ended ? 1 : job.progress || 0));
    parts.state.replaceChildren(state(job.state));
    parts.fill.style.width = `${percent}%`;
    parts.fill.parentElement.setAttribute("aria-valuenow", String(percent));
    parts.done.textContent = nowWords(job, now);
    const problem = actFault || fault || (job.error && { message: job.error.detail || job.error.title || String(job.error) });
    parts.problem.replaceChildren(...(problem ? [problemBox(problem)] : []));
    drawFacts(job);
    const wanted = `${feed.version} ${job.state} ${job.best?.trial}`;
    if (wanted !== drawn) {
      drawn = wanted;
      sorted = [...feed.trials.values()].sort((a, b) => a.number - b.number);
      for (const trial of sorted) {
        trial.best = trial.id === job.best?.trial;
        trial.shown = paused && trial.state === "running" ? "paused" : trial.state;
      }
      parts.trials.set(ranked([...sorted], higherIsBetter(job.metric)));
      chartsSoon();
    }
    // In the order in which the focus moves on when one goes.
    hideSome([parts.resume, parts.pause, parts.extend, parts.cancel], ended ? [parts.pause, parts.resume, parts.cancel] : [paused ? parts.pause : parts.resume]);
    if (parts.more.hidden) loadLog().catch(() => { /* told by the feed */ });
    showModel(job, parts.model, shown).catch(() => { /* tried again at the next drawing */ });
  }

  // What the server refused stays to be read until the next try.
  async function tell(button, verb, body) {
    // Not disabled: that would lose the focus.
    if (button.getAttribute("aria-disabled") === "true") return null;
    button.setAttribute("aria-disabled", "true");
    actFault = null;
    let answer = null;
    try {
      answer = await call("POST", `${feed.path}/${verb}`, body);
    } catch (problem) {
      actFault = problem;
    }
    button.removeAttribute("aria-disabled");
    await feed.refresh();
    draw();
    return answer;
  }

  function wire() {
    for (const verb of ["pause", "resume", "cancel"]) parts[verb].addEventListener("click", () => tell(parts[verb], verb));
    parts.extend.addEventListener("click", () => {
      parts.extension.hidden = !parts.extension.hidden;
      fillExtension(parts.extension, feed.job, async (body) => {
        if (!(await tell(parts.extend, "extend", body))) return;
        parts.extension.hidden = true;
        parts.extend.focus();
      });
      parts.extension.querySelector("input")?.focus();
    });
    parts.clone.addEventListener("click", async () => {
      const made = await tell(parts.clone, "clone");
      if (made) location.assign(`/jobs/${encodeURIComponent(made.id)}`);
    });
    parts.more.addEventListener("click", () => loadLog());
  }

  try {
    await feed.start();
  } catch (problem) {
    if (problem.status === 404) return show(goneBox("job", "/jobs", "All jobs"));
    throw problem;
  }
  // The frame stands before the trials are there.
  parts = skeleton(feed.job, pick);
  wire();
  draw();
  await feed.refresh();
  if (query("trial")) pick(Number(query("trial")));
  document.addEventListener("scroll", () => { scrolledAt = performance.now(); }, { capture: true, passive: true });
  // The clock moves on between events.
  setInterval(() => {
    if (!gone && !hasEnded(feed.job) && !document.hidden) feed.refresh();
  }, 1000);
  return undefined;
}
