// The search space as a table that can be edited: each hyperparameter with its sentence, its range or its one value.

import { el, number, onFirstOpening } from "./dom.js";

const SCALES = ["linear", "log", "logit"];

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// Numbers as they are typed again: all digits that tell them apart.
const typed = (value) => (typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value ?? ""));

const searched = (spec) => typeof spec === "object" && spec !== null && spec.type !== "fixed";
const listed = (spec) => spec.choices || spec.values;

/* ---- one hyperparameter ---- */

// What is there to begin with: a range or a list that is searched, or the one value.
function startOf(parameter, spec) {
  const value = spec === undefined ? parameter.default : searched(spec) ? spec.default ?? parameter.default : spec?.type === "fixed" ? spec.value : spec;
  if (searched(spec)) return { search: true, spec, value };
  const list = parameter.choices?.length > 0;
  const range = list ? { type: parameter.type, [parameter.type === "ordinal" ? "values" : "choices"]: parameter.choices }
    : { type: parameter.type, low: parameter.low, high: parameter.high };
  return { search: false, spec: range, value };
}

function field(label, value, changed, more = {}) {
  return el("input", { "aria-label": label, value: typed(value), oninput: changed, ...more });
}

function valueOf(parameter, text) {
  const numeric = parameter.type === "float" || parameter.type === "int";
  return numeric || (text !== "" && Number.isFinite(Number(text)) && typeof parameter.default === "number") ? Number(text) : text;
}

// A row of the table. `take(spec or undefined)` gets what the job should ask for, undefined when it is the default.
function parameterRow(family, parameter, spec, take) {
  const start = startOf(parameter, spec);
  const name = `${family} ${parameter.name}`;
  const how = el("select", { "aria-label": `${name}: search or fix`, onchange: () => { draw(); tell(); } },
    el("option", { value: "search", selected: start.search }, "search"), el("option", { value: "fix", selected: !start.search }, "fix at"));
  const cell = el("td", { class: "editable" });
  const inputs = {};

  function rangeFields() {
    const limits = { type: "number", step: "any", min: typed(parameter.low), max: typed(parameter.high), title: `from ${number(parameter.low)} to ${number(parameter.high)}` };
    inputs.low = field(`${name}: from`, start.spec.low, tell, limits);
    inputs.high = field(`${name}: to`, start.spec.high, tell, limits);
    inputs.scale = el("select", { "aria-label": `${name}: scale`, onchange: tell }, SCALES.filter((scale) => scale !== "logit" || parameter.type === "float").map((scale) =>
      el("option", { value: scale, selected: scale === (start.spec.scale || "linear") }, scale)));
    return el("div", { class: "range-fields" }, inputs.low, el("span", { class: "faint" }, "to"), inputs.high, inputs.scale);
  }

  function listFields() {
    const chosen = new Set(listed(start.spec).map(String));
    const options = [...new Set([...(parameter.choices || []), ...listed(start.spec)].map(String))];
    inputs.boxes = options.map((option) => el("input", { type: "checkbox", value: option, checked: chosen.has(option), onchange: tell }));
    return el("div", { class: "choices" }, inputs.boxes.map((box) => el("label", { class: "check" }, box, box.value)));
  }

  function fixedField() {
    if (parameter.choices?.length) {
      inputs.value = el("select", { "aria-label": `${name}: value`, onchange: tell }, parameter.choices.map((choice) => el("option", { value: choice, selected: String(choice) === String(start.value) }, String(choice))));
    } else inputs.value = field(`${name}: value`, start.value, tell, { type: "number", step: "any", min: typed(parameter.low), max: typed(parameter.high) });
    return inputs.value;
  }

  function draw() {
    for (const key of Object.keys(inputs)) delete inputs[key];
    cell.replaceChildren(how.value === "fix" ? fixedField() : listed(start.spec) ? listFields() : rangeFields());
  }

  function now() {
    if (inputs.value) return valueOf(parameter, inputs.value.value);
    if (inputs.boxes) {
      const key = start.spec.choices ? "choices" : "values";
      const list = listed(start.spec).map(String);
      const kept = inputs.boxes.filter((box) => box.checked).map((box) => (list.includes(box.value) ? listed(start.spec)[list.indexOf(box.value)] : valueOf(parameter, box.value)));
      if (kept.length === 1) return kept[0];
      return { type: start.spec.type, [key]: kept, ...(start.spec.when ? { when: start.spec.when } : {}) };
    }
    const scale = inputs.scale.value;
    return { type: parameter.type, low: Number(inputs.low.value), high: Number(inputs.high.value), ...(scale === "linear" ? {} : { scale }), ...(start.spec.when ? { when: start.spec.when } : {}) };
  }

  let first = null;
  function tell() {
    const value = now();
    const odd = typeof value === "object" && value !== null && ((value.low !== undefined && !(value.low < value.high)) || (listed(value) && !listed(value).length));
    cell.classList.toggle("fault", Boolean(odd));
    take(first !== null && same(value, first) ? undefined : value);
  }

  draw();
  first = now();
  return el("tr", {}, el("th", { scope: "row" }, el("code", {}, parameter.name), el("div", { class: "sentence" }, parameter.help)), el("td", { class: "editable" }, how), cell);
}

/* ---- the table of a family ---- */

// `changed` holds {family: {parameter: spec}} and is kept up to date; `tell` is called after each change.
export function spaceTables(families, changed, tell) {
  return families.filter((family) => family.fits !== false).map((family) => {
    const body = el("tbody");
    const fold = el("details", { class: "space" }, el("summary", {}, `Search space of ${family.name}`),
      el("p", { class: "faint small" }, "A range is searched; a fixed value is used in every trial. Left alone, all of it is chosen for the data at hand."),
      el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": `search space of ${family.name}` },
        el("table", { id: `space-${family.name}` }, el("thead", {}, el("tr", {}, ["Hyperparameter", "", "Values"].map((head) => (head ? el("th", { scope: "col" }, head) : el("td"))))), body)));
    // Built when it is opened: a network has some thirty.
    onFirstOpening(fold, () => {
      body.append(...(family.hyperparameters || []).map((parameter) => parameterRow(family.name, parameter, family.space?.[parameter.name], (spec) => {
        const mine = (changed[family.name] ||= {});
        if (spec === undefined) delete mine[parameter.name];
        else mine[parameter.name] = spec;
        if (!Object.keys(mine).length) delete changed[family.name];
        tell();
      })));
    });
    return fold;
  });
}
