// What is taken for what: the confusion matrix, of many classes a picture of it and a part at a time, with the rows
// behind every cell.

import { get } from "./api.js";
import { rowsTable } from "./dataset_columns.js";
import { thumb } from "./dataset_images.js";
import { card, count, el, percent, problemBox, table } from "./dom.js";

const MATRIX_MOST = 30; // classes of which the whole matrix is shown
const PART_MOST = 12; // classes of a part of it
const PAIRS_SHOWN = 20;
const STRONGEST = 45; // percent of colour in a cell, so that ink stays readable on it

const sum = (row) => row.reduce((total, one) => total + one, 0);

/* ---- the rows of one cell ---- */

function rowsNode(found, named) {
  const words = found.rows.map((one) => `row ${one.row} (${percent(one.probability, 0)} sure)`);
  if (!found.dataset) return [el("p", { class: "faint" }, "The data are gone, so there are only the numbers of the rows."), el("p", {}, words.join(", "))];
  if (found.rows[0].png_base64) return [el("div", { class: "thumbs" }, found.rows.map((one, i) => thumb(one, words[i])))];
  return [rowsTable(found.columns, found.rows.map((one) => one.values), { "aria-label": `rows: ${named}` }, { head: "Row", cells: words })];
}

// {box, show(truth, predicted)}: where the rows of a cell are shown, one cell after the other.
function cellBox(model) {
  const box = el("div", { "aria-live": "polite", id: "cell-rows" });
  const path = `/api/v1/models/${encodeURIComponent(model.name)}/versions/${model.version}/confusions`;
  let turn = 0;
  async function show(truth, predicted) {
    const mine = ++turn;
    const named = truth === predicted ? `${truth}, taken for what it is` : `${truth} taken for ${predicted}`;
    const head = el("h3", { class: "apart" }, named);
    box.replaceChildren(head, el("p", { class: "faint" }, "Fetching its rows …"));
    try {
      const found = await get(`${path}?${new URLSearchParams({ true: truth, predicted })}`);
      if (mine !== turn) return;
      const some = found.count > found.rows.length ? `The ${found.rows.length} of ${count(found.count, "row")} of which it was surest` : count(found.rows.length, "row");
      box.replaceChildren(head, el("p", { class: "faint" }, `${some}, by models that had not seen them.${truth === predicted ? "" : " The label may be wrong, or the model."}`),
        ...(found.rows.length ? rowsNode(found, named) : []));
    } catch (problem) {
      if (mine === turn) box.replaceChildren(head, problemBox(problem));
    }
  }
  return { box, show };
}

/* ---- the matrix ---- */

function cell(labels, matrix, i, j, show) {
  const rows = matrix[i][j];
  const total = sum(matrix[i]) || 1;
  const words = `${rows} of ${total} rows of ${labels[i]} were taken for ${labels[j]}`;
  const td = el("td", { class: rows ? (i === j ? "right" : "wrong") : "" }, rows
    ? el("button", { type: "button", title: `${words}: show rows`, "aria-label": `${words}: show rows`, onclick: () => show(labels[i], labels[j]) }, String(rows))
    : el("span", { title: words }, "0"));
  td.style.setProperty("--share", `${Math.round((STRONGEST * rows) / total)}%`);
  return td;
}

// The classes with these numbers against each other; what the rest was taken for stands in a last column.
function matrixTable(labels, matrix, chosen, show) {
  const part = chosen.length < labels.length;
  const left = (i) => sum(matrix[i]) - chosen.reduce((total, j) => total + matrix[i][j], 0);
  return el("div", { class: "matrix", role: "region", tabindex: "0", "aria-label": "confusion matrix" }, el("table", { id: "confusion" },
    el("thead", {}, el("tr", {}, el("td"), chosen.map((j) => el("th", { scope: "col", title: labels[j] }, labels[j])), part ? el("th", { scope: "col" }, "all others") : null)),
    el("tbody", {}, chosen.map((i) => el("tr", {}, el("th", { scope: "row", title: labels[i] }, labels[i]), chosen.map((j) => cell(labels, matrix, i, j, show)),
      part ? el("td", {}, el("span", {}, String(left(i)))) : null)))));
}

