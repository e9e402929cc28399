// A learning-rate range test: the loss over the rate, what it suggests, and three runs that try the suggestion.

import { call, get } from "./api.js";
import { el, goneBox, number, problemBox, query, seconds, setQuery, show, state, title } from "./dom.js";
import { hasEnded, loadCurves } from "./job_feed.js";
import { plot } from "./plot.js";
import { textOf, words } from "./space.js";
import { trialsOf } from "./explain.js";

const POLL_MS = 1500;
const FACTORS = [0.1, 1, 10];
const SAYS = {
  complete: "It never diverged up to the highest rate.", diverged: "It diverged: steps became too large.",
  not_finite: "The loss stopped being a number: steps became far too large.", time: "It took too long and ended early.",
};

const rate = (value) => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "–");

function lossMarks(test) {
  const { rates, losses, smoothed } = test.curve;
  const middle = [...smoothed].sort((a, b) => a - b)[Math.floor(smoothed.length / 2)];
  const most = Math.max(middle * 4, ...smoothed.slice(0, 5));
  const suggestion = test.suggestion;
  const least = Math.min(...losses.filter(Number.isFinite));
  const marks = [
    { kind: "dots", points: rates.map((value, i) => [value, losses[i]]), style: "dim", size: 4, name: "loss of a step" },
    { kind: "line", points: rates.map((value, i) => [value, smoothed[i]]), style: "s1", name: "smoothed" },
  ];
  if (suggestion) {
    const high = suggestion.high ?? test.high;
    marks.unshift({ kind: "band", points: [[suggestion.low, least - 0.05 * (most - least), most], [high, least - 0.05 * (most - least), most]], style: "s2", name: "range to search" });
    marks.push({ kind: "rule", axis: "x", at: suggestion.learning_rate, style: "s2", text: `take ${rate(suggestion.learning_rate)}` });
  }
  for (const [row, name, at] of [[0, "falls fastest", test.steepest], [1, "least loss", test.lowest], [2, "leaves", test.divergence]])
    if (Number.isFinite(at)) marks.push({ kind: "rule", axis: "x", at, style: "dim", text: name, row });
  return { marks, min: least - 0.05 * (most - least), max: most };
}

// Three runs that differ in the rate alone: a tenth of the suggestion, the suggestion, ten times it; the rest as in the
// test, which had the family's defaults where it was not told otherwise.
async function startThree(test) {
  const { learning_rate: found } = test.suggestion;
  const { kind } = await get(`/api/v1/datasets/${encodeURIComponent(test.dataset)}`);
  const { items } = await get(`/api/v1/families?kind=${kind === "images" ? "images" : "table"}${test.task ? `&task=${encodeURIComponent(test.task)}` : ""}`);
  const fixed = {};
  for (const [name, item] of Object.entries(items.find((family) => family.name === test.family)?.space || {})) if (!name.startsWith("$") && item?.default !== undefined) fixed[name] = item.default;
  // Only some optimizers have it, so it is not among the family's defaults; left out it would be searched.
  if (Number.isFinite(test.momentum)) fixed.momentum = test.momentum;
  const rates = FACTORS.map((factor) => Number((factor * found).toPrecision(6)));
  return call("POST", "/api/v1/jobs", { dataset: test.dataset, target: test.target ?? undefined, name: `rates around ${rate(found)}`, families: [test.family], budget: { trials: 3 },
    search: { method: "grid", space: { [test.family]: { ...fixed, ...test.params, learning_rate: { type: "ordinal", values: rates } } } } });
}

