// The search, explained: what the Gaussian process believes, what matters, and every trial at once. For jobs and for
// studies, which differ in where their trials and scores are.

import { all, get } from "./api.js";
import { count, el, goneBox, number, query, show, state, title } from "./dom.js";
import { pairView, sliceView } from "./explain_model.js";
import { importanceView, methodsView, rungsView, slicesView } from "./explain_trials.js";
import { hasEnded, loadTrials, NO_MORE } from "./job_feed.js";
import { follow } from "./live.js";
import { parallelView } from "./parallel.js";
import { higherIsBetter, jobParameters, words } from "./space.js";

const EVERY_MS = 700;
const LEAST_TRIALS = 4; // before that a model of them says nothing

export async function trialsOf(path) {
  const trials = [];
  await loadTrials(path, 0, (items) => trials.push(...items));
  return trials;
}

// The same list with what has come or changed since: all that ended before the first open one stays as it was.
export async function trialsSince(path, known) {
  const ended = new Set(["done", "pruned", "failed", "cancelled", "forgotten"]);
  const open = known.findIndex((trial) => !ended.has(trial.state));
  const kept = open < 0 ? known.slice() : known.slice(0, open);
  await loadTrials(path, kept.length ? kept[kept.length - 1].number : 0, (items) => kept.push(...items));
  return kept;
}

// What is still to be gained, in a sentence.
async function gainWords(source) {
  try {
    const gain = await get(`${source.path}/gain`);
    if (!Number.isFinite(gain.expected_gain)) return "";
    const tiny = 1e-4 * Math.max(Math.abs(gain.best ?? 0), 1e-3);
    const amount = (value, about = "") => (value < tiny ? `less than ${number(tiny, 1)}` : about + number(value, 2));
    const small = gain.expected_gain < Math.max(gain.noise ?? 0, tiny);
    return `The most promising further trial is expected to add ${amount(gain.expected_gain)}${Number.isFinite(gain.noise) ? `; the same trial run again would differ by ${amount(gain.noise, "about ")}` : ""}. ${small ? "So searching on hardly helps." : "So searching on may help."}`;
  } catch {
    return "";
  }
}

// The views of a source {path, metric, higher, parameters, link(trial)}. Returns {nodes, update(trials)}. `beside` stands
// next to the view of two.
export function views(source, beside) {
  const gain = el("p", { class: "plot-note", id: "gain" });
  const slice = sliceView(source);
  const pair = pairView(source);
  const importance = importanceView(source, (name) => { slice.choose(name); slice.box.scrollIntoView({ block: "start" }); });
  const parallel = parallelView(source, source.link);
  const slices = slicesView(source, (name) => { slice.choose(name); slice.box.scrollIntoView({ block: "start" }); });
  let first = true;

  async function update(trials) {
    const enough = trials.filter((trial) => trial.state === "done").length >= LEAST_TRIALS;
    for (const box of [slice.box, pair.box, importance.box]) box.hidden = !enough;
    gain.textContent = enough ? gain.textContent : `What the search has learned shows here once ${LEAST_TRIALS} trials are done; until then, the trials themselves.`;
    const order = enough ? await importance.load() : [];
    parallel.set(trials, order);
    slices.set(trials, order);
    if (enough) gainWords(source).then((text) => { gain.textContent = text; });
    const known = (name) => source.parameters.some((item) => item.name === name);
    if (first && order.length && source.parameters.length) {
      first = false;
      slice.choose(known(query("param")) ? query("param") : order.find(known) || source.parameters[0].name);
      const family = (name) => source.parameters.find((item) => item.name === name)?.family;
      const top = order.filter(known);
      const x = known(query("x")) ? query("x") : top.find((name) => name !== "family") || top[0];
      const y = known(query("y")) ? query("y") : top.find((name) => name !== x && (family(name) === family(x) || !family(name)) && name !== "family") || top.find((name) => name !== x) || x;
      pair.choose(x, y);
    } else if (!first) {
      slice.load();
      pair.load();
    }
  }
  const nodes = source.parameters.length ? [gain, el("div", { class: "two" }, slice.box, importance.box), parallel.box, beside ? el("div", { class: "even" }, pair.box, beside) : pair.box, slices.box]
    : [el("p", { class: "card" }, "Nothing is searched here: every hyperparameter is fixed.")];
  return { nodes, update };
}

