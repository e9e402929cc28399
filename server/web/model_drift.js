// Drift: whether what a version is asked, and what it answers, has moved away from what it learned from, and how often
// it was right where the truth was told.

import { get } from "./api.js";
import { card, count, el, number, percent, problemBox, query, setQuery } from "./dom.js";
import { plot } from "./plot.js";

const WINDOWS = [["3600", "last hour"], ["86400", "last day"], ["604800", "last 7 days"], ["2592000", "last 30 days"], ["31536000", "last year"]];
const COLUMNS_SHOWN = 200;
const WORDS = { stable: "as in training", moderate: "moved somewhat", strong: "moved far", too_few: "too few rows to tell" };
const LOOKS = { stable: "succeeded", moderate: "paused", strong: "failed", too_few: "pruned" };

const verdict = (index) => el("span", { class: `state ${LOOKS[index.drift] || ""}` }, WORDS[index.drift] || index.drift);
const worst = (a, b) => (b.psi ?? -1) - (a.psi ?? -1);

const short = (value) => (Number.isInteger(value) ? String(value) : number(value, 2));

function binName(bin) {
  if (bin.value !== undefined) return bin.value ?? "all others";
  if (bin.from === null || bin.from === undefined) return `below ${short(bin.to)}`;
  return bin.to === null || bin.to === undefined ? `${short(bin.from)} and up` : `${short(bin.from)} to ${short(bin.to)}`;
}

// Where the values lay in training and where they lie now.
function shares(title, bins) {
  const names = bins.map(binName);
  const points = (side) => bins.map((bin, i) => [names[i], bin[side] ?? 0, `${names[i]}: ${percent(bin[side])} ${side === "asked" ? "now" : "in training"}`]);
  return plot({ title, heading: "h3", height: 220, x: { kind: "band", values: names }, y: { label: "share of rows", min: 0 },
    marks: [{ kind: "bars", name: "in training", style: "dim", points: points("trained") }, { kind: "dots", name: "now", size: 9, points: points("asked") }] }).box;
}

function columnRow(column) {
  const box = el("td", { colspan: "5" });
  const more = el("tr", { hidden: true }, box);
  const button = el("button", { type: "button", class: "link", "aria-expanded": "false", onclick: () => {
    more.hidden = !more.hidden;
    button.setAttribute("aria-expanded", String(!more.hidden));
    if (!box.firstChild && column.bins?.length) box.append(shares(`Values of ${column.name}`, column.bins));
  } }, column.name);
  const gaps = column.missing?.asked === null || column.missing === undefined ? "–" : `${percent(column.missing.asked)} (${percent(column.missing.trained)})`;
  return [el("tr", {}, el("td", {}, column.bins?.length ? button : column.name), el("td", {}, verdict(column)),
    el("td", { class: "number" }, number(column.psi, 3)), el("td", { class: "number" }, gaps), el("td", { class: "number" }, column.unknown === null ? "–" : percent(column.unknown))), more];
}

function columnsCard(drift) {
  if (!drift.columns.length) return null;
  const list = [...drift.columns].sort(worst);
  const heads = [["Column"], [""], ["Index", 1], ["Missing (in training)", 1], ["Never seen", 1]];
  return card("What it is asked", el("p", { class: "faint" }, `The stability index compares ${count(drift.sampled, "row")} asked with ${drift.reference.rows} of the training data: below 0.1 is calm, from 0.25 on the data have moved. The worst first; a name shows its values.`),
    el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": "drift of each column" }, el("table", { id: "drift-columns" },
      el("thead", {}, el("tr", {}, heads.map(([text, right]) => (text ? el("th", { scope: "col", class: right ? "number" : "" }, text) : el("td"))))),
      el("tbody", {}, list.slice(0, COLUMNS_SHOWN).map(columnRow)))),
    list.length > COLUMNS_SHOWN ? el("p", { class: "faint" }, `The ${COLUMNS_SHOWN} of ${list.length} columns that moved most.`) : null);
}

function rightCard(drift) {
  const score = drift.feedback;
  const line = `curl ${location.origin}/api/v1/feedback -H "Authorization: Bearer $KEY" \\\n  -d '{"prediction_id": "prd_…", "truth": "…"}'`;
  if (!score.truths)
    return card("How often it is right", el("p", {}, "Nobody has told the truth of a prediction yet. An app tells it with the id that came with the answer:"), el("pre", { tabindex: "0" }, line));
  const name = score.accuracy === undefined || score.accuracy === null ? "rmse" : "accuracy";
  const points = score.parts.filter((part) => Number.isFinite(part[name])).map((part) => [Date.parse(part.until) / 1000, part[name], `${part.until.slice(0, 16).replace("T", " ")}: ${number(part[name])}, ${count(part.truths, "truth")}`]);
  const now = Date.parse(drift.until) / 1000;
  const told = `${count(score.truths, "truth")} of ${count(score.rows, "prediction")}: ${name} ${number(score[name])}${Number.isFinite(score.mae) ? `, mean error ${number(score.mae)}` : ""}.`;
  if (points.length < 2) return card("How often it is right", el("p", {}, told), el("p", { class: "faint small" }, "A line over time comes with truths from more of the time."));
  return card("", plot({ title: "How often it is right", id: "drift-score", note: told,
    x: { label: "hours ago" }, y: name === "accuracy" ? { label: name, min: 0, max: 1 } : { label: name, min: 0 }, height: 220,
    marks: [{ kind: "line", name, points: points.map(([at, value]) => [(at - now) / 3600, value]), quiet: true }, { kind: "dots", unlisted: true, name, size: 8, points: points.map(([at, value, text]) => [(at - now) / 3600, value, text]) }] }).box);
}

function draw(drift) {
  const { log } = drift;
  const lost = [log.skipped ? `${log.skipped} answers came faster than are logged` : "", log.dropped_of_all ? `${log.dropped_of_all} were lost while the database was away` : ""].filter(Boolean).join("; ");
  const answers = drift.answers;
  return [card(`Version ${drift.version}`, el("p", {}, drift.summary ? `${drift.summary[0].toUpperCase()}${drift.summary.slice(1)}.` : "Nothing was asked in this time."),
    drift.reference.problem ? el("p", { class: "warning" }, drift.reference.problem) : null, el("p", { class: "faint small" }, "What is tried in these pages is not counted.", lost ? ` ${lost}.` : "")),
  el("div", { class: "even" }, rightCard(drift),
    answers.bins?.length && answers.rows ? card("What it answers", el("p", {}, verdict(answers), ` index ${number(answers.psi, 3)} on ${count(answers.rows, "row")}`), shares("Answers", answers.bins)) : null),
  columnsCard(drift)].filter(Boolean);
}

export async function driftView(name, version) {
  const box = el("div", { "aria-live": "polite" });
  const asked = query("window");
  const select = el("select", { name: "window", onchange: () => { setQuery("window", select.value); load(); } },
    WINDOWS.map(([value, text]) => el("option", { value, selected: value === (asked || "604800") }, text)));
  async function load() {
    box.setAttribute("aria-busy", "true");
    try {
      box.replaceChildren(...draw(await get(`/api/v1/models/${encodeURIComponent(name)}/drift?window=${select.value}${version ? `&version=${version}` : ""}`)));
    } catch (problem) {
      box.replaceChildren(problemBox(problem));
    }
    box.removeAttribute("aria-busy");
  }
  await load();
  return el("div", {}, el("div", { class: "toolbar" }, el("label", { class: "inline" }, "Of the", select)), box);
}