/* ---- many classes ---- */

// Pairs of another class, the most frequent first: [true, predicted, rows, share of the class].
function pairsOf(matrix) {
  const pairs = matrix.flatMap((row, i) => {
    const total = sum(row);
    return row.map((rows, j) => [i, j, rows, rows / total]).filter(([, j, rows]) => j !== i && rows);
  });
  return pairs.sort((a, b) => b[2] - a[2] || b[3] - a[3]);
}

// A class with those that it is confused with most, whichever way round.
function around(matrix, at) {
  const near = matrix.map((row, j) => [j, j === at ? Infinity : row[at] + matrix[at][j]]).filter(([, rows]) => rows).sort((a, b) => b[1] - a[1]);
  return near.slice(0, PART_MOST).map(([j]) => j).sort((a, b) => a - b);
}

// Every cell a pixel, so that blocks and stripes show; a press goes to the class under it.
function picture(labels, matrix, go) {
  const n = labels.length;
  const canvas = el("canvas", { width: n, height: n, class: "matrix-picture", id: "matrix-picture", role: "img", "aria-label": `confusions of ${n} classes as a picture: rows are true classes, columns predicted ones`,
    onclick: (event) => go(Math.min(n - 1, Math.floor((n * event.offsetY) / canvas.clientHeight))) });
  const style = getComputedStyle(document.documentElement);
  const [right, wrong] = ["--accent", "--bad"].map((name) => style.getPropertyValue(name).trim());
  const context = canvas.getContext("2d");
  matrix.forEach((row, i) => {
    const total = sum(row);
    row.forEach((rows, j) => {
      if (!rows) return;
      context.fillStyle = i === j ? right : wrong;
      context.globalAlpha = 0.25 + (0.75 * rows) / total;
      context.fillRect(j, i, 1, 1);
    });
  });
  return canvas;
}

function manyClasses(labels, matrix, show) {
  const pairs = pairsOf(matrix);
  const part = el("div");
  const select = el("select", { name: "matrix-class", onchange: () => look(Number(select.value)) }, labels.map((name, i) => el("option", { value: i }, name)));
  function look(at) {
    select.value = String(at);
    part.replaceChildren(matrixTable(labels, matrix, around(matrix, at), show));
  }
  const button = ([i, j, rows]) => el("button", { type: "button", class: "link", "aria-label": `${rows} rows of ${labels[i]} taken for ${labels[j]}: show rows`, onclick: () => { look(i); show(labels[i], labels[j]); } }, String(rows));
  look(pairs.length ? pairs[0][0] : 0);
  return [el("p", { class: "faint" }, `${labels.length} classes: a pixel for each cell, the true class from top to bottom. Press on a row, or choose a class, to see it with those it is confused with.`),
    el("div", { class: "many" }, picture(labels, matrix, look), el("div", {}, el("h3", {}, "Taken for another most often"), pairs.length
      ? el("div", { class: "scroll" }, table(["True class", "Taken for", { text: "Rows", number: true }, { text: "Share of the class", number: true }],
        pairs.slice(0, PAIRS_SHOWN).map((pair) => [labels[pair[0]], labels[pair[1]], button(pair), percent(pair[3])]), { id: "pairs", "aria-label": "most frequent confusions" }))
      : el("p", {}, "None: every row was taken for what it is."))),
    el("div", { class: "toolbar" }, el("label", { class: "inline" }, "Class", select)), part];
}

// The card; null where there are no classes.
export function confusionsCard(model, report) {
  const { labels, matrix } = report.metrics?.confusion || {};
  if (!labels) return report.metrics?.classes ? card("Confusions", el("p", { class: "faint" }, `With ${report.metrics.classes.length} classes there is no matrix; how well each is found stands below.`)) : null;
  const { box, show } = cellBox(model);
  if (labels.length > MATRIX_MOST) return card("Confusions", manyClasses(labels, matrix, show), box);
  return card("Confusions", el("p", { class: "faint" }, "Rows are the true classes, columns what was predicted; colour is the share of the row. A number shows the rows behind it."),
    matrixTable(labels, matrix, labels.map((_, i) => i), show), box);
}
