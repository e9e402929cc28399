// Small helpers to build pages without a framework. Text goes in as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export function show(...nodes) {
  document.getElementById("main").replaceChildren(...nodes);
}

export function state(name) {
  return el("span", { class: `state ${name}` }, name);
}

export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e5 || size < 1e-4 ? value.toExponential(2) : String(Number(value.toPrecision(digits + 1)));
}

export function seconds(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const s = Math.max(0, Math.round(value));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}

const FAULTS_SHOWN = 12;

export function problemBox(problem) {
  const faults = problem.faults || [];
  const more = faults.length - FAULTS_SHOWN;
  return el(
    "div",
    { class: "card problem", role: "alert" },
    el("p", {}, problem.message),
    el("ul", {}, faults.slice(0, FAULTS_SHOWN).map((fault) =>
      el("li", {}, `${fault.pointer || fault.column || ""} ${fault.message || ""}${fault.hint ? `: ${fault.hint}` : ""}`.trim())),
    more > 0 ? el("li", {}, `and ${more} more`) : null),
  );
}
