// What the trials themselves show: importance, each hyperparameter against the score, rungs, and methods side by side.

import { all, get } from "./api.js";
import { card, el, number, percent, problemBox, query, setQuery, table } from "./dom.js";
import { bestSoFar } from "./job_charts.js";
import { plot } from "./plot.js";
import { beyondNote, scoreRange } from "./scale.js";
import { axisOf, textOf, valueOf, words } from "./space.js";

const SHOWN = 12;
const EVENT_PAGES = 40;

/* ---- importance ---- */

export function importanceView(source, choose) {
  const chart = plot({ id: "importance", title: "What matters", x: { label: "share of the variance of the score", min: 0 }, y: { kind: "band" }, empty: "…", onpick: (point) => choose(point[1]) });
  const pairs = el("div");
  const out = el("div");
  const focus = el("select", { name: "focus", onchange: () => { setQuery("focus", focus.value === "1" ? "" : focus.value); load(); } }, el("option", { value: "1" }, "over the whole space"),
    el("option", { value: "0.1", selected: query("focus") === "0.1" }, "to be among the best tenth"), el("option", { value: "0.01", selected: query("focus") === "0.01" }, "to be among the best hundredth"));
  let names = [];
  let early = source.firstImportance;

  async function load() {
    try {
      const first = focus.value === "1" && early ? await early : null;
      early = null;
      const found = first || await get(`${source.path}/importance?focus=${focus.value}&pairs=5`);
      out.replaceChildren();
      names = found.params.map((item) => item.name);
      const top = found.params.slice(0, SHOWN);
      chart.set({ height: 60 + 24 * top.length, y: { kind: "band", values: top.map((item) => item.name) },
        marks: [{ kind: "hbars", points: top.map((item) => [item.share, item.name]), style: "s1", name: "share" }],
        note: `From ${found.trials} finished trials. Click a bar to look at it.`,
        table: () => ({ columns: ["hyperparameter", "share", "where active", "active"], rows: found.params.map((item) => [item.name, item.share, item.where_active, item.active]) }) });
      pairs.replaceChildren(found.pairs.length && found.pairs[0].share > 0.01 ? el("p", { class: "plot-note" }, "Together, beyond what each does alone: ",
        found.pairs.filter((pair) => pair.share > 0.01).slice(0, 3).map((pair) => `${pair.params.map(words).join(" with ")} ${percent(pair.share, 0)}`).join("; "), ".") : "");
      return names;
    } catch (problem) {
      out.replaceChildren(problem.status === 409 ? el("p", { class: "plot-empty" }, `${problem.message} This view fills by itself.`) : problemBox(problem));
      return [];
    }
  }
  return { box: card(null, el("label", { class: "pick" }, "What it takes", focus), out, chart.box, pairs), load, names: () => names };
}

/* ---- each against the score ---- */

export function slicesView(source, choose) {
  const grid = el("div", { class: "small-multiples" });
  const charts = new Map();
  const beyond = el("span");
  function set(trials, order) {
    const done = trials.filter((trial) => trial.state === "done" && Number.isFinite(trial.metric));
    const range = scoreRange(done.map((trial) => trial.metric), source.higher);
    beyond.textContent = ` ${beyondNote(done.map((trial) => trial.metric), range)}`;
    const rank = (item) => { const at = order.indexOf(item.name); return at < 0 ? order.length : at; };
    const kept = [...source.parameters].sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
    for (const item of kept) {
      if (!charts.has(item.name)) {
        const chart = plot({ heading: "h3", title: words(item.name), height: 170, x: { ...axisOf(item), label: "" }, y: {}, empty: "No finished trial has it.", onpick: () => choose(item.name) });
        charts.set(item.name, chart);
        grid.append(chart.box);
      }
      charts.get(item.name).set({ y: range, describe: `The score of each finished trial against ${item.name}.`, marks: [{ kind: "dots", style: "s3", size: 5, name: "trials",
        points: done.filter((trial) => valueOf(trial, item) !== undefined).map((trial) => [valueOf(trial, item), trial.metric, `Trial ${trial.number}\n${words(item.key)} ${textOf(valueOf(trial, item))}\n${source.metric} ${number(trial.metric)}`]) }] });
    }
  }
  return { box: el("section", { class: "card", id: "slices" }, el("h2", {}, "Each against the score"), el("p", { class: "plot-note" }, `Every finished trial; the ${SHOWN} that matter most.`, beyond), grid), set };
}

/* ---- rungs ---- */

// Each trial's score at each rung it reached, from the job's events: `known` {scores, after} is gone on from.
async function rungsOf(path, known) {
  for (let i = 0; i < EVENT_PAGES; i++) {
    const page = await get(`${path}/events?after=${known.after}`);
    for (const event of page.items)
      if (event.event === "trial" && Number.isInteger(event.rung) && Number.isFinite(event.metric)) {
        if (!known.scores.has(event.number)) known.scores.set(event.number, new Map());
        if (!known.scores.get(event.number).has(event.rung + 1)) known.scores.get(event.number).set(event.rung + 1, event.metric);
      }
    known.after = page.last;
    if (!page.more) break;
  }
  return known.scores;
}

