// The list of models.

import { get } from "./api.js";
import { ago, bytes, el, number, show, state, swap, table, title } from "./dom.js";

const HEADS = ["Model", { text: "Version", number: true }, { text: "Score", number: true }, "Scored by", "Family", { text: "µs a row", number: true }, { text: "Size", number: true }, "Made"];

export async function modelsPage() {
  title("Models");
  const list = el("div");
  const more = el("button", { class: "quiet", hidden: true, onclick: load }, "More models");
  const rows = [];
  let cursor = "";
  async function load() {
    const page = await get(`/api/v1/models?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.push(...page.items.map((model) => [
      el("a", { href: `/models/${encodeURIComponent(model.name)}` }, model.name),
      el("span", {}, String(model.version ?? "–"), model.final === false ? el("span", {}, " ", state("running")) : null), number(model.score),
      (model.metric || "").replaceAll("_", " "), model.family || "", number(model.us_per_row, 2), bytes(model.bytes), ago(model.created_at)]));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    swap(list, rows.length ? table(HEADS, rows, { id: "models", "aria-label": "models" })
      : el("p", {}, "No model yet: ", el("a", { href: "/jobs/new" }, "a job"), " makes the first one."));
  }
  await load();
  show(el("div", { class: "card" }, el("div", { class: "head" }, el("h1", {}, "Models"), el("a", { href: "/compare/models" }, "Compare")), list, more));
}
