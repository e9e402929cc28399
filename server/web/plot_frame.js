// The frame around a drawing: heading, note, buttons to save, legend, its numbers as a table.

import { csv, download, el, number } from "./dom.js";
import { savePng, saveSvg } from "./plot_save.js";

const TABLE_ROWS = 200;
const IDLE_MS = 300; // at most so long
const whenIdle = window.requestIdleCallback || requestAnimationFrame;

const fileName = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart";

// A figure with a heading, a sentence, buttons to save, and its data as a table. `draw(width)` gives null or {node, over,
// legend, picture}: the drawing, what lies over it, the legend's entries, and where the node is no SVG what makes one to
// save. `data()` gives {columns, rows}, `describe()` the sentence that stands for the picture; `gone()` is told when the
// figure has left the page. Redraws when its width changes.
export function figure({ heading = "h2", title, note = "", draw, data, describe, empty = "Nothing to show yet.", id, gone = () => {} }) {
  const area = el("div", { class: "plot-area" });
  const words = el("p", { class: "plot-note" });
  const legend = el("div", { class: "plot-legend" });
  const rows = el("div");
  const details = el("details", { class: "plot-data", ontoggle: () => fillTable() }, el("summary", {}, "As a table"), rows);
  let drawn = null;
  let picture = null;
  let width = 0;
  let waiting = false;

  const name = fileName(title);
  const save = el("div", { class: "plot-save" },
    [["PNG", () => withPicture(savePng)], ["SVG", () => withPicture(saveSvg)],
      ["CSV", () => { const { columns, rows: lines } = data(); download(`${name}.csv`, new Blob([csv(columns, lines)], { type: "text/csv" })); }]]
      .map(([kind, act]) => el("button", { type: "button", onclick: act, "aria-label": `Save ${title} as ${kind}` }, kind)));
  const box = el("figure", { class: "plot", id },
    el("div", { class: "plot-head" }, el(heading, {}, title), save), words, area, legend, details);

  // A picture that is made to be saved has its looks from the style sheet only while it is on the page.
  async function withPicture(saveAs) {
    if (!picture) return saveAs(drawn, name);
    const node = picture();
    const aside = el("div", { class: "plot-aside", "aria-hidden": "true" }, node);
    box.append(aside);
    try {
      return await saveAs(node, name);
    } finally {
      aside.remove();
    }
  }

  function fillTable() {
    if (!details.open) return rows.replaceChildren();
    const { columns, rows: lines } = data();
    const text = (cell) => (typeof cell === "number" ? number(cell, 5) : cell === null || cell === undefined ? "–" : typeof cell === "object" ? JSON.stringify(cell) : String(cell));
    return rows.replaceChildren(el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}: data` },
      el("table", {}, el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
        el("tbody", {}, lines.slice(0, TABLE_ROWS).map((line) => el("tr", {}, line.map((cell) => el("td", {}, text(cell)))))))),
    lines.length > TABLE_ROWS ? el("p", { class: "faint" }, `The first ${TABLE_ROWS} of ${lines.length} rows; the CSV has all.`) : "");
  }

  function redraw() {
    waiting = false;
    width = Math.floor(area.clientWidth);
    if (width < 40) return;
    const result = draw(width);
    drawn = result ? result.node : null;
    picture = result?.picture || null;
    if (drawn) {
      drawn.setAttribute("role", "img");
      drawn.setAttribute("aria-label", `${title}. ${describe ? describe() : ""}`);
    }
    const shown = [drawn || el("p", { class: "plot-empty" }, typeof empty === "function" ? empty() : empty), ...(result?.over ? [result.over] : [])];
    if (shown.length !== area.children.length || shown.some((node, i) => node !== area.children[i])) area.replaceChildren(...shown);
    legend.replaceChildren(...(result?.legend || []));
    legend.hidden = legend.children.length === 0;
    const text = typeof note === "function" ? note() : note;
    words.textContent = text;
    words.hidden = !text;
    save.hidden = details.hidden = !drawn;
    if (details.open) fillTable();
  }

  // Many changes in one frame are one drawing; what is below the window waits until there is nothing else to do.
  function update() {
    if (waiting) return;
    waiting = true;
    if (area.isConnected && area.getBoundingClientRect().top > innerHeight) whenIdle(redraw, { timeout: IDLE_MS });
    else requestAnimationFrame(redraw);
  }
  new ResizeObserver(() => {
    if (!area.isConnected) {
      width = 0; // so that it is drawn again where it comes back
      gone();
    } else if (Math.abs(area.clientWidth - width) > 1) update();
  }).observe(area);
  return { box, update };
}
