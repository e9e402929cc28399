// Who changed what, and who was refused; newest first.

import { get } from "./api.js";
import { card, csv, download, el, problemBox, swap, table, when } from "./dom.js";

const HEADS = ["When", "Key", "What", "To", { text: "Answer", number: true }, "From"];

function objectOf(row) {
  const id = row.object || "";
  const at = { ds: "datasets", job: "jobs", st: "studies" }[id.split("_")[0]];
  return at && row.status < 400 && !row.action.endsWith("delete") ? el("a", { href: `/${at}/${encodeURIComponent(id)}` }, id) : id;
}

export async function auditView() {
  const list = el("div");
  const out = el("div", { "aria-live": "polite" });
  const action = el("input", { name: "action", placeholder: "such as keys.create" });
  const key = el("input", { name: "key", placeholder: "its id" });
  const more = el("button", { class: "quiet", hidden: true, onclick: () => load(false) }, "Older");
  let items = [];
  let cursor = "";

  async function load(fresh) {
    if (fresh) {
      items = [];
      cursor = "";
    }
    const query = new URLSearchParams({ limit: "100" });
    if (action.value.trim()) query.set("action", action.value.trim());
    if (key.value.trim()) query.set("key", key.value.trim());
    if (cursor) query.set("cursor", cursor);
    try {
      const page = await get(`/api/v1/audit?${query}`);
      out.replaceChildren();
      items.push(...page.items);
      cursor = page.next_cursor || "";
      more.hidden = !cursor;
      swap(list, items.length ? table(HEADS, items.map((row) => [when(row.time), row.key ? el("code", {}, row.key) : "–", row.action, objectOf(row), String(row.status), row.address || ""]), { id: "audit", "aria-label": "audit" })
        : el("p", { class: "faint" }, "Nothing like that."));
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }

  await load(true);
  return card("Audit", el("form", { class: "toolbar", onsubmit: (event) => { event.preventDefault(); load(true); } }, el("label", {}, "What", action), el("label", {}, "Key", key), el("button", { class: "quiet" }, "Find"),
    el("button", { type: "button", class: "quiet", onclick: () => {
      const columns = ["id", "time", "key", "action", "object", "status", "request_id", "address"];
      download("audit.csv", new Blob([csv(columns, items.map((row) => columns.map((name) => row[name])))], { type: "text/csv" }));
    } }, "Save as CSV")), out, list, more);
}
