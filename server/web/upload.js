// Sending files: chosen, dropped on the form or anywhere on the page; with a bar, and what to do when it breaks off.

import { Problem, upload } from "./api.js";
import { bytes, dropped, el, problemBox, seconds } from "./dom.js";

const KINDS = "A table (CSV, TSV), a zip or tar with one folder of images per class, or two IDX files (images and labels).";
const RETRY_MS = 1500;
const LARGE = 1e8;
const AWAY = new Set([0, 502, 503, 504]); // nothing was stored; 0: the connection broke

const IMAGES = [/\.(jpe?g|png|gif|webp|bmp|tiff?|heic|svg)$/i, "one image, not a dataset", "Put the images into one folder for each class and zip those."];

// Files that are no dataset, told before hundreds of megabytes have gone out. What is not listed the server looks at.
const REFUSED = [
  [/\.(xlsx?|xlsm|ods|numbers)$/i, "a workbook", "Save the sheet as CSV and upload that."],
  [/\.(jsonl?|ndjson|parquet|feather|arrow|avro|orc|npy|npz|pkl|mat|h5|hdf5|sqlite|db)$/i, "not a CSV", "Write it as CSV and upload that."],
  [/\.(pdf|docx?|odt|pptx?|html?|xml|exe|mp[34]|mov|avi|wav)$/i, "no table and no archive of images", "Upload a CSV, or a zip with one folder of images for each class."],
  IMAGES,
  [/\.(7z|rar)$/i, "an archive that can't be read here", "Pack it as zip or tar."],
];

// The form's parts for some files: two that are named like MNIST's become images and labels.
export function partsOf(files) {
  const role = (file) => (/labels/i.test(file.name) ? "labels" : /images/i.test(file.name) ? "images" : "file");
  const roles = files.map(role);
  const pair = files.length === 2 && roles.includes("labels") && roles.includes("images");
  return files.map((file, i) => [pair ? roles[i] : "file", file]);
}

