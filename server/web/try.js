// A form that tries a model: a slider or a list for each column, or an image. Answers come as one moves, with what
// they rest on.

import { call, get, Problem } from "./api.js";
import { el, number, onFirstOpening, problemBox } from "./dom.js";
import { curlOf } from "./snippets.js";
import { answerView } from "./try_answer.js";
import { imageFields } from "./try_image.js";

const COLUMNS_SHOWN = 24;
const CATEGORIES_MOST = 500;
const SETTLE_MS = 200;
const EXPLAINED_COLUMNS = 512;
const FORMULAS = new Set(["linear", "trees"]); // explained with any number of columns
const STEPS = 200;
const SAMPLES = 200;

/* ---- one column ---- */

const nice = (value) => Number(value.toPrecision(4));

function stepOf(column) {
  const whole = Number.isInteger(column.min) && Number.isInteger(column.max) && column.max - column.min <= 10 * STEPS;
  return whole ? 1 : nice((column.max - column.min) / STEPS) || "any";
}

// {box, read(), write(value)}; read gives undefined where nothing is filled in.
function categoryField(column) {
  const select = el("select", { name: `column:${column.name}` }, el("option", { value: "" }, "(missing)"),
    column.categories.map((category, i) => el("option", { value: category, selected: i === 0 }, category)));
  return { box: el("label", {}, column.name, select), read: () => select.value || undefined, write: (value) => { select.value = value ?? ""; } };
}

function sliderField(column) {
  const middle = nice((column.min + column.max) / 2);
  const whole = stepOf(column) === 1;
  const box = el("input", { name: `column:${column.name}`, type: "number", step: "any", value: whole ? Math.round(middle) : middle, placeholder: "(missing)", "aria-label": column.name });
  const slider = el("input", { type: "range", min: column.min, max: column.max, step: stepOf(column), value: middle, tabindex: "-1", "aria-hidden": "true" });
  slider.addEventListener("input", () => { box.value = nice(Number(slider.value)); });
  box.addEventListener("input", () => { if (box.value !== "") slider.value = box.value; });
  return {
    box: el("div", { class: "try-field" }, el("div", { class: "name" }, el("span", {}, column.name), el("span", { class: "faint" }, `${number(column.min)} to ${number(column.max)}`)),
      el("div", { class: "slider" }, slider, box)),
    read: () => (box.value === "" ? undefined : Number(box.value)),
    write: (value) => {
      box.value = value ?? "";
      if (value !== null && value !== undefined) slider.value = value;
    },
  };
}

const named = (column, hint, input) => el("label", { class: "try-field" }, el("span", { class: "name" }, el("span", {}, column.name), el("span", { class: "faint" }, hint)), input);

// Times are UTC, as in the data.
function dateField(column) {
  const day = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 10);
  const input = el("input", { name: `column:${column.name}`, type: "datetime-local", step: 1, value: `${day((column.min + column.max) / 2)}T00:00:00` });
  const text = (value) => (value.length === 16 ? `${value}:00` : value); // whole minutes come without seconds
  return { box: named(column, `${day(column.min)} to ${day(column.max)}, UTC`, input), read: () => (input.value ? text(input.value) : undefined),
    write: (value) => { input.value = typeof value === "string" ? (value.length === 10 ? `${value}T00:00:00` : value.slice(0, 19)) : ""; } };
}

function textField(column) {
  const numeric = column.type === "numeric";
  const more = { name: `column:${column.name}`, placeholder: "(missing)" };
  const input = column.type === "text" ? el("textarea", { ...more, rows: 3 }) : el("input", { ...more, type: numeric ? "number" : "text", step: numeric ? "any" : undefined });
  return { box: named(column, "", input), read: () => (input.value === "" ? undefined : numeric ? Number(input.value) : input.value), write: (value) => { input.value = value ?? ""; } };
}

function fieldOf(column) {
  if (column.categories?.length && column.categories.length <= CATEGORIES_MOST) return categoryField(column);
  if (column.type === "numeric" && column.min < column.max) return sliderField(column);
  if (column.type === "datetime" && Number.isFinite(column.min) && Number.isFinite(column.max)) return dateField(column);
  return textField(column);
}

/* ---- all columns ---- */

// The columns that matter most come first; of very many the rest is folded away and built when it is opened.
function tableFields(schema, report, changed) {
  const weight = new Map((report?.importance || []).map((one) => [one.name, one.importance]));
  const columns = [...(schema.columns || [])];
  if (columns.length > COLUMNS_SHOWN) columns.sort((a, b) => (weight.get(b.name) || 0) - (weight.get(a.name) || 0));
  const fields = new Map();
  const make = (column) => {
    const field = fieldOf(column);
    fields.set(column.name, field);
    return field.box;
  };
  const row = () => {
    const values = [...fields].map(([name, field]) => [name, field.read()]).filter(([, value]) => value !== undefined);
    // Columns that are folded away keep what a row of the data had.
    return { ...kept, ...Object.fromEntries(values) };
  };
  let kept = {};
  const hidden = columns.slice(COLUMNS_SHOWN);
  const summary = el("summary", {}, `${hidden.length} more columns (missing unless filled in)`);
  const rest = hidden.length ? el("details", {}, summary, el("div", { class: "try-fields" })) : null;
  if (rest) onFirstOpening(rest, () => {
    rest.lastChild.append(...hidden.map(make));
    for (const column of hidden) fields.get(column.name).write(kept[column.name]);
    kept = {};
  });
  function fill(values) {
    kept = Object.fromEntries(hidden.filter((column) => !fields.has(column.name) && values[column.name] !== undefined).map((column) => [column.name, values[column.name]]));
    for (const [name, field] of fields) field.write(values[name]);
    summary.textContent = `${hidden.length} more columns (as in this row of the data)`;
    changed();
  }
  return { box: el("div", {}, el("div", { class: "try-fields" }, columns.slice(0, COLUMNS_SHOWN).map(make)), rest), body: () => ({ rows: [row()] }), fill };
}

