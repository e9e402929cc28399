// Small helpers to build pages without a framework. Text goes in as text, never as markup.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function show(...nodes) {
  swap(document.getElementById("main"), ...nodes);
}

const sign = (node) => [node.tagName, node.id, node.getAttribute("aria-label"), node.getAttribute("name"), node.getAttribute("href"), node.textContent.slice(0, 200)].join("\n");

// Puts other nodes into a box. A focus that was inside goes on to the same control of the new ones, or where that is gone
// to the first thing that takes it, so that a keyboard does not start over at the top of the page.
export function swap(box, ...nodes) {
  const held = document.activeElement;
  const wanted = held && held !== box && box.contains(held) ? sign(held) : "";
  box.replaceChildren(...nodes);
  if (!wanted) return;
  const able = [...box.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((node) => !node.disabled && node.checkVisibility());
  const like = able.find((node) => sign(node) === wanted) || able.find((node) => held.id && node.id === held.id) || able[0] || box;
  if (like === box && box.tabIndex < 0) box.tabIndex = -1;
  like.focus({ preventScroll: true });
}

// A button that was disabled while it worked gets the focus back, unless that has gone elsewhere.
export function back(button) {
  if (document.activeElement === document.body) button.focus({ preventScroll: true });
}

// Hides some of a row of buttons and shows the rest; the focus of one that goes moves to the next that stays.
export function hideSome(row, gone) {
  const held = row.includes(document.activeElement) && gone.includes(document.activeElement);
  for (const button of row) button.hidden = gone.includes(button);
  if (held) row.find((button) => !button.hidden && !button.disabled)?.focus({ preventScroll: true });
}

// Calls `fill` once, before a fold first opens: with the press, so that the next Tab leads into what it holds, and where
// a script or a search in the page opens it, right after.
export function onFirstOpening(fold, fill) {
  let filled = false;
  const once = () => {
    if (filled) return;
    filled = true;
    fill();
  };
  fold.querySelector("summary").addEventListener("click", once);
  fold.addEventListener("toggle", () => { if (fold.open) once(); });
}

// What the tab and the history call the page.
export function title(text) {
  document.title = text ? `${text} · Attune` : "Attune";
}

export function state(name) {
  return el("span", { class: `state ${name}` }, name.replaceAll("_", " "));
}

/* ---- numbers and times as text ---- */

export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
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

export function percent(share, digits = 1) {
  return Number.isFinite(share) ? `${(100 * share).toFixed(digits)} %` : "–";
}

export function count(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

// A time of the API (UTC) in the reader's own, "2026-03-04 05:06"; the exact one as its title.
export function when(text) {
  if (!text) return el("span", { class: "faint" }, "–");
  const at = new Date(text);
  const two = (n) => String(n).padStart(2, "0");
  return el("time", { datetime: text, title: text },
    `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`);
}

// "3 min ago"
export function ago(text) {
  if (!text) return "–";
  const s = Math.max(0, (Date.now() - new Date(text).getTime()) / 1000);
  if (s < 60) return "just now";
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return count(Math.floor(s / 86400), "day") + " ago";
}

/* ---- pieces that pages share ---- */

export function card(heading, ...children) {
  return el("section", { class: "card" }, heading ? el("h2", {}, heading) : null, ...children);
}

// heads: text, or {text, number: true}. rows: arrays of text or nodes. Wide tables scroll in their own box.
export function table(heads, rows, attributes = {}) {
  const kinds = heads.map((head) => (typeof head === "object" && head.number ? "number" : ""));
  const text = (head) => (typeof head === "object" ? head.text : head);
  return el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": attributes["aria-label"] || "table" },
    el("table", attributes,
      el("thead", {}, el("tr", {}, heads.map((head, i) => (text(head) ? el("th", { scope: "col", class: kinds[i] }, text(head)) : el("td", {}))))),
      el("tbody", {}, rows.map((row) => (row instanceof Node ? row : el("tr", {}, row.map((cell, i) => el("td", { class: kinds[i] }, cell))))))));
}

// A bar of a share, with its label and what it stands for.
export function shareBar(label, share, text) {
  const fill = el("div");
  fill.style.width = `${Math.max(0, Math.min(100, 100 * share)).toFixed(1)}%`;
  return el("div", { class: "share" }, el("span", {}, label), el("div", { class: "bar" }, fill), el("span", { class: "number" }, text));
}

export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "quiet small", onclick: async () => {
    const value = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select it and copy by hand";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  } }, label);
  return button;
}

export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

export function csv(columns, rows) {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    // A spreadsheet must not take text for a formula.
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

// What was dropped: its files, or the problem that a folder is.
export function dropped(event) {
  const folder = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).find((entry) => entry?.isDirectory);
  return { files: [...event.dataTransfer.files], problem: folder ? { message: `${folder.name} is a folder. Nothing was sent.`, hint: "Pack it as zip or tar and drop that: its folders become the classes." } : null };
}

// A question with a choice, as a dialog; true when it was agreed to.
export function agree(question, yes, more = "") {
  return new Promise((resolve) => {
    const box = el("dialog", { "aria-label": question },
      el("form", { method: "dialog" }, el("h2", {}, question), more ? el("p", {}, more) : null,
        el("p", { class: "actions" }, el("button", { value: "yes" }, yes), el("button", { value: "no", class: "quiet" }, "Cancel"))));
    box.addEventListener("close", () => {
      box.remove();
      resolve(box.returnValue === "yes");
    });
    document.body.append(box);
    box.showModal();
  });
}

// Tabs whose choice is in the address (?name=…). views: [[key, label, () => node or promise of one]].
export function tabs(name, views) {
  const panel = el("div", { role: "tabpanel", tabindex: "0", id: `${name}-panel` });
  const buttons = views.map(([key, label]) => el("button", {
    role: "tab", id: `${name}-${key}`, "aria-controls": `${name}-panel`, class: "tab", onclick: () => choose(key, true),
  }, label));
  const bar = el("div", { role: "tablist", class: "tabs", onkeydown: (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = buttons.indexOf(document.activeElement);
    const next = buttons[(at + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  } }, buttons);
  let turn = 0;
  async function choose(key, byHand) {
    const mine = ++turn;
    views.forEach(([other], i) => {
      buttons[i].setAttribute("aria-selected", String(other === key));
      buttons[i].tabIndex = other === key ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `${name}-${key}`);
    if (byHand) setQuery(name, key);
    try {
      const node = await views.find(([other]) => other === key)[2]();
      if (mine === turn) panel.replaceChildren(node);
    } catch (problem) {
      if (mine === turn) panel.replaceChildren(problemBox(problem));
    }
  }
  const asked = query(name);
  choose(views.some(([key]) => key === asked) ? asked : views[0][0], false);
  return el("div", {}, bar, panel);
}

export function query(name) {
  return new URLSearchParams(location.search).get(name) || "";
}

// Keeps a choice in the address, so that it can be shared; "" takes it out.
export function setQuery(name, value) {
  const all = new URLSearchParams(location.search);
  if (value) all.set(name, value);
  else all.delete(name);
  const text = all.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : "") + location.hash);
}

const FAULTS_SHOWN = 12;

export function problemBox(problem) {
  const faults = problem.faults || [];
  const more = faults.length - FAULTS_SHOWN;
  return el(
    "div",
    { class: "card problem", role: "alert" },
    el("p", {}, problem.message),
    problem.hint && !faults.length ? el("p", {}, problem.hint) : null,
    el("ul", {}, faults.slice(0, FAULTS_SHOWN).map((fault) =>
      el("li", {}, `${fault.pointer || fault.column || ""} ${fault.message || ""}${fault.hint ? `: ${fault.hint}` : ""}`.trim())),
    more > 0 ? el("li", {}, `and ${more} more`) : null),
  );
}

// What a page shows when the thing it is about is not there (any more).
export function goneBox(what, listHref, listName) {
  return el("div", { class: "card narrow", id: "gone" }, el("h1", {}, `This ${what} is not here`),
    el("p", {}, `It may have been deleted meanwhile, or the address has a slip. What there is stands in the list.`),
    el("p", {}, el("a", { class: "button", href: listHref }, listName)));
}
