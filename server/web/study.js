// Studies: the list, and one with the same plots as a job.

import { all, call, get } from "./api.js";
import { agree, ago, card, count, el, goneBox, number, problemBox, query, setQuery, show, state, table, title, when } from "./dom.js";
import { rungsView } from "./explain_trials.js";
import { trialsOf, trialsSince, views } from "./explain.js";
import { bestSoFar } from "./job_charts.js";
import { plot } from "./plot.js";
import { beyondNote, scoreRange } from "./scale.js";
import { studyParameters, textOf, words } from "./space.js";
import { virtualTable } from "./virtual.js";

const POLL_MS = 1000;
const QUIET_MS = 5000; // while nobody runs anything
const CURVE_POINTS = 200;
const CURVES_PAGE = 500;
const CURVES = 60; // each drawn by itself

export async function studiesPage() {
  title("Studies");
  const studies = await all("/api/v1/studies", 500);
  const rows = studies.map((study) => [el("a", { href: `/studies/${encodeURIComponent(study.id)}` }, study.name || study.id), state(study.state), study.method,
    `${study.trials.done}${study.max_trials ? ` of ${study.max_trials}` : ""}`, String(study.trials.running), when(study.created_at)]);
  show(el("h1", {}, "Studies"), card(null, rows.length
    ? table(["Study", "State", "Method", { text: "Trials done", number: true }, { text: "Running", number: true }, "Made"], rows, { id: "studies", "aria-label": "Studies" })
    : el("p", {}, "No study yet. With one, your own training code asks for hyperparameters and tells its score: ", el("a", { href: "/docs/studies" }, "see how"), ".")));
}

// As the views want trials: `metric` is the value of the first direction.
const asTrial = (trial) => ({ ...trial, metric: trial.value ?? trial.measured ?? null });

// What was measured of each trial from `after` on: into number → [[step, value]].
async function readCurves(path, after, curves) {
  for (let cursor = String(after); cursor;) {
    const page = await get(`${path}/curves?points=${CURVE_POINTS}&limit=${CURVES_PAGE}&cursor=${cursor}`);
    for (const item of page.items) if (item.steps.length) curves.set(item.number, item.steps.map((step, i) => [step, item.values[i]]));
    cursor = page.next_cursor;
  }
}

const SAID = { running: "training now", paused: "waiting at a rung", done: "done", pruned: "stopped early", failed: "failed", forgotten: "forgotten" };
const STYLE = { running: "s2", paused: "s6 thin", done: "s3 thin", pruned: "dim thin", failed: "bad thin" };

function curvesView(higher, open) {
  const chart = plot({ id: "curves-chart", title: "Learning curves", x: { label: "step" }, y: {}, height: 270, empty: "…", onpick: (point, mark) => mark.trial && open(mark.trial) });
  const box = card(null, chart.box);
  box.hidden = true;
  return { box, set(list, curves) {
    const known = list.filter((trial) => curves.has(trial.number));
    box.hidden = !known.length;
    if (!known.length) return;
    const done = known.filter((trial) => trial.state === "done" && Number.isFinite(trial.metric));
    const best = done.reduce((found, trial) => (!found || (higher ? trial.metric > found.metric : trial.metric < found.metric) ? trial : found), null);
    const single = known.filter((trial, i) => i >= known.length - CURVES || trial === best || trial.state === "running");
    const said = (trial) => (trial === best ? "best trial" : SAID[trial.state] || trial.state);
    const rest = known.filter((trial) => !single.includes(trial));
    const marks = single.map((trial) => ({ kind: "line", trial, style: trial === best ? "s1" : STYLE[trial.state] || "dim thin", name: said(trial),
      points: curves.get(trial.number).map(([step, value]) => [step, value, `Trial ${trial.number}, ${said(trial)}\nstep ${number(step)}: ${number(value)}`]), order: trial === best ? 2 : trial.state === "running" ? 1 : 0 }));
    for (const name of new Set(rest.map((trial) => trial.state)))
      marks.push({ kind: "lines", lines: rest.filter((trial) => trial.state === name).map((trial) => curves.get(trial.number)), style: STYLE[name] || "dim thin", name: SAID[name] || name, order: -1 });
    // One measure makes no line.
    for (const mark of [...marks]) if (mark.points?.length === 1) marks.push({ ...mark, kind: "dots", size: 5, unlisted: true });
    marks.sort((a, b) => a.order - b.order);
    const whole = known.every((trial) => curves.get(trial.number).every(([step]) => Number.isInteger(step)));
    const values = known.flatMap((trial) => curves.get(trial.number).map(([, value]) => value));
    const range = scoreRange(values, higher);
    chart.set({ marks, x: { label: "step", integer: whole }, y: { label: "value", ...range },
      note: `What was measured of ${count(known.length, "trial")}; those stopped early are grey. ${beyondNote(values, range)}`.trim() });
  } };
}

