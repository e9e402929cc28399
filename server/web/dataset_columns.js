// The columns of a table: type, gaps, spread and examples, a page of them at a time; and its first rows.

import { call } from "./api.js";
import { back, card, count, el, number, percent, problemBox, swap, table } from "./dom.js";

const TYPES = ["numeric", "categorical", "boolean", "datetime", "text", "identifier"];
const COLUMNS_SHOWN = 50;
const PREVIEW_COLUMNS = 40;
const BARS = 20;

/* ---- one column ---- */

// The shape of a column's values: a small histogram, or how often its commonest values are.
function shape(statistics) {
  const counts = statistics?.histogram ? statistics.histogram.counts : (statistics?.values || []).slice(0, BARS).map((value) => value.count);
  if (!counts?.length) return el("span", { class: "faint" }, "–");
  const most = Math.max(...counts, 1);
  const words = statistics.histogram ? `from ${statistics.type === "datetime" ? statistics.min : number(statistics.histogram.low)} to ${statistics.type === "datetime" ? statistics.max : number(statistics.histogram.high)}`
    : `most often ${statistics.values.slice(0, 3).map((value) => `${value.value} (${value.count})`).join(", ")}`;
  return el("div", {}, el("span", { class: "shape", role: "img", "aria-label": words, title: words }, counts.map((height) => {
    const bar = el("span");
    bar.style.height = `${Math.max(3, (100 * height) / most)}%`;
    return bar;
  })), el("div", { class: "faint small" }, words));
}

function gap(missing, rows) {
  if (!missing) return el("span", { class: "faint" }, "none");
  const fill = el("div");
  fill.style.width = `${Math.min(100, (100 * missing) / Math.max(rows, 1))}%`;
  return el("div", { class: "gap", title: `${missing} of ${rows} rows` }, percent(missing / rows), el("div", { class: "bar" }, fill));
}

function typeSelect(column, chosen, changed) {
  const select = el("select", { "aria-label": `type of ${column.name}`, name: `type:${column.name}`, onchange: () => {
    if (select.value === column.type) chosen.delete(column.name);
    else chosen.set(column.name, select.value);
    changed();
  } }, TYPES.map((type) => el("option", { value: type, selected: type === (chosen.get(column.name) || column.type) }, type)));
  return select;
}

/* ---- all columns ---- */

// `done` is called once other types were stored as a new version.
export function columnsCard(path, dataset, profile, done) {
  const chosen = new Map();
  const statistics = new Map((profile.columns || []).map((column) => [column.name, column]));
  const out = el("div", { "aria-live": "polite" });
  const list = el("div", { class: "scroll tall" });
  const pager = el("div", { class: "actions" });
  const save = el("button", { id: "save-types", disabled: true, onclick: submit }, "Save the types as a new version");
  const filter = el("input", { type: "search", name: "filter", "aria-label": "find columns", placeholder: "find a column", oninput: () => draw(0) });
  const heads = ["Column", "Type", "Missing", { text: "Distinct", number: true }, "Values", "Examples"];

  function row(column) {
    return [el("div", {}, el("strong", {}, column.name), column.note ? el("div", { class: "faint small" }, column.note) : null),
      typeSelect(column, chosen, () => { save.disabled = chosen.size === 0; }), gap(column.missing, dataset.rows), String(column.distinct),
      shape(statistics.get(column.name)), el("span", { class: "params" }, (column.examples || []).map(String).join(", "))];
  }

  function draw(from) {
    const words = filter.value.trim().toLowerCase();
    const found = dataset.columns.filter((column) => column.name.toLowerCase().includes(words));
    const shown = found.slice(from, from + COLUMNS_SHOWN);
    list.replaceChildren(shown.length ? table(heads, shown.map(row), { id: "columns", "aria-label": "columns" }) : el("p", { class: "faint" }, "No column is named so."));
    swap(pager, ...(found.length > COLUMNS_SHOWN ? [
      el("button", { class: "quiet", disabled: from === 0, onclick: () => draw(Math.max(0, from - COLUMNS_SHOWN)) }, "Before"),
      el("span", { class: "faint" }, `${from + 1} to ${from + shown.length} of ${count(found.length, "column")}`),
      el("button", { class: "quiet", disabled: from + COLUMNS_SHOWN >= found.length, onclick: () => draw(from + COLUMNS_SHOWN) }, "Next")] : []));
  }

  async function submit() {
    save.disabled = true;
    try {
      await call("PATCH", `${path}/schema`, { version: dataset.version, columns: Object.fromEntries(chosen) });
      await done();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
      save.disabled = false;
      back(save);
    }
  }

  draw(0);
  return card("Columns", el("p", { class: "faint" }, "Types were guessed from the values. Where a guess is wrong, choose the right one.",
    profile.rows < dataset.rows ? ` Statistics are of the first ${profile.rows} rows.` : ""),
    dataset.columns.length > COLUMNS_SHOWN ? el("div", { class: "toolbar" }, filter) : null, list, pager, el("p", {}, save), out);
}

/* ---- rows ---- */

export function rowsTable(names, rows, attributes, first = null) {
  const shown = names.slice(0, PREVIEW_COLUMNS);
  const heads = shown.map((text, i) => ({ text, number: typeof rows[0]?.[i] === "number" }));
  const cell = (value) => (value === null ? el("span", { class: "faint" }, "missing") : String(value));
  return table(first ? [first.head, ...heads] : heads,
    rows.map((cells, i) => [...(first ? [first.cells[i]] : []), ...cells.slice(0, PREVIEW_COLUMNS).map(cell)]), attributes);
}

export function previewCard(preview) {
  const left = preview.columns.length - PREVIEW_COLUMNS;
  return card("First rows", rowsTable(preview.columns, preview.rows, { id: "preview", "aria-label": "first rows" }),
    left > 0 ? el("p", { class: "faint" }, `and ${count(left, "more column")}`) : null);
}