// `read`: a promise of trial → rung → score, where they are not in a job's events.
export function rungsView(source, read = null) {
  const chart = plot({ id: "rungs", title: "Rungs", height: 280, x: { label: "rung", kind: "band", values: [] }, y: {}, empty: "No trial has reached a rung yet." });
  const counts = el("div");
  const known = { scores: new Map(), after: 0 };
  async function load(trials) {
    const scores = read ? await read() : await rungsOf(source.path, known);
    const most = Math.max(1, ...trials.map((trial) => trial.rungs || 0));
    const rungs = Array.from({ length: most }, (_, i) => i + 1);
    for (const trial of trials)
      if (trial.state === "done" && trial.rungs && Number.isFinite(trial.metric)) {
        if (!scores.has(trial.number)) scores.set(trial.number, new Map());
        scores.get(trial.number).set(trial.rungs, trial.metric);
      }
    const whole = new Set(trials.filter((trial) => trial.state === "done").map((trial) => trial.number));
    const lines = [...scores].map(([number_, reached]) => ({ number: number_, points: [...reached].sort((a, b) => a[0] - b[0]) }));
    const values = lines.flatMap((line) => line.points.map(([, value]) => value));
    const dot = (line) => line.points.map(([rung, value]) => [rung, value, `Trial ${line.number}\nrung ${rung}: ${number(value)}`]);
    const range = scoreRange(values, source.higher);
    chart.set({ x: { label: "rung", kind: "band", values: rungs }, y: { label: source.metric, ...range },
      note: `At each rung the best go on; grey ones were stopped there, which is what saves the time. ${beyondNote(values, range)}`.trim(),
      marks: [
        { kind: "lines", lines: lines.filter((line) => !whole.has(line.number)).map((line) => line.points), style: "dim thin", name: "stopped early" },
        { kind: "dots", points: lines.filter((line) => !whole.has(line.number)).flatMap(dot), style: "dim", size: 5, name: "stopped early", unlisted: true },
        { kind: "lines", lines: lines.filter((line) => whole.has(line.number)).map((line) => line.points), style: "s1", name: "trained to the end" },
        { kind: "dots", points: lines.filter((line) => whole.has(line.number)).flatMap(dot), style: "s1", size: 6, name: "trained to the end", unlisted: true },
      ].filter((mark) => (mark.lines || mark.points).length) });
    const at = (rung) => lines.filter((line) => line.points.some(([reached]) => reached === rung)).length;
    counts.replaceChildren(table([{ text: "Rung", number: true }, { text: "Trials there", number: true }, { text: "Went on", number: true }], rungs.map((rung) => [String(rung), String(at(rung)), rung < most ? `${at(rung + 1)} (${percent(at(rung) ? at(rung + 1) / at(rung) : NaN, 0)})` : "–"]), { "aria-label": "Trials at each rung" }));
  }
  return { box: el("section", { class: "card" }, chart.box, counts), load };
}

/* ---- methods ---- */

const ALIKE = 20;
const STYLES = ["s1", "s2", "s3", "s4", "s5", "s6"];

// Jobs on the same data for the same target and metric, with another method: how soon each was how good.
export async function methodsView(job, higher, trialsOf) {
  const jobs = await all("/api/v1/jobs", 200);
  const alike = jobs.filter((other) => other.id !== job.id && other.dataset?.id === job.dataset?.id && other.target === job.target && other.metric === job.metric).slice(0, ALIKE);
  const full = await Promise.all(alike.map((other) => get(`/api/v1/jobs/${encodeURIComponent(other.id)}`)));
  const method = (other) => other.spec?.search?.method || "bayes";
  // Of each method the newest, so that all are seen; then what there is room for.
  const first = full.filter((other, i) => method(other) !== method(job) && full.findIndex((one) => method(one) === method(other)) === i);
  if (!first.length) return null;
  const shown = [job, ...first, ...full.filter((other) => !first.includes(other))].slice(0, STYLES.length);
  const lists = await Promise.all(shown.map((other) => trialsOf(`/api/v1/jobs/${other.id}`)));
  const marks = shown.map((other, i) => ({ kind: "step", style: STYLES[i], name: `${method(other)}: ${other.name}`, points: bestSoFar(lists[i].filter((trial) => trial.state === "done").sort((a, b) => a.number - b.number), higher) })).filter((mark) => mark.points.length);
  const chart = plot({ id: "methods", title: "Methods on this data", height: 260, x: { label: "trial", integer: true, min: 1 }, y: { label: words(job.metric) }, marks,
    note: "Your jobs on the same dataset, target and metric: the best score so far of each. One run each, so small differences may be luck." });
  return el("section", { class: "card" }, chart.box, el("p", {}, el("a", { href: `/compare?jobs=${shown.map((other) => other.id).join(",")}` }, "Compare them in full")));
}
