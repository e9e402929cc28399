// A job with its trials, kept up to date by its events: what was read once is not asked for again.

import { get } from "./api.js";
import { follow } from "./live.js";

const ENDED = new Set(["succeeded", "failed", "cancelled"]);
const EVERY_MS = 700;
const AT_ONCE = 5; // a browser has six connections to a host, and one is the stream's
const CURVES_PAGE = 500;
const CURVE_POINTS = 20000; // of all curves together: more can't be told apart
export const NO_MORE = "4611686018427387903"; // after it there is no event: only the last one's number is asked for

export const hasEnded = (job) => ENDED.has(job.state);

// Trials are numbered from 1 without a gap, so the pages up to a known last number are asked for side by side.
async function sideBySide(path, after, last, size, take) {
  const starts = [];
  for (let start = after; start + size < last; start += size) starts.push(start);
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, starts.length) }, async () => {
    for (let start = starts.shift(); start !== undefined; start = starts.shift())
      take((await get(`${path}${path.includes("?") ? "&" : "?"}limit=${size}&cursor=${start}`)).items);
  }));
  return after + size * Math.max(0, Math.ceil((last - after) / size) - 1);
}

// Every page of the trials after the number `after`; `last`: the number up to which there surely are some.
export async function loadTrials(path, after, take, last = 0) {
  after = await sideBySide(`${path}/trials`, after, last, 100, take);
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

// Curves of many trials at once, of the first fit of each: take(number, curves as above).
export async function loadCurves(path, after, last, points, take) {
  const each = (items) => {
    for (const item of items)
      if (item.epochs.length) take(item.number, curvesOf(item.epochs.map((epoch, i) => ({ fold: item.fold, epoch, valid_metric: item.valid_metric[i], valid_loss: item.valid_loss[i] }))));
  };
  const from = `${path}/curves?points=${points}`;
  after = await sideBySide(from, after, last, CURVES_PAGE, each);
  each((await get(`${from}&limit=${Math.max(1, Math.min(CURVES_PAGE, last - after))}&cursor=${after}`)).items);
}

// Numbers that lie close together are one call: [[first, last]].
function ranges(numbers) {
  const list = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const before = list[list.length - 1];
    if (before && number - before[1] < 20) before[1] = number;
    else list.push([number, number]);
  }
  return list;
}

// feed.version is another one when trials or curves are. onChange() after anything changed; onNow(text) what is being done; onProblem(problem or null).
export function jobFeed(id, { onChange, onNow, onProblem, onConnection }) {
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  const feed = { path, job: null, version: 0, trials: new Map(), curves: new Map(), refresh, start, stop: () => end() };
  let end = () => {};
  let timer = 0;
  let busy = false;
  let again = false;
  let listening = false;
  const stale = new Set();
  const asked = new Set();

  const newest = () => feed.trials.size && Math.max(...[...feed.trials.keys()].slice(-200));

  function take(items) {
    for (const trial of items) feed.trials.set(trial.number, trial);
    if (items.length) changed();
  }

  function changed() {
    feed.version++;
    onChange();
  }

  async function loadOne(trial) {
    const { epochs: _, ...now } = await get(`${path}/trials/${encodeURIComponent(trial.id)}`);
    take([now]);
  }

  // The curves of these trials; the more trials, the fewer points of each.
  async function readCurves(numbers) {
    const points = Math.max(4, Math.min(100, Math.round(CURVE_POINTS / Math.max(1, feed.trials.size))));
    for (const [first, last] of ranges(numbers))
      await loadCurves(path, first - 1, last, points, (number, curves) => { feed.curves.set(number, curves); });
    feed.version++;
  }

  // Trials of which only an event is known, or which ran when last seen and the job has ended since: by the page where
  // they lie close together, else one by one.
  async function loadAgain(numbers) {
    if (!numbers.length) return;
    const first = Math.min(...numbers);
    if (newest() - first < 100 || numbers.length > 40) await loadTrials(path, first - 1, take);
    else for (const number of numbers) await loadOne(feed.trials.get(number));
    for (const number of numbers) stale.delete(number);
    // Events tell some of the epochs only: what has ended is read whole.
    await readCurves(numbers.filter((number) => feed.trials.get(number)?.state !== "running" || !feed.curves.has(number)));
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
        const total = Object.values(before?.trials || {}).reduce((sum, n) => sum + n, 0);
        [feed.job] = await Promise.all([get(path), loadTrials(path, newest(), take, total)]);
        const justEnded = before && hasEnded(feed.job) && !hasEnded(before);
        await loadAgain([...new Set([...stale, ...(justEnded ? open() : [])])]);
        onProblem(null);
        onChange();
        await readUnseen();
      } while (again);
    } catch (problem) {
      onProblem(problem);
    } finally {
      busy = false;
    }
    if (feed.job && !hasEnded(feed.job) && !listening) listen();
  }

  // Curves of trials that were there before this page.
  async function readUnseen() {
    const unseen = [...feed.trials.keys()].filter((number) => !asked.has(number));
    if (!unseen.length) return;
    await readCurves(unseen);
    for (const number of unseen) asked.add(number);
    onChange();
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
    changed();
  }

  function onEpoch(event) {
    const trial = feed.trials.get(event.trial);
    if (trial && trial.state === "paused") trial.state = "running";
    if (!feed.curves.has(event.trial)) feed.curves.set(event.trial, new Map());
    const folds = feed.curves.get(event.trial);
    if (!folds.has(event.fold)) folds.set(event.fold, []);
    folds.isLoss = !Number.isFinite(event.valid_metric);
    const value = folds.isLoss ? event.valid_loss : event.valid_metric;
    const points = folds.get(event.fold);
    // A curve that was read meanwhile is further than the events.
    if (Number.isFinite(value) && !(points.length && points[points.length - 1][0] >= event.epoch)) points.push([event.epoch, value]);
    const fits = trial?.units_total > 1 ? `, fit ${event.fold + 1} of ${trial.units_total}` : "";
    onNow(`Training trial ${event.trial}${trial ? ` (${trial.family})` : ""}: epoch ${event.epoch}${event.epoch_count ? ` of ${event.epoch_count}` : ""}${fits}`);
    changed();
    if (!trial) soon();
  }

  async function listen() {
    listening = true;
    const last = feed.lastEvent;
    end = follow(`${path}/events`, (kind, data) => {
      if (kind === "trial") onTrial(data);
      else if (kind === "epoch") return onEpoch(data);
      else if (kind === "reset") {
        feed.trials.clear();
        asked.clear();
      }
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

  // Reads the job; its trials and what comes later from refresh() on. From before the first reading of trials on nothing
  // is missed: events after it are told, though they may be known already.
  async function start() {
    const [{ last }, job] = await Promise.all([get(`${path}/events?after=${NO_MORE}`), get(path)]);
    feed.lastEvent = last;
    feed.job = job;
  }
  return feed;
}