export const firstOf = (path) => get(`${path}/importance?focus=1&pairs=5`).catch(() => null);

async function rangeTestsOf(job) {
  const tests = (await all("/api/v1/lr-range-tests", 200)).filter((test) => test.job === job.id || (test.dataset === job.dataset?.id && test.target === job.target && !test.job));
  if (!tests.length) return null;
  return el("section", { class: "card" }, el("h2", {}, "Learning-rate range tests"), el("ul", {}, tests.slice(0, 8).map((test) =>
    el("li", {}, el("a", { href: `/range-tests/${encodeURIComponent(test.id)}` }, `${test.family}, ${test.optimizer || "tuned defaults"}`), " ", state(test.state),
      test.suggestion ? ` suggests ${number(test.suggestion.learning_rate, 2)}` : test.note ? ` ${test.note}` : ""))));
}

// Looks once for each burst of events on trials, one look at a time; not while the tab is hidden, but when it is back.
async function followLooking(path, look) {
  let timer = 0;
  let busy = false;
  let waiting = false;
  async function now() {
    timer = 0;
    if (busy || document.hidden) {
      waiting = true;
      return;
    }
    busy = true;
    waiting = false;
    // A break is told above the page, and looked past; what is refused stays so.
    await look().catch((problem) => { waiting = !problem.status || problem.status >= 500; });
    busy = false;
    if (waiting) soon();
  }
  function soon() {
    if (!timer) timer = setTimeout(now, EVERY_MS);
  }
  // What came between the first reading and the stream is looked at as soon as it is open.
  const { last } = await get(`${path}/events?after=${NO_MORE}`).catch(() => ({ last: "" })); // then all is told again
  follow(`${path}/events`, (kind) => { if (kind !== "epoch") soon(); }, (how) => { if (how !== "away") soon(); }, last);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && waiting) soon(); });
}

export async function jobSearchPage(id) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  let job;
  let trials;
  let firstImportance = null;
  try {
    const listed = trialsOf(path);
    listed.catch(() => { /* told by the job's own answer, or where it is waited for */ });
    job = await get(path);
    // Asked for beside the trials, as the first views wait for both.
    if (job.trials?.done >= LEAST_TRIALS) firstImportance = firstOf(path);
    trials = await listed;
  } catch (problem) {
    if (problem.status === 404) return show(goneBox("job", "/jobs", "All jobs"));
    throw problem;
  }
  title(`Search of ${job.name || job.id}`);
  const source = { path, metric: words(job.metric || "score"), higher: higherIsBetter(job.metric), parameters: jobParameters(job), firstImportance, link: (trial) => `/jobs/${encodeURIComponent(id)}?trial=${trial.number}` };
  const rungs = trials.some((trial) => trial.rungs) ? rungsView(source) : null;
  const beside = el("div", {}, rungs ? rungs.box : "");
  const { nodes, update } = views(source, beside);
  const about = el("p", { class: "faint" });
  const tell = () => about.replaceChildren(state(job.state), ` ${job.spec?.search?.method || "bayes"}, ${count(job.trials?.done || 0, "finished trial")}, best ${source.metric} ${job.best ? number(job.best.value) : "–"}`);
  tell();
  show(el("div", { class: "head" }, el("div", {}, el("h1", {}, "The search of ", el("a", { href: `/jobs/${encodeURIComponent(id)}` }, job.name || job.id)), about)), ...nodes);
  await update(trials);
  if (rungs) await rungs.load(trials);
  beside.append(...(await Promise.all([methodsView(job, source.higher, trialsOf).catch(() => null), rangeTestsOf(job).catch(() => null)]))
    .filter(Boolean));

  async function look() {
    const now = await get(path);
    const grown = now.trials?.done !== job.trials?.done || now.state !== job.state;
    job = now;
    if (!grown) return;
    trials = await trialsSince(path, trials);
    tell();
    await update(trials);
    if (rungs) await rungs.load(trials);
  }

  if (!hasEnded(job)) await followLooking(path, look);
  return undefined;
}
