// What may be wrong with a dataset, with the rows it is about.

import { get } from "./api.js";
import { rowsTable } from "./dataset_columns.js";
import { thumb } from "./dataset_images.js";
import { count, el, number, percent, problemBox, query, setQuery } from "./dom.js";

const ROWS_AT_ONCE = 20;
const NO_TARGETS = new Set(["text", "identifier"]);
const BALANCE_SHOWN = 200;

/* ---- rows of one issue ---- */

// One request for each run of neighbouring rows.
async function fetchRows(path, rows) {
  const found = await Promise.all(rows.map((row) => get(`${path}/preview?limit=1&offset=${row}`)));
  return { columns: found[0]?.columns || [], rows: found.flatMap((page) => page.rows || []), images: found.flatMap((page) => page.images || []) };
}

const belief = (one) => (one.probability !== undefined ? `${percent(one.probability, 0)} sure` : one.deviations !== undefined ? `${number(one.deviations, 2)} deviations off` : "");
const shown = (one) => (typeof one === "number" ? number(one) : String(one));

function suspectWords(one) {
  return `row ${one.row}: given ${shown(one.given)}, likelier ${shown(one.suggested)} (${belief(one)})`;
}

// The rows with these numbers, or of these suspects ({row, given, suggested, …}), as a node; `tell` puts a suspect in words.
export async function rowsOf(id, list, about, tell = suspectWords) {
  const suspects = new Map(list.filter((one) => typeof one === "object").map((one) => [one.row, one]));
  const numbers = list.map((one) => (typeof one === "object" ? one.row : one)).slice(0, ROWS_AT_ONCE);
  const words = (row, more) => (suspects.has(row) ? tell(suspects.get(row)) : `row ${row}${more}`);
  try {
    const found = await fetchRows(`/api/v1/datasets/${encodeURIComponent(id)}`, numbers);
    if (found.images.length) return el("div", { class: "thumbs" }, found.images.map((image) => thumb(image, words(image.row, `: ${image.label}`))));
    return rowsTable(found.columns, found.rows, { "aria-label": `rows: ${about}` }, { head: "Row", cells: numbers.map((row) => words(row, "")) });
  } catch (problem) {
    return problem.status === 404 ? el("p", { class: "faint" }, "The dataset is gone, so its rows can't be shown.") : problemBox(problem);
  }
}

function issueRow(dataset, issue) {
  const box = el("div");
  const rows = issue.suspects?.length || issue.rows?.length || 0;
  const fold = rows ? el("details", {}, el("summary", {}, `Show ${issue.rows_count > Math.min(rows, ROWS_AT_ONCE) ? `${Math.min(rows, ROWS_AT_ONCE)} of ` : ""}${count(issue.rows_count || rows, "row")}`), box) : null;
  if (fold) fold.addEventListener("toggle", () => { if (fold.open && !box.firstChild) rowsOf(dataset.id, issue.suspects?.length ? issue.suspects : issue.rows, issue.message).then((node) => box.replaceChildren(node)); });
  return el("li", {}, el("div", {}, el("span", { class: `severity ${issue.severity}` }, issue.severity), " ",
    issue.column ? el("strong", {}, `${issue.column}: `) : null, issue.message,
    issue.hint ? el("div", { class: "faint small" }, issue.hint) : null,
    issue.job ? el("div", { class: "small" }, "Found by ", el("a", { href: `/jobs/${encodeURIComponent(issue.job)}` }, "this job"), ".") : null, fold));
}

/* ---- the balance of a target ---- */

async function balance(path, target) {
  const profile = await get(`${path}/profile`);
  const column = (profile.columns || []).find((one) => one.name === target);
  if (!column?.values?.length || column.type === "numeric") return null;
  const total = column.values.reduce((sum, one) => sum + one.count, column.others || 0);
  const most = column.values[0].count;
  return el("div", {}, el("h3", {}, `Balance of ${target}`), el("div", { class: "classes", id: "balance", tabindex: "0", role: "group", "aria-label": `balance of ${target}` }, column.values.slice(0, BALANCE_SHOWN).map((one) => {
    const fill = el("div");
    fill.style.width = `${(100 * one.count) / most}%`;
    return el("div", { class: "share" }, el("span", {}, String(one.value)), el("div", { class: "bar" }, fill), el("span", {}, `${one.count} (${percent(one.count / total)})`));
  })), column.others ? el("p", { class: "faint" }, `and ${column.others} rows with other values`) : null);
}

/* ---- the card ---- */

export function issuesCard(path, dataset) {
  const out = el("div", { "aria-live": "polite" });
  const targets = (dataset.columns || []).filter((column) => !NO_TARGETS.has(column.type)).map((column) => column.name);
  const select = el("select", { name: "issue-target", onchange: () => { setQuery("target", select.value); look(); } },
    el("option", { value: "" }, "none yet"), targets.map((name) => el("option", { value: name, selected: name === query("target") }, name)));
  async function look() {
    out.replaceChildren(el("p", { class: "faint" }, "Looking for issues …"));
    try {
      const target = select.value;
      // It reads all rows: the rest of the page need not wait for it.
      const [answer, shares] = await Promise.all([get(`${path}/issues${target ? `?target=${encodeURIComponent(target)}` : ""}`), target ? balance(path, target) : null]);
      const list = answer.issues.map((issue) => issueRow(dataset, issue));
      const part = answer.rows_looked_at < answer.rows ? ` ${answer.rows_looked_at} of ${answer.rows} rows were looked at.` : "";
      out.replaceChildren(...[shares, list.length ? el("ul", { class: "plain" }, list) : el("p", { class: "faint" }, "None found."),
        part || !answer.complete ? el("p", { class: "faint" }, `${part}${answer.complete ? "" : " Time ran out before all columns were looked at."}`.trim()) : null].filter(Boolean));
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }
  look();
  return el("section", { class: "card", id: "issues" }, el("div", { class: "head" }, el("h2", {}, "Issues"),
    dataset.kind === "table" ? el("label", { class: "inline" }, "with the target", select) : null), out);
}