// Where trials wait: `min` steps, and eta times as many at each further one, up to `max`.
function rungsOf(study) {
  const { min, max, eta = 3 } = study.steps || {};
  if (!(min > 0) || !(max > min) || !(eta > 1) || !["asha", "hyperband"].includes(study.early_stopping)) return [];
  const rungs = [];
  for (let step = min; step < max * 0.999; step *= eta) rungs.push(step);
  return [...rungs, max];
}

// trial → rung → what was measured when it was reached.
function rungScores(rungs, curves) {
  const scores = new Map();
  for (const [number_, points] of curves) {
    const reached = new Map();
    rungs.forEach((step, i) => {
      const at = points.find(([measured]) => measured >= step * 0.999);
      if (at) reached.set(i + 1, at[1]);
    });
    if (reached.size) scores.set(number_, reached);
  }
  return scores;
}

function bestView(higher) {
  const chart = plot({ id: "best-chart", title: "Best value so far", x: { label: "trial", integer: true, min: 1 }, y: {}, height: 270, empty: "No trial is done yet. Ask for one with suggest, and tell its value." });
  return { box: card(null, chart.box), set(list) {
    const done = list.filter((trial) => trial.state === "done" && Number.isFinite(trial.metric) && trial.feasible !== false);
    const infeasible = list.filter((trial) => trial.feasible === false && Number.isFinite(trial.metric));
    const best = bestSoFar(done, higher);
    const dot = (trial) => [trial.number, trial.metric, `Trial ${trial.number}\nvalue ${number(trial.metric)}`];
    const range = scoreRange(done.map((trial) => trial.metric), higher);
    chart.set({ y: { label: "value", ...range },
      note: best.length ? `${number(best[best.length - 1][1])} after ${count(done.length, "trial")}; ${higher ? "higher" : "lower"} is better. ${beyondNote([...done, ...infeasible].map((trial) => trial.metric), range)}`.trim() : "",
      marks: [{ kind: "dots", points: infeasible.map(dot), style: "s2", size: 6, name: "breaks a constraint" }, { kind: "dots", points: done.map(dot), style: "s3", size: 6, name: "trial" },
        { kind: "step", points: best, style: "s1", name: "best so far", quiet: true }].filter((mark) => mark.points.length) });
  } };
}

// Of two directions: what is given up of one for the other.
function frontView(directions) {
  const chart = plot({ id: "front", title: "One against the other", x: { label: `first value (${directions[0]})` }, y: { label: `second value (${directions[1]})` }, height: 270 });
  const sign = directions.map((direction) => (direction === "maximize" ? -1 : 1));
  return { box: card(null, chart.box), set(list) {
    const done = list.filter((trial) => trial.state === "done" && trial.values?.length > 1);
    const beats = (a, b) => [0, 1].every((i) => sign[i] * a.values[i] <= sign[i] * b.values[i]) && [0, 1].some((i) => sign[i] * a.values[i] < sign[i] * b.values[i]);
    const front = done.filter((trial) => !done.some((other) => beats(other, trial))).sort((a, b) => a.values[0] - b.values[0]);
    const dot = (trial) => [trial.values[0], trial.values[1], `Trial ${trial.number}\n${number(trial.values[0])} and ${number(trial.values[1])}`];
    chart.set({ note: `${count(front.length, "trial is", "trials are")} not beaten in both.`, marks: [{ kind: "dots", points: done.map(dot), style: "dim", size: 6, name: "trial" },
      { kind: "line", points: front.map(dot), style: "s1", name: "not beaten", quiet: true }, { kind: "dots", points: front.map(dot), style: "s1", size: 8, name: "not beaten", unlisted: true }] });
  } };
}

async function showOne(path, trial, box, close) {
  box.hidden = false;
  try {
    const full = await get(`${path}/trials/${encodeURIComponent(trial.id)}`);
    const curve = (full.curve || []).map((point) => [point.step, point.value]);
    const chart = curve.length ? plot({ heading: "h3", title: `Trial ${trial.number}: what was measured`, height: 200, x: { label: "step" }, y: { label: "value" }, marks: [{ kind: "line", points: curve, style: "s1", name: "value" }, { kind: "dots", points: curve, style: "s1", size: 5, name: "value", unlisted: true }] }).box : null;
    box.replaceChildren(el("div", { class: "head" }, el("h2", {}, `Trial ${trial.number} `, state(full.state)), el("button", { class: "quiet small", id: "close-trial", onclick: close }, "Close")),
      full.reason ? el("div", { class: "card problem" }, el("p", {}, full.reason)) : "",
      el("p", { class: "faint" }, `Run by ${full.client_id}${full.values ? `; values ${full.values.map((value) => number(value)).join(", ")}` : ""}${full.feasible === false ? "; breaks a constraint" : ""}`),
      table(["Hyperparameter", { text: "Value", number: true }], Object.entries(full.params).map(([name, value]) => [words(name), textOf(value)]), { "aria-label": "Hyperparameters" }), chart || "");
  } catch (problem) {
    box.replaceChildren(problemBox(problem));
  }
}