async function showThree(id, test, box) {
  const chart = plot({ id: "three", title: "A tenth, the suggestion, ten times", height: 280, x: { label: "epoch", integer: true, min: 0 }, y: {}, empty: "The three runs are being trained …" });
  const about = el("p", { class: "faint" });
  box.replaceChildren(chart.box, about);
  const path = `/api/v1/jobs/${encodeURIComponent(id)}`;
  for (;;) {
    const job = await get(path);
    const curves = new Map();
    const [trials] = await Promise.all([trialsOf(path), loadCurves(path, 0, FACTORS.length, 200, (at, folds) => curves.set(at, folds))]);
    const marks = [];
    for (const trial of trials) {
      const folds = curves.get(trial.number);
      if (folds) marks.push({ kind: "line", points: folds.get(Math.min(...folds.keys())), at: trial.params.learning_rate, name: `rate ${rate(trial.params.learning_rate)}${Number.isFinite(trial.metric) ? `: ${number(trial.metric)}` : ""}` });
    }
    marks.sort((a, b) => a.at - b.at).forEach((mark, i) => { mark.style = ["s3", "s1", "s2"][i % 3]; });
    chart.set({ marks, y: { label: `validation ${words(job.metric)}` }, note: "The first fit of each run; they differ in the learning rate alone." });
    about.replaceChildren(state(job.state), " ", el("a", { href: `/jobs/${encodeURIComponent(id)}` }, "the job of these runs"));
    if (hasEnded(job)) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export async function rangeTestPage(id) {
  const path = `/api/v1/lr-range-tests/${encodeURIComponent(id)}`;
  let test;
  try {
    test = await get(path);
  } catch (problem) {
    if (problem.status === 404) return show(goneBox("range test", "/jobs", "All jobs"));
    throw problem;
  }
  title("Range test");
  const chart = plot({ id: "range", title: "Loss over the learning rate", height: 340, x: { label: "learning rate (log scale)", kind: "log", pad: 0 }, y: { label: "loss" }, empty: "The test is waiting for a free worker or running; it takes a few seconds." });
  const about = el("p", { class: "faint" });
  const says = el("div");
  const three = el("section", { class: "card", hidden: true });
  const button = el("button", { id: "try-rates", onclick: async () => {
    button.disabled = true;
    try {
      const job = await startThree(test);
      setQuery("runs", job.id);
      await runs(job.id);
    } catch (problem) {
      says.append(problemBox(problem));
    }
    button.disabled = false;
  } }, "Try it beside a tenth and ten times of it");
  function runs(job) {
    three.hidden = false;
    return showThree(job, test, three);
  }

  function draw() {
    about.replaceChildren(state(test.state), ` ${test.family}, ${test.optimizer || "tuned defaults"}${test.schedule ? `, ${words(test.schedule)}` : ""}${test.batch_size ? `, batches of ${test.batch_size}` : ""}${Number.isFinite(test.seconds) ? `, ${test.seconds < 1 ? "less than a second" : seconds(test.seconds)} of CPU time` : ""}`);
    const { suggestion } = test;
    if (test.curve) {
      const { marks, min, max } = lossMarks(test);
      chart.set({ marks, y: { label: "loss", min, max, pad: 0 }, note: SAYS[test.end] || "", describe: suggestion ? `Suggested learning rate ${rate(suggestion.learning_rate)}.` : "",
        table: () => ({ columns: ["learning rate", "loss", "smoothed"], rows: test.curve.rates.map((value, i) => [value, test.curve.losses[i], test.curve.smoothed[i]]) }) });
    }
    says.replaceChildren(
      test.error ? problemBox({ message: test.error.detail }) : "",
      suggestion ? el("p", {}, "Take ", el("strong", { id: "suggested" }, rate(suggestion.learning_rate)), `, and search from ${rate(suggestion.low)} to ${suggestion.high === null ? "the highest tried" : rate(suggestion.high)}. It holds for this batch size and optimizer; for others it is a hint.`) : "",
      test.note ? el("p", { class: "warning" }, test.note) : "",
      suggestion ? el("p", {}, button) : "",
      Object.keys(test.params || {}).length ? el("p", { class: "faint small" }, `Asked for with ${Object.entries(test.params).map(([name, value]) => `${words(name)} ${textOf(value)}`).join(", ")}.`) : "");
  }
  show(el("h1", {}, "Learning-rate range test"), about, el("section", { class: "card" }, chart.box, says), three,
    el("p", {}, test.job ? el("a", { href: `/jobs/${encodeURIComponent(test.job)}/search` }, "The search that began with it") : "", " ", el("a", { href: `/datasets/${encodeURIComponent(test.dataset)}` }, "Its dataset")));
  draw();
  if (query("runs")) runs(query("runs")).catch((problem) => three.replaceChildren(problemBox(problem)));
  while (test.state === "queued" || test.state === "running") {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    test = await get(path);
    draw();
  }
  return undefined;
}
