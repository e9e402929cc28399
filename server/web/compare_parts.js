// What comparisons of jobs and of models share: a table with one column each, the best of a row marked.

import { el } from "./dom.js";

export const STYLES = ["s1", "s2", "s3", "s4", "s5", "s6"];

export const differs = (items, value) => new Set(items.map(value)).size > 1;

// links: [[text, address]], one for each column.
export function headRow(links) {
  return el("tr", {}, el("td", {}), links.map(([text, href]) => el("th", { scope: "col" }, el("a", { href }, text))));
}

// better: 1 where more is better, -1 where less is, 0 where there is no best.
export function row(name, items, value, text, better = 0) {
  const values = items.map(value);
  const known = values.filter(Number.isFinite);
  const best = better && new Set(known).size > 1 ? (better > 0 ? Math.max(...known) : Math.min(...known)) : null;
  return el("tr", {}, el("th", { scope: "row" }, name), values.map((item) => el("td", {}, best !== null && item === best ? el("strong", { title: "the best of the row" }, text(item), " ✓") : text(item))));
}

export function sideBySide(id, label, head, rows) {
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": label }, el("table", { id }, el("thead", {}, head), el("tbody", {}, rows)));
}
