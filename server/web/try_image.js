// An image for a model: chosen, dropped, pasted, drawn, or one of the data.

import { get } from "./api.js";
import { el } from "./dom.js";
import { acceptDrops } from "./upload.js";

const PAD = 280;
const SAMPLES = 200;
const SAMPLES_SHOWN = 12;

/* ---- drawing ---- */

// A square to draw on, white on black as in most sets of digits, or the other way round. `drawn` gets a PNG.
function drawingPad(drawn) {
  const canvas = el("canvas", { width: PAD, height: PAD, tabindex: "0", role: "img", "aria-label": "draw here with the mouse or a finger" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const dark = el("select", { "aria-label": "colours of the pad", onchange: clear }, el("option", { value: "white" }, "white on black"), el("option", { value: "black" }, "black on white"));
  let last = null;

  function clear() {
    context.fillStyle = dark.value === "white" ? "#000" : "#fff";
    context.fillRect(0, 0, PAD, PAD);
  }

  function at(event) {
    const frame = canvas.getBoundingClientRect();
    return [((event.clientX - frame.left) * PAD) / frame.width, ((event.clientY - frame.top) * PAD) / frame.height];
  }

  function stroke(event) {
    if (!last) return;
    const now = at(event);
    Object.assign(context, { strokeStyle: dark.value, lineWidth: PAD / 12, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...now);
    context.stroke();
    last = now;
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    stroke(event);
  });
  canvas.addEventListener("pointermove", stroke);
  canvas.addEventListener("pointerup", () => {
    if (!last) return;
    last = null;
    canvas.toBlob(drawn, "image/png");
  });
  clear();
  return el("div", {}, canvas, el("div", { class: "actions pad-actions" }, el("button", { type: "button", class: "quiet small", onclick: clear }, "Clear"), dark));
}

/* ---- images of the data ---- */

const bytesOf = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// A few of each class, the classes in turn.
function spread(images) {
  const byClass = new Map();
  for (const image of images) byClass.set(image.label, [...(byClass.get(image.label) || []), image]);
  const found = [];
  for (let i = 0; found.length < SAMPLES_SHOWN && found.length < images.length; i++)
    for (const list of byClass.values()) if (list[i] && found.length < SAMPLES_SHOWN) found.push(list[i]);
  return found;
}

async function samples(report, box, take) {
  if (!report?.dataset?.id) return;
  try {
    const page = await get(`/api/v1/datasets/${encodeURIComponent(report.dataset.id)}/preview?limit=${SAMPLES}`);
    box.replaceChildren(...spread(page.images).map((image) => el("button", { type: "button", title: `row ${image.row}: ${image.label}`, onclick: () => take(new Blob([bytesOf(image.png_base64)], { type: "image/png" })) },
      el("img", { src: `data:image/png;base64,${image.png_base64}`, alt: `try an image of ${image.label}` }))));
  } catch {
    box.replaceChildren();
  }
}

/* ---- the fields ---- */

// `ask` is called when there is an image. {box, body()}; body gives the image as a Blob, or null.
export function imageFields(schema, report, ask) {
  const seen = el("img", { class: "seen", alt: "the image that is sent", hidden: true });
  const told = el("p", { class: "small problem", role: "status" });
  const row = el("div", { class: "samples" });
  let image = null;

  function take(blob) {
    // Drops and pastes reach the fields of a view that was left, too.
    if (!blob || !root.isConnected) return;
    if (!/^image\/(png|jpeg)$/.test(blob.type)) {
      told.textContent = `${blob.type || "This"} can't be read here: send a PNG or a JPEG.`;
      return;
    }
    told.textContent = "";
    image = blob;
    if (seen.src) URL.revokeObjectURL(seen.src);
    seen.src = URL.createObjectURL(blob);
    seen.hidden = false;
    ask();
  }

  const file = el("input", { type: "file", name: "image", accept: "image/png,image/jpeg", onchange: () => take(file.files[0]) });
  acceptDrops((files) => take(files[0]), "Drop the image to ask about it");
  document.addEventListener("paste", (event) => {
    const found = [...(event.clipboardData?.files || [])].find((one) => one.type.startsWith("image/"));
    if (found) take(found);
  });
  samples(report, row, take);
  const root = el("div", {}, el("div", { class: "pad" },
    el("div", {}, el("label", {}, `Choose, drop or paste an image (it becomes ${schema.width} × ${schema.height})`, file), told, seen),
    el("div", {}, el("p", { class: "small faint" }, "or draw one"), drawingPad(take))),
    report?.dataset?.id ? el("div", {}, el("p", { class: "small faint" }, "or take one of the data (the model has learned from them)"), row) : null);
  return { box: root, body: () => image };
}
