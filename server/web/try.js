// A form that tries a model: one field per input column, or an image file.

import { call, Problem } from "./api.js";
import { el, number, problemBox } from "./dom.js";

function field(column) {
  const name = `column:${column.name}`;
  if (column.categories && column.categories.length <= 200) {
    return el("label", {}, column.name, el("select", { name },
      el("option", { value: "" }, "(missing)"),
      column.categories.map((category, i) => el("option", { value: category, selected: i === 0 }, category))));
  }
  const kind = column.type === "numeric" ? "number" : "text";
  const middle = Number.isFinite(column.median) ? column.median
    : Number.isFinite(column.min) && Number.isFinite(column.max) ? Number(((column.min + column.max) / 2).toPrecision(4)) : "";
  const example = column.examples && column.examples.length ? column.examples[0] : "";
  return el("label", {}, column.name,
    el("input", { name, type: kind, step: "any", value: kind === "number" ? middle : example, placeholder: "(missing)" }));
}

function answer(prediction) {
  if (prediction.error) return el("p", { class: "problem" }, prediction.error.message || prediction.error.detail || String(prediction.error));
  if (prediction.value !== undefined) return el("p", { class: "answer" }, number(prediction.value));
  const shares = Object.entries(prediction.probabilities || {}).sort((a, b) => b[1] - a[1]).slice(0, 10);
  return el("div", {},
    el("p", { class: "answer" }, String(prediction.label)),
    shares.map(([label, share]) => {
      const fill = el("div");
      fill.style.width = `${(100 * share).toFixed(1)}%`;
      return el("div", { class: "share" }, label, el("div", { class: "bar" }, fill), `${(100 * share).toFixed(1)} %`);
    }));
}

function warnings(prediction) {
  return (prediction.warnings || []).map((warning) =>
    el("p", { class: "warning" }, typeof warning === "string" ? warning : `${warning.column || ""} ${warning.message || ""}`.trim()));
}

// The form for one model; `version` may be undefined for the best.
export async function tryForm(model) {
  const path = `/api/v1/models/${encodeURIComponent(model)}`;
  const schema = await call("GET", `${path}/schema`);
  const columns = schema.columns || [];
  const out = el("div", { id: "prediction", "aria-live": "polite" });
  const button = el("button", { type: "submit" }, "Predict");
  const images = schema.input === "images" || schema.kind === "images";
  const fields = images
    ? el("label", {}, `Image (${schema.width} × ${schema.height}, others are resized)`, el("input", { type: "file", name: "image", accept: "image/png,image/jpeg", required: true }))
    : el("div", { class: "fields" }, columns.map(field));
  const form = el("form", { id: "try", onsubmit: submit }, fields, button, out);

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    const started = performance.now();
    try {
      const result = await call("POST", `${path}/predict`, body());
      const took = performance.now() - started;
      const prediction = result.predictions[0];
      out.replaceChildren(answer(prediction), ...warnings(prediction),
        el("p", { class: "faint" }, `${result.model}, version ${result.version}, in ${took.toFixed(1)} ms`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      out.replaceChildren(problemBox(problem));
    } finally {
      button.disabled = false;
    }
  }

  function body() {
    if (images) return form.elements.image.files[0];
    const row = {};
    for (const column of columns) {
      const value = form.elements[`column:${column.name}`].value;
      if (value === "") continue;
      row[column.name] = column.type === "numeric" ? Number(value) : value;
    }
    return { rows: [row] };
  }
  return form;
}

export function curlLines(model, schema) {
  const url = location.origin;
  const columns = schema.columns || [];
  const row = {};
  for (const column of columns) row[column.name] = column.categories ? column.categories[0] : column.type === "numeric" ? (column.median ?? column.min ?? 0) : "…";
  const data = columns.length ? `-d '${JSON.stringify({ rows: [row] }).replaceAll("'", "'\\''")}'` : "-H 'Content-Type: image/png' --data-binary @image.png";
  return `curl -H "Authorization: Bearer $KEY" ${data} \\\n  ${url}/api/v1/models/${model}/predict`;
}
