// The two live charts of a job: the best score so far, and the learning curves of its trials.

import { count, number } from "./dom.js";
import { plot } from "./plot.js";
import { beyondNote, scoreRange } from "./scale.js";
import { higherIsBetter, words } from "./space.js";

const CURVES = 60; // each drawn by itself, with its own text

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
    const range = scoreRange(done.map((trial) => trial.metric), higher);
    chart.set({
      y: { label: words(metric), ...range },
      note: last === null ? "" : `${words(metric)} ${number(last)} after ${count(done.length, "trial")}; ${higher ? "higher" : "lower"} is better. ${beyondNote([...done, ...pruned].map((trial) => trial.metric), range)}`.trim(),
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

const STYLE = { running: "s2", paused: "s6 thin", done: "s3 thin", pruned: "dim thin", failed: "bad thin", cancelled: "dim thin" };
const NAME = { running: "training now", paused: "waiting at a rung", done: "done", pruned: "stopped early", failed: "failed", cancelled: "cancelled" };

// Of a trial the fit that the others show too: the first.
function firstFit(feed, trial) {
  const folds = feed.curves.get(trial.number);
  return folds?.size ? { trial, isLoss: folds.isLoss, points: folds.get(Math.min(...folds.keys())) } : null;
}

export function curvesChart(onpick) {
  const chart = plot({ id: "curves-chart", title: "Learning curves", x: { label: "epoch", integer: true, min: 0 }, y: {}, height: 270, empty: "A curve for each trial that learns in epochs appears here while it trains.", onpick });

  function lineOf({ trial, points }, isBest) {
    const said = NAME[trial.state] || trial.state;
    return { kind: "line", points: points.map(([epoch, value]) => [epoch, value, `Trial ${trial.number}, ${trial.family}, ${said}\nepoch ${epoch}: ${number(value)}`]),
      style: isBest ? "s1" : STYLE[trial.state] || "dim", name: isBest ? "best trial" : said, trial, order: isBest ? 2 : trial.state === "running" ? 1 : 0 };
  }

  // Those that are too many to be told apart: one mark for each state.
  function groups(curves) {
    const byState = new Map();
    for (const { trial, points } of curves) {
      if (!byState.has(trial.state)) byState.set(trial.state, []);
      byState.get(trial.state).push(points);
    }
    return [...byState].map(([name, lines]) => ({ kind: "lines", lines, style: STYLE[name] || "dim thin", name: NAME[name] || name, order: -1 }));
  }

  function draw(feed) {
    const { job } = feed;
    const metric = job.metric || "score";
    const list = [...feed.trials.values()].sort((a, b) => a.number - b.number);
    let curves = list.map((trial) => firstFit(feed, trial)).filter((curve) => curve && curve.points.length);
    const asLoss = curves.every((curve) => curve.isLoss);
    const left = asLoss ? [] : curves.filter((curve) => curve.isLoss).map(({ trial }) => trial.number);
    if (left.length) curves = curves.filter((curve) => !curve.isLoss);
    const isBest = ({ trial }) => trial.number === job.best?.number;
    const single = new Set(curves.slice(-CURVES));
    for (const curve of curves) if (isBest(curve) || curve.trial.state === "running") single.add(curve);
    const marks = [...groups(curves.filter((curve) => !single.has(curve))), ...[...single].map((curve) => lineOf(curve, isBest(curve)))];
    marks.sort((a, b) => a.order - b.order);
    const values = curves.flatMap(({ points }) => points.map(([, value]) => value));
    const range = scoreRange(values, !asLoss && higherIsBetter(metric));
    chart.set({
      y: { label: `validation ${asLoss ? "loss" : words(metric)}`, ...range },
      note: [curves.length ? `The first fit of ${curves.length === 1 ? "one trial" : `each of ${curves.length} trials`}; those stopped early are grey.` : "", beyondNote(values, range),
        left.length ? `Of ${left.length === 1 ? "trial" : "trials"} ${left.slice(0, 8).join(", ")}${left.length > 8 ? ", …" : ""} only the loss is known: choose one below to see it.` : ""]
        .filter(Boolean).join(" "),
      marks,
    });
  }
  return { box: chart.box, draw };
}