// Why these files can't be one dataset, as a problem; null when they may be.
export function refusalOf(files) {
  const parts = new Set(partsOf(files).map(([part]) => part));
  if (files.length > 1 && parts.size === 1) {
    const images = files.every((file) => IMAGES[0].test(file.name));
    return { message: `These are ${files.length} files, and one dataset is made of one. Nothing was sent.`,
      hint: images ? IMAGES[2] : "Drop them one after the other, or put their rows into one file. Two IDX files go together when their names say which has the images and which the labels." };
  }
  for (const file of files) {
    const found = parts.size === 1 && REFUSED.find(([names]) => names.test(file.name));
    if (found) return { message: `${file.name} is ${found[1]}. Nothing was sent.`, hint: found[2] };
    if (file.size === 0) return { message: `${file.name} is empty. Nothing was sent.`, hint: "Choose a file with a header line and rows." };
  }
  return null;
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

// A press that is repeated after a break is one dataset, also when only the answer to the first got lost.
function onceKey() {
  let about = "";
  let key = "";
  return (files, name) => {
    const now = JSON.stringify([name, ...files.map((one) => [one.name, one.size, one.lastModified])]);
    if (now !== about) key = crypto.getRandomValues(new Uint32Array(4)).join("-");
    about = now;
    return key;
  };
}

const stay = (event) => event.preventDefault();

// A form that uploads one dataset and hands what the server made of it to onDone. Returns {form, take, choose, stop};
// take(files) starts with files that came another way, choose(files) leaves the start to the button.
export function uploadForm(onDone, { drops = true } = {}) {
  const out = el("div", { "aria-live": "polite" });
  const told = el("p", { class: "faint small", "aria-live": "off" });
  const fill = el("div");
  const bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "upload", hidden: true }, fill);
  const file = el("input", { type: "file", name: "file", required: true, multiple: true, onchange: () => choose([...file.files]) });
  const name = el("input", { name: "name", placeholder: "from the file", maxlength: 200 });
  const button = el("button", { type: "submit" }, "Upload");
  const stop = el("button", { type: "button", class: "quiet", id: "stop-upload", hidden: true }, "Stop");
  const chosen = el("p", { class: "small", "aria-live": "polite" });
  const keyOf = onceKey();
  let files = [];
  let end = new AbortController();
  const form = el("form", { id: "upload", class: "drop", onsubmit: (event) => { event.preventDefault(); send(); } },
    el("div", { class: "upload-line" }, drops ? el("label", {}, "Drop a file anywhere on this page, or choose one", file) : chosen, el("label", {}, "Name", name), el("div", { class: "actions" }, button, stop)),
    drops ? [el("p", { class: "small faint" }, KINDS), chosen] : null, bar, told, out);

  // True when these files may be one dataset; else it is told why not, and none is chosen.
  function choose(list, problem = refusalOf(list)) {
    files = problem ? [] : list;
    if (problem) file.value = "";
    file.required = !files.length;
    chosen.textContent = files.map((one) => `${one.name} (${bytes(one.size)})`).join(", ");
    out.replaceChildren(...(problem ? [problemBox(problem)] : []));
    return files.length > 0;
  }

  function busy(is) {
    const held = form.contains(document.activeElement);
    bar.hidden = stop.hidden = !is;
    button.disabled = file.disabled = is;
    if (!is) told.textContent = "";
    if (held) (is ? stop : button).focus();
    (is ? addEventListener : removeEventListener)("beforeunload", stay);
  }

  // The file stays chosen: once the server answers, one press sends it again.
  async function offerAgain(problem) {
    out.replaceChildren(problemBox(problem));
    if (!AWAY.has(problem.status) || problem.code === "stopped") return;
    const waiting = el("p", { class: "faint" }, "Waiting for the server to answer again …");
    out.append(waiting);
    const over = new AbortController();
    form.addEventListener("submit", () => over.abort(), { once: true });
    if (await serverBack(over.signal)) {
      const large = files.reduce((sum, one) => sum + one.size, 0) > LARGE ? " If it breaks off again, the file may be larger than this server takes (attuned --max-upload)." : "";
      const again = el("button", { type: "button", id: "again", onclick: send }, "Send it again");
      waiting.textContent = `The server answers again. Nothing of the broken upload was kept by half, and sending it again stores it once.${large}`;
      out.append(el("p", {}, again));
      if (document.activeElement === button) again.focus();
    }
  }

  async function send() {
    if (!files.length) return;
    const body = new FormData();
    for (const [part, one] of partsOf(files)) body.append(part, one, one.name);
    if (name.value.trim()) body.append("name", name.value.trim());
    const total = files.reduce((sum, one) => sum + one.size, 0);
    const started = performance.now();
    end = new AbortController();
    stop.onclick = () => end.abort();
    out.replaceChildren();
    busy(true);
    try {
      const made = await upload("/api/v1/datasets", body, (share) => {
        fill.style.width = `${(100 * share).toFixed(1)}%`;
        bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
        told.textContent = share < 1 ? speed(share * total, total, started) : "Sent. The server is reading it …";
      }, end.signal, { "Idempotency-Key": keyOf(files, name.value.trim()) });
      removeEventListener("beforeunload", stay);
      onDone(made);
    } catch (problem) {
      busy(false);
      if (!(problem instanceof Problem)) throw problem;
      await offerAgain(problem);
    }
  }

  function take(list, problem) {
    if (button.disabled || (!list.length && !problem)) return;
    form.scrollIntoView({ block: "nearest" });
    if (choose(list, problem || refusalOf(list))) send();
  }
  if (drops) acceptDrops(take);
  return { form, take, choose, stop: () => end.abort() };
}

// For a file that is dropped on a page that is about something else: asks before it sends.
export function uploadDialog({ files, problem }) {
  const { form, choose, stop } = uploadForm((dataset) => location.assign(`/datasets/${encodeURIComponent(dataset.id)}`), { drops: false });
  const box = el("dialog", { id: "upload-dialog", "aria-labelledby": "upload-title" }, el("h2", { id: "upload-title" }, "Upload it as a dataset?"), form,
    el("p", { class: "actions" }, el("button", { type: "button", class: "quiet", onclick: () => box.close() }, "Cancel")));
  box.addEventListener("close", () => {
    stop();
    box.remove();
  });
  document.body.append(box);
  box.showModal();
  if (choose(files, problem || refusalOf(files))) form.querySelector("button[type=submit]").focus();
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
    const { files, problem } = dropped(event);
    take(files, problem);
  });
}
