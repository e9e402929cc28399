// The two live charts of a job: the best score so far, and the learning curves of its trials.

import { get } from "./api.js";
import { count, number } from "./dom.js";
import { curvesOf } from "./job_feed.js";
import { plot } from "./plot.js";
import { scoreRange } from "./scale.js";
import { higherIsBetter, words } from "./space.js";

const CURVES = 60;
const AT_ONCE = 4;

// points [[x, best so far]] of trials that count, in order.
export function bestSoFar(trials, higher, at = (trial) => trial.number) {
  const points = [];
  let best = null;
  for (const trial of trials) {
    if (!Number.isFinite(trial.metric)) continue;
    if (best === null || (higher ? trial.metric > best : trial.metric < best)) best = trial.metric;
    points.push([at(trial), best]);
  }
  return points;
}

export function bestChart(onpick) {
  const chart = plot({ id: "best-chart", title: "Best score so far", x: { label: "trial", integer: true, min: 1 }, y: {}, height: 270, empty: "The first trial is under way.", onpick });
  function set(job, list) {
    const metric = job.metric || "score";
    const higher = higherIsBetter(metric);
    const done = list.filter((trial) => trial.state === "done" && Number.isFinite(trial.metric));
    const fitting = done.filter((trial) => trial.within_limits !== false);
    const beyond = done.filter((trial) => trial.within_limits === false);
    const pruned = list.filter((trial) => trial.state === "pruned" && Number.isFinite(trial.metric));
    const best = bestSoFar(fitting.length ? fitting : done, higher);
    const dot = (trial) => [trial.number, trial.metric, `Trial ${trial.number}, ${trial.family}, ${trial.state}\n${words(metric)} ${number(trial.metric)}`];
    if (best.length && list.length) best.push([list[list.length - 1].number, best[best.length - 1][1]]);
    const last = best.length ? best[best.length - 1][1] : null;
    chart.set({
      y: { label: words(metric), ...scoreRange(done.map((trial) => trial.metric), higher) },
      note: last === null ? "" : `${words(metric)} ${number(last)} after ${count(done.length, "trial")}; ${higher ? "higher" : "lower"} is better.`,
      marks: [
        { kind: "dots", points: pruned.map(dot), style: "dim", size: 5, name: "stopped early" },
        { kind: "dots", points: beyond.map(dot), style: "s2", size: 6, name: "beyond the limits" },
        { kind: "dots", points: fitting.map(dot), style: "s3", size: 6, name: "trial" },
        { kind: "step", points: best, style: "s1", name: "best so far", quiet: true },
      ].filter((mark) => mark.points.length),
    });
  }
  return { box: chart.box, set };
}

// Which trials are drawn: those at work, the best, and the newest.
function chosen(list, bestNumber) {
  const newest = list.slice(-CURVES);
  const best = list.find((trial) => trial.number === bestNumber);
  return best && !newest.includes(best) ? [best, ...newest] : newest;
}

const STYLE = { running: "s2", paused: "s6 thin", done: "s3 thin", pruned: "dim thin", failed: "bad thin", cancelled: "dim thin" };
const NAME = { running: "training now", paused: "waiting at a rung", done: "done", pruned: "stopped early", failed: "failed", cancelled: "cancelled" };

export function curvesChart(onpick) {
  const chart = plot({ id: "curves-chart", title: "Learning curves", x: { label: "epoch", integer: true, min: 0 }, y: {}, height: 270, empty: "A curve for each trial that learns in epochs appears here while it trains.", onpick });
  const asked = new Set();
  let working = 0;
  let waiting = [];

  // Curves of trials that this page did not see training.
  function ask(feed, trial) {
    if (asked.has(trial.number)) return;
    asked.add(trial.number);
    waiting.push(trial);
    pump(feed);
  }

  async function pump(feed) {
    while (working < AT_ONCE && waiting.length) {
      const trial = waiting.pop();
      working++;
      get(`${feed.path}/trials/${encodeURIComponent(trial.id)}`).then(({ epochs }) => {
        const found = curvesOf(epochs || []);
        if (found.size) feed.curves.set(trial.number, found);
      }).catch(() => { /* the page itself tells of a lost connection */ }).finally(() => {
        working--;
        if (waiting.length) pump(feed);
        else draw(feed);
      });
    }
  }

  function draw(feed) {
    const { job } = feed;
    const metric = job.metric || "score";
    const list = [...feed.trials.values()].sort((a, b) => a.number - b.number);
    const marks = [];
    const values = [];
    const left = [];
    const shown = chosen(list, job.best?.number);
    const asLoss = shown.every((trial) => feed.curves.get(trial.number)?.isLoss !== false);
    for (const trial of shown) {
      const isBest = trial.number === job.best?.number;
      const seen = feed.curves.get(trial.number);
      if (trial.state !== "running" || !seen || [...seen.values()].some((points) => points[0] && points[0][0] > 1)) ask(feed, trial);
      const folds = feed.curves.get(trial.number);
      if (!folds || !folds.size) continue;
      const points = folds.get(Math.min(...folds.keys()));
      if (!points.length) continue;
      if (folds.isLoss && !asLoss) {
        left.push(trial.number);
        continue;
      }
      values.push(...points.map(([, value]) => value));
      marks.push({ kind: "line", points: points.map(([epoch, value]) => [epoch, value, `Trial ${trial.number}, ${trial.family}, ${NAME[trial.state] || trial.state}\nepoch ${epoch}: ${number(value)}`]),
        style: isBest ? "s1" : STYLE[trial.state] || "dim", name: isBest ? "best trial" : NAME[trial.state] || trial.state, trial, order: isBest ? 2 : trial.state === "running" ? 1 : 0 });
    }
    marks.sort((a, b) => a.order - b.order);
    chart.set({
      y: { label: `validation ${asLoss ? "loss" : words(metric)}`, ...scoreRange(values, !asLoss && higherIsBetter(metric)) },
      note: [marks.length ? `The first fit of ${marks.length === 1 ? "one trial" : `each of the newest ${marks.length} trials`}; those stopped early are grey.` : "",
        left.length ? `Of ${left.length === 1 ? "trial" : "trials"} ${left.slice(0, 8).join(", ")}${left.length > 8 ? ", …" : ""} only the loss is known: choose one below to see it.` : ""]
        .filter(Boolean).join(" "),
      marks,
    });
  }
  return { box: chart.box, draw };
}
