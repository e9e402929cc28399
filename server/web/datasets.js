// The list of datasets with an upload form, and one dataset: its columns and their types, rows, issues.

import { call, upload } from "./api.js";
import { bytes, el, number, problemBox, show, state } from "./dom.js";

const TYPES = ["numeric", "categorical", "boolean", "datetime", "text", "identifier"];
const ROWS_SHOWN = 15;

// ---- the list ----------------------------------------------------------------------------------------

function row(dataset) {
  return el("tr", {},
    el("td", {}, el("a", { href: `/datasets/${dataset.id}` }, dataset.name)),
    el("td", {}, state(dataset.state)),
    el("td", {}, dataset.kind || "–"),
    el("td", { class: "number" }, dataset.rows === undefined ? "–" : String(dataset.rows)),
    el("td", { class: "number" }, bytes(dataset.bytes)),
    el("td", {}, (dataset.created_at || "").slice(0, 16).replace("T", " ")));
}

function uploadForm() {
  const out = el("div", { "aria-live": "polite" });
  const fill = el("div");
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "upload", hidden: true }, fill);
  const file = el("input", { type: "file", name: "file", required: true, multiple: true });
  const name = el("input", { name: "name", placeholder: "from the file", maxlength: 200 });
  const button = el("button", { type: "submit" }, "Upload");
  const form = el("form", { id: "upload", onsubmit: submit },
    el("div", { class: "fields" },
      el("label", {}, "A table (CSV, TSV), a zip or tar with one folder of images per class, or two IDX files (images, labels)", file),
      el("label", {}, "Name", name)),
    button, bar, out);

  async function submit(event) {
    event.preventDefault();
    const body = new FormData();
    const files = [...file.files];
    const idx = files.length === 2 && files.some((one) => /labels/i.test(one.name)) && files.some((one) => /images/i.test(one.name));
    for (const one of files) body.append(idx ? (/labels/i.test(one.name) ? "labels" : "images") : "file", one, one.name);
    if (name.value.trim()) body.append("name", name.value.trim());
    button.disabled = true;
    bar.hidden = false;
    try {
      const dataset = await upload("/api/v1/datasets", body, (share) => {
        const percent = Math.round(100 * share);
        fill.style.width = `${percent}%`;
        bar.setAttribute("aria-valuenow", String(percent));
        if (percent === 100) out.replaceChildren(el("p", { class: "faint" }, "Reading it …"));
      });
      location.assign(`/datasets/${dataset.id}`);
    } catch (problem) {
      bar.hidden = true;
      button.disabled = false;
      out.replaceChildren(problemBox(problem));
    }
  }
  return form;
}

