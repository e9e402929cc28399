// A job with its trials, kept up to date by its events: what was read once is not asked for again.

import { get } from "./api.js";
import { follow } from "./live.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const EVERY_MS = 700;
const NO_MORE = "4611686018427387903";

export const hasEnded = (job) => ENDED.has(job.state);

// Every page of the trials after `number`, several at once where the last number is known.
export async function loadTrials(path, after, take) {
  for (let cursor = after ? String(after) : ""; ;) {
    const page = await get(`${path}/trials?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    take(page.items);
    if (!page.next_cursor) return;
    cursor = page.next_cursor;
  }
}

// The curves of a trial's fits: fold → [[epoch, value]], by the metric where it has one, else the loss: `isLoss` then.
export function curvesOf(epochs) {
  const byMetric = epochs.some((row) => Number.isFinite(row.valid_metric));
  const folds = new Map();
  for (const row of epochs) {
    const value = byMetric ? row.valid_metric : row.valid_loss;
    if (!Number.isFinite(value)) continue;
    if (!folds.has(row.fold)) folds.set(row.fold, []);
    folds.get(row.fold).push([row.epoch, value]);
  }
  for (const points of folds.values()) points.sort((a, b) => a[0] - b[0]);
  folds.isLoss = !byMetric;
  return folds;
}

// onChange() after anything changed; onNow(text) what is being done; onProblem(problem or null).
export function jobFeed(id, { onChange, onNow, onProblem, onConnection }) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  const feed = { path, job: null, trials: new Map(), curves: new Map(), refresh, start, stop: () => end() };
  let end = () => {};
  let timer = 0;
  let busy = false;
  let again = false;
  let listening = false;
  const stale = new Set();

  const newest = () => feed.trials.size && Math.max(...[...feed.trials.keys()].slice(-200));

  function take(items) {
    for (const trial of items) feed.trials.set(trial.number, trial);
  }

  async function loadOne(trial) {
    const { epochs, ...now } = await get(`${path}/trials/${encodeURIComponent(trial.id)}`);
    feed.curves.set(trial.number, curvesOf(epochs || []));
    take([now]);
  }

  // Trials of which only an event is known, or which ran when last seen and the job has ended since: by the page where
  // they lie close together, else one by one.
  async function loadAgain(numbers) {
    if (!numbers.length) return;
    const first = Math.min(...numbers);
    if (newest() - first < 100 || numbers.length > 40) await loadTrials(path, first - 1, take);
    else for (const number of numbers) await loadOne(feed.trials.get(number));
    for (const number of numbers) stale.delete(number);
  }

  const open = () => [...feed.trials.values()].filter((trial) => trial.state === "running" || trial.state === "paused").map((trial) => trial.number);

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        const before = feed.job;
        feed.job = await get(path);
        await loadTrials(path, newest(), take);
        const justEnded = before && hasEnded(feed.job) && !hasEnded(before);
        await loadAgain([...new Set([...stale, ...(justEnded ? open() : [])])]);
        onProblem(null);
        onChange();
      } while (again);
    } catch (problem) {
      onProblem(problem);
    } finally {
      busy = false;
    }
    if (feed.job && !hasEnded(feed.job) && !listening) listen();
  }

  // Events come in bursts; the job itself is asked for at most about once in EVERY_MS.
  function soon() {
    if (timer) return;
    timer = setTimeout(() => { timer = 0; refresh(); }, EVERY_MS);
  }

  function onTrial(event) {
    const known = feed.trials.get(event.number);
    feed.trials.set(event.number, { reasons: [], ...known, id: event.trial, number: event.number, family: event.family, state: event.state,
      params: event.params || known?.params || {}, metric: event.metric ?? known?.metric ?? null, seconds: event.seconds ?? known?.seconds ?? null,
      // Events count rungs from 0, trials from 1.
      rung: Number.isInteger(event.rung) ? event.rung + 1 : known?.rung ?? null, rungs: known?.rungs ?? 0 });
    stale.add(event.number);
    onChange();
  }

  function onEpoch(event) {
    const trial = feed.trials.get(event.trial);
    if (trial && trial.state === "paused") trial.state = "running";
    if (!feed.curves.has(event.trial)) feed.curves.set(event.trial, new Map());
    const folds = feed.curves.get(event.trial);
    if (!folds.has(event.fold)) folds.set(event.fold, []);
    folds.isLoss = !Number.isFinite(event.valid_metric);
    const value = folds.isLoss ? event.valid_loss : event.valid_metric;
    if (Number.isFinite(value)) folds.get(event.fold).push([event.epoch, value]);
    const fits = trial?.units_total > 1 ? `, fit ${event.fold + 1} of ${trial.units_total}` : "";
    onNow(`Training trial ${event.trial}${trial ? ` (${trial.family})` : ""}: epoch ${event.epoch}${event.epoch_count ? ` of ${event.epoch_count}` : ""}${fits}`);
    onChange();
    if (!trial) soon();
  }

  async function listen() {
    listening = true;
    const last = feed.lastEvent;
    end = follow(`${path}/events`, (kind, data) => {
      if (kind === "trial") onTrial(data);
      else if (kind === "epoch") return onEpoch(data);
      else if (kind === "reset") feed.trials.clear();
      else if (kind === "state" && data.phase === "finish") onNow("The search is over: making the model of the best trials");
      return soon();
    }, (how) => {
      onConnection(how);
      if (how === "live" || how === "away") return;
      listening = false;
      if (how === "ended") refresh();
      if (how === "gone" || how === "signed_out") refresh();
    }, last);
  }

  // From before the first reading on nothing is missed: events after it are told, though they may be known already.
  async function start() {
    const { last } = await get(`${path}/events?after=${NO_MORE}`);
    feed.lastEvent = last;
    await refresh();
  }
  return feed;
}
