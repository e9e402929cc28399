// Sending files: chosen, dropped on the form or anywhere on the page; with a bar, and what to do when it breaks off.

import { Problem, upload } from "./api.js";
import { bytes, el, problemBox, seconds } from "./dom.js";

const KINDS = "A table (CSV, TSV), a zip or tar with one folder of images per class, or two IDX files (images and labels).";
const RETRY_MS = 1500;
const LARGE = 1e8;

// The form's parts for some files: two that are named like MNIST's become images and labels.
export function partsOf(files) {
  const role = (file) => (/labels/i.test(file.name) ? "labels" : /images/i.test(file.name) ? "images" : "file");
  const roles = files.map(role);
  const pair = files.length === 2 && roles.includes("labels") && roles.includes("images");
  return files.map((file, i) => [pair ? roles[i] : "file", file]);
}

// Resolves once the server answers again.
async function serverBack(signal) {
  while (!signal.aborted) {
    try {
      if ((await fetch("/readyz", { cache: "no-store", signal })).ok) return true;
    } catch {
      // Still away.
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return false;
}

function speed(sent, total, started) {
  const passed = (performance.now() - started) / 1000;
  const rate = sent / Math.max(passed, 0.001);
  const left = passed > 1 && sent < total ? `, ${seconds((total - sent) / rate)} left` : "";
  return `${bytes(sent)} of ${bytes(total)}, ${bytes(rate)}/s${left}`;
}

// A form that uploads one dataset and hands what the server made of it to onDone. Returns {form, take}; take(files)
// starts with files that came another way.
export function uploadForm(onDone) {
  const out = el("div", { "aria-live": "polite" });
  const told = el("p", { class: "faint small", "aria-live": "off" });
  const fill = el("div");
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "upload", hidden: true }, fill);
  const file = el("input", { type: "file", name: "file", required: true, multiple: true, onchange: () => tellChosen([...file.files]) });
  const name = el("input", { name: "name", placeholder: "from the file", maxlength: 200 });
  const button = el("button", { type: "submit" }, "Upload");
  const stop = el("button", { type: "button", class: "quiet", hidden: true }, "Stop");
  const chosen = el("p", { class: "small", "aria-live": "polite" });
  let files = [];
  const form = el("form", { id: "upload", class: "drop", onsubmit: (event) => { event.preventDefault(); send(); } },
    el("div", { class: "upload-line" }, el("label", {}, "Drop a file anywhere on this page, or choose one", file), el("label", {}, "Name", name), el("div", { class: "actions" }, button, stop)),
    el("p", { class: "small faint" }, KINDS), chosen, bar, told, out);

  function tellChosen(list) {
    files = list;
    chosen.textContent = list.length ? list.map((one) => `${one.name} (${bytes(one.size)})`).join(", ") : "";
  }

  function busy(is) {
    button.disabled = file.disabled = is;
    bar.hidden = stop.hidden = !is;
    if (!is) told.textContent = "";
  }

  // The file stays chosen: once the server answers, one press sends it again.
  async function offerAgain(problem) {
    out.replaceChildren(problemBox(problem));
    if (problem.status !== 0 || problem.code === "stopped") return;
    const waiting = el("p", { class: "faint" }, "Waiting for the server to answer again …");
    out.append(waiting);
    const end = new AbortController();
    form.addEventListener("submit", () => end.abort(), { once: true });
    if (await serverBack(end.signal)) {
      const large = files.reduce((sum, one) => sum + one.size, 0) > LARGE ? " If it breaks off again, the file may be larger than this server takes (attuned --max-upload)." : "";
      waiting.textContent = `The server answers again. Nothing of the broken upload was kept.${large}`;
      out.append(el("p", {}, el("button", { type: "button", id: "again", onclick: send }, "Send it again")));
    }
  }

  async function send() {
    if (!files.length) files = [...file.files];
    if (!files.length) return;
    const body = new FormData();
    for (const [part, one] of partsOf(files)) body.append(part, one, one.name);
    if (name.value.trim()) body.append("name", name.value.trim());
    const total = files.reduce((sum, one) => sum + one.size, 0);
    const end = new AbortController();
    const started = performance.now();
    stop.onclick = () => end.abort();
    out.replaceChildren();
    busy(true);
    try {
      onDone(await upload("/api/v1/datasets", body, (share) => {
        fill.style.width = `${(100 * share).toFixed(1)}%`;
        bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
        told.textContent = share < 1 ? speed(share * total, total, started) : "Sent. The server is reading it …";
      }, end.signal));
    } catch (problem) {
      busy(false);
      if (!(problem instanceof Problem)) throw problem;
      await offerAgain(problem);
    }
  }

  function take(list) {
    if (!list.length || button.disabled) return;
    tellChosen(list);
    file.required = false;
    form.scrollIntoView({ block: "nearest" });
    send();
  }
  acceptDrops(take);
  return { form, take };
}

// Files that are dropped anywhere on the page go to `take`; a veil says so while they hover.
export function acceptDrops(take, words = "Drop the file to upload it") {
  const veil = el("div", { class: "veil", hidden: true, "aria-hidden": "true" }, words);
  const has = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  document.body.append(veil);
  document.addEventListener("dragover", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    veil.hidden = true;
    if (!has(event)) return;
    event.preventDefault();
    take([...event.dataTransfer.files]);
  });
}