export async function studyPage(id) {
  const path = `/api/v1/studies/${encodeURIComponent(id)}`;
  let study;
  let trials;
  const curves = new Map();
  try {
    [study, trials] = await Promise.all([get(path), trialsOf(path), readCurves(path, 0, curves)]);
  } catch (problem) {
    if (problem.status === 404) return show(goneBox("study", "/studies", "All studies"));
    throw problem;
  }
  title(study.name || id);
  const higher = study.directions[0] === "maximize";
  const best = bestView(higher);
  const front = study.directions.length > 1 ? frontView(study.directions) : null;
  const detail = el("section", { class: "card", id: "trial", hidden: true, "aria-label": "One trial" });
  const open = (trial) => { setQuery("trial", String(trial.number)); showOne(path, trial, detail, () => { detail.hidden = true; setQuery("trial", ""); }); };
  const rows = virtualTable({ id: "trials", name: "Trials", onpick: open, height: 300, look: (trial) => trial.state, columns: [
    { text: "Trial", number: true, width: "3.6rem", cell: (trial) => String(trial.number), sort: (trial) => trial.number },
    { text: "Value", number: true, width: "6rem", cell: (trial) => number(trial.metric), sort: (trial) => trial.metric },
    { text: "State", width: "7rem", cell: (trial) => state(trial.state), sort: (trial) => trial.state },
    { text: "Client", width: "8rem", cell: (trial) => trial.client_id, sort: (trial) => trial.client_id },
    { text: "Hyperparameters", width: "minmax(12rem, 1fr)", cell: (trial) => el("span", { class: "small" }, trial.reason || Object.entries(trial.params).map(([name, value]) => `${words(name)} ${textOf(value)}`).join(", ")) },
  ] });
  const learned = curvesView(higher, open);
  const steps = rungsOf(study);
  const rungs = steps.length ? rungsView({ path, metric: "value", higher }, async () => rungScores(steps, curves)) : null;
  const { nodes, update } = views({ path, metric: "value", higher, parameters: studyParameters(study), link: (trial) => `/studies/${encodeURIComponent(id)}?trial=${trial.number}` }, rungs?.box);
  const about = el("p", { class: "faint" });
  const remove = el("button", { class: "danger small", onclick: async () => {
    if (!(await agree(`Delete the study ${study.name}?`, "Delete it", "Its trials go with it. This can't be undone."))) return;
    try {
      await call("DELETE", path);
      location.assign("/studies");
    } catch (problem) {
      about.after(problemBox(problem));
    }
  } }, "Delete");
  const tell = () => about.replaceChildren(state(study.state), ` ${study.method} · ${study.directions.join(", ")} · ${count(study.trials.done, "trial")} done${study.max_trials ? ` of ${study.max_trials}` : ""}, ${study.trials.running} running, ${study.trials.failed} failed · made ${ago(study.created_at)}`);
  tell();
  show(el("div", { class: "head" }, el("div", {}, el("h1", {}, study.name || id), about), remove),
    el("div", { class: "even" }, best.box, front ? front.box : el("section", { class: "card" }, el("h2", {}, "Trials"), rows.box)), detail, learned.box,
    front ? el("section", { class: "card" }, el("h2", {}, "Trials"), rows.box) : "", ...nodes);

  async function draw() {
    const list = trials.map(asTrial);
    best.set(list);
    if (front) front.set(list);
    rows.set([...list].reverse());
    learned.set(list, curves);
    if (rungs) await rungs.load(list.map((trial) => ({ ...trial, rungs: steps.length })));
    return list;
  }
  const list = await draw();
  const asked = list.find((trial) => String(trial.number) === query("trial"));
  if (asked) open(asked);
  await update(list);

  // A study's trials are told by its clients and have no stream of events: one small answer a second says how many there
  // are in each state, and only what can have changed is read again. Not while the tab is hidden, and seldom while
  // nothing runs.
  const isOver = (trial) => ["done", "failed", "pruned", "forgotten"].includes(trial.state);
  async function look() {
    const now = await get(path);
    const differs = (kinds) => kinds.some((kind) => now.trials[kind] !== study.trials[kind]);
    const grown = differs(["done", "failed", "running", "pruned", "paused"]);
    const finished = differs(["done"]);
    study = now;
    tell();
    if (!grown && !(curves.size && study.trials.running)) return;
    const firstOpen = trials.findIndex((trial) => !isOver(trial));
    const from = firstOpen < 0 ? trials.length : firstOpen;
    [trials] = await Promise.all([grown ? trialsSince(path, trials) : trials, readCurves(path, from ? trials[from - 1].number : 0, curves)]);
    const shown = await draw();
    if (finished) await update(shown);
  }
  async function poll() {
    timer = 0;
    try {
      if (!document.hidden) await look();
    } catch (problem) {
      if (problem.status === 404) return show(goneBox("study", "/studies", "All studies"));
    }
    timer = setTimeout(poll, study.trials.running ? POLL_MS : QUIET_MS);
    return undefined;
  }
  let timer = setTimeout(poll, POLL_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || !timer) return;
    clearTimeout(timer);
    poll();
  });
  return undefined;
}
