// A table of many thousand rows: only those in sight are in the page.

import { el } from "./dom.js";

const SPARE = 8; // rows drawn beyond the edges

// columns: [{text, number, width (CSS grid track), cell(item) → text or node, sort(item) → value}], height of a row in
// pixels. onpick(item) on click or Enter. look(item) → class names. Returns {box, set(items)}.
export function virtualTable({ id, name, columns, rowHeight = 34, height = 420, onpick, look = () => "" }) {
  const tracks = columns.map((column) => column.width || "minmax(4rem, 1fr)").join(" ");
  const body = el("div", { class: "v-body", role: "rowgroup" });
  const heads = columns.map((column, i) => el("div", { role: "columnheader", class: column.number ? "number" : "" },
    column.sort ? el("button", { type: "button", class: "v-sort", onclick: () => sortBy(i) }, column.text) : column.text));
  const head = el("div", { class: "v-row v-head", role: "row" }, heads);
  const grid = el("div", { role: "grid", "aria-label": name, class: "v-grid" }, el("div", { role: "rowgroup" }, head), body);
  const box = el("div", { class: "v-table", id, tabindex: "0", onkeydown: move }, grid);
  head.style.gridTemplateColumns = tracks;
  box.style.maxHeight = `${height}px`;
  let given = [];
  let items = [];
  let order = null;
  let chosen = -1;
  let waiting = false;

  function sortBy(i) {
    // First click: as the column is read best (numbers from the largest), then the other way, then as given.
    const down = Boolean(columns[i].number);
    if (!order || order.i !== i) order = { i, down };
    else if (order.down === down) order = { i, down: !down };
    else order = null;
    heads.forEach((node, k) => {
      if (order && order.i === k) node.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else node.removeAttribute("aria-sort");
    });
    arrange();
  }

  function arrange() {
    items = given;
    if (order) {
      const value = columns[order.i].sort;
      const sign = order.down ? -1 : 1;
      const none = (v) => v === null || v === undefined || Number.isNaN(v);
      items = [...given].sort((a, b) => {
        const [va, vb] = [value(a), value(b)];
        if (none(va) || none(vb)) return none(va) - none(vb);
        return va < vb ? -sign : va > vb ? sign : 0;
      });
    }
    grid.setAttribute("aria-rowcount", String(items.length + 1));
    body.style.height = `${items.length * rowHeight}px`;
    schedule();
  }

  function rowOf(item, i) {
    const row = el("div", { class: `v-row ${look(item)}${i === chosen ? " chosen" : ""}`, role: "row", "aria-rowindex": String(i + 2), onclick: () => pick(i) },
      columns.map((column) => el("div", { role: "gridcell", class: column.number ? "number" : "" }, column.cell(item))));
    row.style.gridTemplateColumns = tracks;
    row.style.height = `${rowHeight}px`;
    row.style.top = `${i * rowHeight}px`;
    return row;
  }

  function draw() {
    waiting = false;
    const first = Math.max(0, Math.floor(box.scrollTop / rowHeight) - SPARE);
    const last = Math.min(items.length, Math.ceil((box.scrollTop + box.clientHeight) / rowHeight) + SPARE);
    const rows = [];
    for (let i = first; i < last; i++) rows.push(rowOf(items[i], i));
    body.replaceChildren(...rows);
  }

  function schedule() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(draw);
  }

  function pick(i) {
    chosen = i;
    schedule();
    if (onpick && items[i]) onpick(items[i]);
  }

  function move(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (event.target !== box || (!step && event.key !== "Enter")) return;
    event.preventDefault();
    if (!step) return pick(Math.max(0, chosen));
    chosen = Math.max(0, Math.min(items.length - 1, chosen + step));
    const top = chosen * rowHeight;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + 2.5 * rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + 2.5 * rowHeight - box.clientHeight;
    return schedule();
  }

  box.addEventListener("scroll", schedule, { passive: true });
  new ResizeObserver(schedule).observe(box);
  return {
    box,
    set(list) {
      given = list;
      arrange();
    },
  };
}