// A button that fills in a row of the data, with its truth to compare the answer with. Null where there are no data.
function sampleButton(schema, report, fields, tellTruth) {
  if (!report?.dataset?.id) return null;
  let page = null;
  let next = 0;
  const button = el("button", { type: "button", class: "quiet", id: "sample", onclick: async () => {
    try {
      page ||= await get(`/api/v1/datasets/${encodeURIComponent(report.dataset.id)}/preview?limit=${SAMPLES}`);
    } catch {
      button.replaceWith(el("span", { class: "faint" }, "The data it learned from are gone."));
      return;
    }
    // Steps that share no factor with the number of rows come by all of them.
    next = (next + 83) % page.rows.length;
    const cells = page.rows[next];
    const known = new Set(schema.columns.map((column) => column.name));
    const values = Object.create(null); // a column may be named __proto__
    page.columns.forEach((name, i) => { if (known.has(name) && cells[i] !== null) values[name] = cells[i]; });
    tellTruth(cells[page.columns.indexOf(schema.target)]);
    fields.fill(values);
  } }, "A row from the data");
  return button;
}

/* ---- the form ---- */

// Asked for only where the model can give it.
function extras(schema, report) {
  if (schema.kind === "images") return { explain: true, unusual: true };
  const more = { unusual: true };
  if (schema.columns.length <= EXPLAINED_COLUMNS) more.explain = { top: 10 };
  else if (FORMULAS.has(report?.family)) more.explain = { top: 10, of: schema.classes ? "log_odds" : "value" };
  if (report?.prediction_intervals?.levels?.some((row) => row.level === 0.9)) more.interval = 0.9;
  return more;
}

// The form for one model, `name` or `name@alias`. Options: schema and report where they are at hand already;
// onRequest(body) is told what would be sent whenever it changes.
export async function tryForm(model, options = {}) {
  const at = model.lastIndexOf("@");
  const path = `/api/v1/models/${encodeURIComponent(model)}`;
  const plain = at < 0 ? path : `/api/v1/models/${encodeURIComponent(model.slice(0, at))}/versions/${encodeURIComponent(model.slice(at + 1))}`;
  const schema = options.schema || await get(`${plain}/schema`);
  const report = options.report === undefined ? await get(`${plain}/report`).catch(() => null) : options.report;
  const images = schema.kind === "images";
  const out = el("div", { id: "prediction", "aria-live": "polite" });
  const truth = el("p", { class: "faint" });
  const button = el("button", { type: "submit" }, "Predict");
  const fields = images ? imageFields(schema, report, ask) : tableFields(schema, report, changed);
  const sample = images ? null : sampleButton(schema, report, fields, (value) => {
    truth.textContent = value === undefined || value === null ? "" : `In the data ${schema.target} is ${typeof value === "number" ? number(value) : value} here; the model has learned from this row.`;
  });
  const form = el("form", { id: "try", onsubmit: (event) => { event.preventDefault(); ask(); }, oninput: () => { truth.textContent = ""; changed(); } },
    fields.box, el("div", { class: "actions" }, button, sample), truth, out);
  const more = extras(schema, report);
  let timer = 0;
  let turn = 0;

  function changed() {
    options.onRequest?.(fields.body());
    if (images) return;
    clearTimeout(timer);
    timer = setTimeout(ask, SETTLE_MS);
  }

  // An image goes as it is, with what else is wanted in the address.
  function send(body) {
    if (!(body instanceof Blob)) return call("POST", `${path}/predict`, { ...body, ...more });
    const wanted = Object.keys(more).map((name) => `${name}=1`).join("&");
    return call("POST", `${path}/predict${wanted ? `?${wanted}` : ""}`, body);
  }

  async function predict(body) {
    try {
      return await send(body);
    } catch (problem) {
      // Reasons can cost more than the server allows, or not be had of an old version; the answer is still worth having.
      const refused = Object.keys(more).filter((name) => problem.status === 422 && problem.faults.some((fault) => (fault.pointer || "").includes(name)));
      if (!refused.length) throw problem;
      for (const name of refused) delete more[name];
      return predict(body);
    }
  }

  async function ask() {
    clearTimeout(timer);
    const body = fields.body();
    if (!body) {
      out.replaceChildren(el("p", { class: "faint" }, "Choose, drop, paste or draw an image first."));
      return;
    }
    options.onRequest?.(body);
    const mine = ++turn;
    out.setAttribute("aria-busy", "true");
    const started = performance.now();
    try {
      const result = await predict(body);
      if (mine === turn) out.replaceChildren(answerView(result, schema, performance.now() - started));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (mine === turn) out.replaceChildren(problemBox(problem));
    } finally {
      if (mine === turn) out.removeAttribute("aria-busy");
    }
  }

  options.onRequest?.(fields.body());
  return form;
}

// One line for a terminal, with values in the middle of what the model knows.
export function curlLines(model, schema) {
  const row = Object.fromEntries((schema.columns || []).map((column) => [column.name,
    column.categories?.length ? column.categories[0] : Number.isFinite(column.min) && column.type === "numeric" ? nice((column.min + column.max) / 2) : ""]).filter(([, value]) => value !== ""));
  return curlOf(model, schema.kind === "images" ? null : { rows: [row] }, "$KEY");
}
