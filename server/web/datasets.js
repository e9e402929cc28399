// The list of datasets with an upload form, and one dataset: its columns or images, rows, balance and issues.

import { call, get, Problem } from "./api.js";
import { columnsCard, previewCard } from "./dataset_columns.js";
import { imagesCard } from "./dataset_images.js";
import { issuesCard } from "./dataset_issues.js";
import { agree, bytes, card, el, goneBox, problemBox, show, state, swap, table, title, when } from "./dom.js";
import { uploadForm } from "./upload.js";

const READING_MS = 1000;

/* ---- the list ---- */

export async function datasetsPage() {
  title("Datasets");
  const list = el("div");
  const more = el("button", { class: "quiet", hidden: true, onclick: load }, "Older datasets");
  const rows = [];
  let cursor = "";
  async function load() {
    const page = await get(`/api/v1/datasets?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.push(...page.items.map((dataset) => [
      el("a", { href: `/datasets/${encodeURIComponent(dataset.id)}` }, dataset.name), state(dataset.state), dataset.kind || "–",
      dataset.rows === undefined ? "–" : String(dataset.rows), bytes(dataset.bytes), when(dataset.created_at)]));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    swap(list, rows.length ? table(["Dataset", "State", "Kind", { text: "Rows", number: true }, { text: "Size", number: true }, "Uploaded"], rows, { id: "datasets", "aria-label": "datasets" })
      : el("p", { class: "faint" }, "None yet."));
  }
  const { form } = uploadForm((dataset) => location.assign(`/datasets/${encodeURIComponent(dataset.id)}`));
  await load();
  show(el("div", { class: "card" }, el("h2", {}, "Upload a dataset"), form), el("div", { class: "card" }, el("h1", {}, "Datasets"), list, more));
}

/* ---- one dataset ---- */

function headCard(dataset, out) {
  const facts = [[dataset.kind === "images" ? "Images" : "Rows", dataset.rows], ["Size", bytes(dataset.bytes)], ["Version", dataset.version],
    dataset.kind === "table" ? ["Columns", dataset.columns?.length] : ["Classes", (dataset.classes || []).length]];
  if (dataset.kind === "images") facts.push(["Image size", `${dataset.width} × ${dataset.height}, ${dataset.channels === 1 ? "grey" : "colour"}`]);
  const remove = el("button", { class: "quiet", id: "delete", onclick: async () => {
    if (!(await agree(`Delete ${dataset.name}?`, "Delete", "Models made from it stay. This can't be undone."))) return;
    try {
      await call("DELETE", `/api/v1/datasets/${encodeURIComponent(dataset.id)}`);
      location.assign("/datasets");
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } }, "Delete");
  const ready = dataset.state === "ready";
  return el("div", { class: "card" },
    el("div", { class: "head" }, el("div", {}, el("h1", {}, dataset.name), state(dataset.state)),
      el("div", { class: "actions" }, ready ? el("a", { class: "button", id: "tune", href: `/jobs/new?dataset=${encodeURIComponent(dataset.id)}` }, "Tune a model") : null, remove)),
    ready ? el("div", { class: "facts" }, facts.map(([label, value]) => el("div", {}, el("span", {}, label), el("strong", {}, String(value ?? "–"))))) : null,
    dataset.state === "ingesting" ? el("p", { class: "faint" }, "The server is reading the file. The page goes on by itself.") : null,
    dataset.error ? problemBox({ message: dataset.error.detail || "The file could not be read.", hint: dataset.error.hint, faults: dataset.error.faults }) : null,
    dataset.state === "failed" ? el("p", {}, "Nothing of it is kept for training. Correct the file and ", el("a", { href: "/datasets" }, "upload it again"), ".") : null,
    (dataset.warnings || []).map((warning) => el("p", { class: "warning" }, typeof warning === "string" ? warning : warning.message)),
    out);
}

export async function datasetPage(id) {
  const path = `/api/v1/datasets/${encodeURIComponent(id)}`;
  const out = el("div", { "aria-live": "polite" });
  async function draw() {
    let dataset = null;
    try {
      dataset = await get(path);
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
      show(goneBox("dataset", "/datasets", "Datasets"));
      return;
    }
    title(dataset.name);
    out.replaceChildren();
    if (dataset.state !== "ready") {
      show(headCard(dataset, out));
      if (dataset.state === "ingesting") setTimeout(() => draw().catch((problem) => out.replaceChildren(problemBox(problem))), READING_MS);
      return;
    }
    const images = dataset.kind === "images";
    const [preview, profile] = await Promise.all([get(`${path}/preview?limit=${images ? 200 : 15}`), get(`${path}/profile`)]);
    show(headCard(dataset, out),
      ...(images ? [imagesCard(path, dataset, preview.images)] : [columnsCard(path, dataset, profile, draw), previewCard(preview)]),
      issuesCard(path, dataset));
  }
  show(card("", el("p", { class: "faint" }, "Loading …")));
  await draw();
}