export async function datasetsPage() {
  const body = el("tbody");
  let cursor = "";
  const more = el("button", { class: "quiet", hidden: true, onclick: load }, "Older datasets");
  const heads = ["Dataset", "State", "Kind", "Rows", "Size", "Uploaded (UTC)"];
  async function load() {
    const page = await call("GET", `/api/v1/datasets?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    body.append(...page.items.map(row));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
  }
  await load();
  const table = el("table", { id: "datasets" },
    el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i === 3 || i === 4 ? "number" : "" }, head)))), body);
  show(el("div", { class: "card" }, el("h1", {}, "Upload a dataset"), uploadForm()),
    el("div", { class: "card" }, el("h1", {}, "Datasets"), body.children.length ? table : el("p", {}, "None yet."), more));
}

// ---- one dataset -------------------------------------------------------------------------------------

// The shape of a column's values: a small histogram, or its commonest values.
function shape(statistics) {
  if (!statistics) return null;
  const counts = statistics.histogram ? statistics.histogram.counts : (statistics.values || []).slice(0, 20).map((value) => value.count);
  if (!counts || !counts.length) return null;
  const most = Math.max(...counts, 1);
  const words = statistics.histogram ? `from ${number(statistics.histogram.low)} to ${number(statistics.histogram.high)}`
    : `most often ${(statistics.values || []).slice(0, 3).map((value) => `${value.value} (${value.count})`).join(", ")}`;
  return el("span", { class: "shape", role: "img", "aria-label": words, title: words }, counts.map((count) => {
    const bar = el("span");
    bar.style.height = `${Math.max(4, (100 * count) / most)}%`;
    return bar;
  }));
}

function columnsCard(dataset, profile, done) {
  const chosen = new Map();
  const out = el("div", { "aria-live": "polite" });
  const save = el("button", { id: "save-types", disabled: true, onclick: submit }, "Save the types as a new version");
  const statistics = new Map((profile.columns || []).map((column) => [column.name, column]));
  const heads = ["Column", "Type", "Missing", "Distinct", "Values", "Examples"];
  const rows = dataset.columns.map((column) => {
    const select = el("select", { "aria-label": `type of ${column.name}`, name: `type:${column.name}`, onchange: () => {
      if (select.value === column.type) chosen.delete(column.name);
      else chosen.set(column.name, select.value);
      save.disabled = chosen.size === 0;
    } }, TYPES.map((type) => el("option", { value: type, selected: type === column.type }, type)));
    return el("tr", {}, el("td", {}, column.name, column.note ? el("div", { class: "faint small" }, column.note) : null),
      el("td", {}, select),
      el("td", { class: "number" }, String(column.missing)), el("td", { class: "number" }, String(column.distinct)),
      el("td", {}, shape(statistics.get(column.name))),
      el("td", { class: "params" }, (column.examples || []).map(String).join(", ")));
  });
  async function submit() {
    save.disabled = true;
    try {
      await call("PATCH", `/api/v1/datasets/${dataset.id}/schema`, { version: dataset.version, columns: Object.fromEntries(chosen) });
      await done();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
      save.disabled = false;
    }
  }
  return el("div", { class: "card" }, el("h2", {}, "Columns"),
    el("p", { class: "faint" }, "Types were guessed from the values. Where a guess is wrong, choose the right one."),
    el("div", { class: "scroll" }, el("table", { id: "columns" },
      el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i === 2 || i === 3 ? "number" : "" }, head)))), el("tbody", {}, rows))),
    el("p", {}, save), out);
}

function tablePreview(preview) {
  return el("div", { class: "card" }, el("h2", {}, "First rows"),
    el("div", { class: "scroll" }, el("table", { id: "preview" },
      el("thead", {}, el("tr", {}, preview.columns.map((name, i) => el("th", { class: typeof preview.rows[0]?.[i] === "number" ? "number" : "" }, name)))),
      el("tbody", {}, preview.rows.map((cells) => el("tr", {}, cells.map((cell) =>
        el("td", { class: typeof cell === "number" ? "number" : "" }, cell === null ? el("span", { class: "faint" }, "missing") : String(cell)))))))));
}

function imagePreview(dataset, preview) {
  return el("div", { class: "card" }, el("h2", {}, "Images"),
    el("p", { class: "faint" }, `${dataset.width} × ${dataset.height}, ${dataset.channels === 1 ? "grey" : "colour"}`),
    el("div", { class: "thumbs", id: "preview" }, preview.images.map((image) => el("figure", {},
      el("img", { src: `data:image/png;base64,${image.png_base64}`, alt: `row ${image.row}: ${image.label}` }),
      el("figcaption", {}, image.label)))),
    el("h2", {}, "Classes"),
    el("table", {}, el("tbody", {}, (dataset.classes || []).slice(0, 100).map((one) =>
      el("tr", {}, el("td", {}, one.name), el("td", { class: "number" }, String(one.count)))))));
}

function issuesCard(issues) {
  const items = issues.items || issues.issues || [];
  const rows = items.map((issue) => el("tr", {},
    el("td", {}, el("span", { class: `severity ${issue.severity}` }, issue.severity)),
    el("td", {}, issue.column ? el("strong", {}, `${issue.column}: `) : null, issue.message, issue.hint ? el("div", { class: "faint small" }, issue.hint) : null),
    el("td", { class: "params" }, (issue.rows || []).length ? `rows ${issue.rows.slice(0, 8).map((one) => (typeof one === "object" ? one.row : one)).join(", ")}` : "")));
  return el("div", { class: "card", id: "issues" }, el("h2", {}, "Issues"),
    rows.length ? el("table", {}, el("tbody", {}, rows)) : el("p", { class: "faint" }, "None found."));
}

function headCard(dataset, out) {
  const facts = [["Rows", dataset.rows], ["Size", bytes(dataset.bytes)], ["Version", dataset.version],
    dataset.kind === "table" ? ["Columns", dataset.columns.length] : ["Classes", (dataset.classes || []).length]];
  const remove = el("button", { class: "quiet", id: "delete", onclick: async () => {
    if (!window.confirm(`Delete ${dataset.name}? Models made from it stay.`)) return;
    try {
      await call("DELETE", `/api/v1/datasets/${dataset.id}`);
      location.assign("/datasets");
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } }, "Delete");
  return el("div", { class: "card" },
    el("div", { class: "head" }, el("div", {}, el("h1", {}, dataset.name), state(dataset.state)),
      el("div", { class: "actions" }, dataset.state === "ready" ? el("a", { class: "button", id: "tune", href: `/jobs/new?dataset=${dataset.id}` }, "Tune a model") : null, remove)),
    dataset.state === "ready" ? el("div", { class: "facts" }, facts.map(([label, value]) => el("div", {}, el("span", {}, label), el("strong", {}, String(value))))) : null,
    dataset.error ? problemBox({ message: dataset.error.detail, faults: dataset.error.faults }) : null,
    (dataset.warnings || []).map((warning) => el("p", { class: "warning" }, typeof warning === "string" ? warning : warning.message)),
    out);
}

export async function datasetPage(id) {
  const path = `/api/v1/datasets/${encodeURIComponent(id)}`;
  const out = el("div", { "aria-live": "polite" });
  async function draw() {
    const dataset = await call("GET", path);
    if (dataset.state !== "ready") {
      show(headCard(dataset, out));
      if (dataset.state === "ingesting") setTimeout(draw, 1000);
      return;
    }
    const [preview, profile] = await Promise.all([
      call("GET", `${path}/preview?limit=${dataset.kind === "table" ? ROWS_SHOWN : 48}`), call("GET", `${path}/profile`)]);
    const issues = el("div", {}, el("p", { class: "faint" }, "Looking for issues …"));
    show(headCard(dataset, out),
      ...(dataset.kind === "table" ? [columnsCard(dataset, profile, draw), tablePreview(preview)] : [imagePreview(dataset, preview)]),
      issues);
    // It reads all rows: the rest of the page need not wait for it.
    issues.replaceChildren(await call("GET", `${path}/issues`).then(issuesCard, problemBox));
  }
  await draw();
}
