// Partial dependence: what the model answers on average when one column is set to each of its values and all else stays.

import { call, get } from "./api.js";
import { el, number, percent, problemBox } from "./dom.js";
import { plot } from "./plot.js";

const ROWS = 60;
const STEPS = 16;
const CATEGORIES = 20;

const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

function at(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

function gridOf(column) {
  if (column.categories) return column.categories.slice(0, CATEGORIES);
  const whole = Number.isInteger(column.min) && Number.isInteger(column.max) && column.max - column.min < STEPS;
  const steps = whole ? column.max - column.min + 1 : STEPS;
  return Array.from({ length: steps }, (_, i) => (steps === 1 ? column.min : column.min + ((column.max - column.min) * i) / (steps - 1)));
}

// Every row with the column at every value: one call.
async function answers(model, rows, column, grid) {
  const asked = grid.flatMap((value) => rows.map((row) => ({ ...row, [column.name]: value })));
  const answer = await call("POST", `/api/v1/models/${encodeURIComponent(`${model.name}@${model.version}`)}/predict`, { rows: asked });
  return grid.map((_, i) => answer.predictions.slice(i * rows.length, (i + 1) * rows.length).filter((one) => !one.error));
}

export function dependenceCard(model, report, schema) {
  const byWeight = new Map((report.importance || []).map((one) => [one.name, one.importance]));
  const able = schema.columns.filter((column) => column.categories?.length > 1 || (column.type === "numeric" && column.min < column.max))
    .sort((a, b) => (byWeight.get(b.name) || 0) - (byWeight.get(a.name) || 0));
  if (!able.length) return null;
  const classes = schema.classes || [];
  const out = el("div", { "aria-live": "polite" });
  const column = el("select", { name: "dependence", onchange: draw }, able.map((one) => el("option", { value: one.name }, one.name)));
  const label = classes.length ? el("select", { name: "dependence-class", onchange: draw }, classes.map((name, i) => el("option", { value: name, selected: i === classes.length - 1 }, name))) : null;
  let rows = null;

  async function sample() {
    const page = await get(`/api/v1/datasets/${encodeURIComponent(report.dataset.id)}/preview?limit=200`);
    const step = Math.max(1, Math.floor(page.rows.length / ROWS));
    const known = new Set(schema.columns.map((one) => one.name));
    return page.rows.filter((_, i) => i % step === 0).slice(0, ROWS).map((cells) =>
      Object.fromEntries(page.columns.map((name, i) => [name, cells[i]]).filter(([name, value]) => known.has(name) && value !== null)));
  }

  async function draw() {
    out.setAttribute("aria-busy", "true");
    try {
      rows ||= await sample();
      const chosen = able.find((one) => one.name === column.value);
      const grid = gridOf(chosen);
      const found = await answers(model, rows, chosen, grid);
      const numbers = found.map((list) => list.map((one) => (label ? one.probabilities?.[label.value] ?? 0 : one.value)));
      const points = grid.map((value, i) => [value, mean(numbers[i])]);
      const y = label ? { label: `probability of ${label.value}`, min: 0 } : { label: report.target };
      const text = ([value, height]) => `${value}: ${label ? percent(height) : number(height)}`;
      const marks = chosen.categories ? [{ kind: "bars", name: "mean answer", points: points.map((point) => [point[0], point[1], text(point)]) }]
        : [{ kind: "band", name: "middle 80 % of rows", points: grid.map((value, i) => [value, at(numbers[i], 0.1), at(numbers[i], 0.9)]) },
          { kind: "line", name: "mean answer", points }];
      out.replaceChildren(plot({ title: `Answers along ${chosen.name}`, heading: "h3", id: "dependence", x: { label: chosen.name, kind: chosen.categories ? "band" : "linear", values: chosen.categories ? grid : undefined }, y, marks,
        note: `${rows.length} rows of the data, each asked with ${chosen.name} at ${grid.length} values; all else as it is. It tells what the model does, not what causes what.` }).box);
    } catch (problem) {
      out.replaceChildren(problem.status === 404 ? el("p", { class: "faint" }, "The data it learned from are gone, so there are no rows to ask about.") : problemBox(problem));
    } finally {
      out.removeAttribute("aria-busy");
    }
  }

  // It costs a thousand answers: drawn when it comes into sight.
  const box = el("section", { class: "card", id: "dependence-card" }, el("div", { class: "head" }, el("h2", {}, "How the answer depends on one column"),
    el("div", { class: "actions" }, el("label", { class: "inline" }, "Column", column), label ? el("label", { class: "inline" }, "Class", label) : null)), out);
  const watch = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    draw();
  });
  watch.observe(box);
  return box;
}
