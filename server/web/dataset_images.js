// The images of a dataset: how many of each class, and a few to look at.

import { get } from "./api.js";
import { card, count, el, percent } from "./dom.js";

const EACH = 8;
const CLASSES_SHOWN = 40;

export function thumb(image, more = "") {
  const label = image.label ?? "";
  return el("figure", {}, el("img", { src: `data:image/png;base64,${image.png_base64}`, alt: `row ${image.row}: ${label}`, loading: "lazy" }),
    el("figcaption", {}, more || `row ${image.row}`));
}

// Where the images of each class would begin if the rows were in the order of the classes, as an archive's are.
function starts(classes) {
  let sum = 0;
  return new Map(classes.map((one) => {
    const start = sum;
    sum += one.count;
    return [one.name, start];
  }));
}

function classRow(path, one, share, found, start) {
  const box = el("div", { class: "thumbs" }, found.map((image) => thumb(image)));
  const fill = el("div");
  fill.style.width = `${(100 * share).toFixed(1)}%`;
  // Rows that are not at hand are fetched when the class comes into sight.
  const watch = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watch.disconnect();
    try {
      const page = await get(`${path}/preview?limit=${EACH}&offset=${start}`);
      const right = page.images.filter((image) => image.label === one.name);
      box.replaceChildren(...(right.length ? right.map((image) => thumb(image)) : [el("span", { class: "faint small" }, "none among the first 200 images")]));
    } catch {
      box.replaceChildren(el("span", { class: "faint small" }, "could not be fetched"));
    }
  });
  const row = el("div", { class: "class-row" }, el("div", {}, el("strong", {}, one.name), el("div", { class: "faint small" }, `${count(one.count, "image")}, ${percent(one.count / Math.max(one.total, 1))}`),
    el("div", { class: "bar", "aria-hidden": "true" }, fill)), box);
  if (!found.length && one.count) watch.observe(row);
  return row;
}

export function imagesCard(path, dataset, images) {
  const classes = dataset.classes || [];
  const total = classes.reduce((sum, one) => sum + one.count, 0);
  const most = Math.max(...classes.map((one) => one.count), 1);
  const at = starts(classes);
  const list = el("div", { id: "preview" });
  let shown = 0;
  const more = el("button", { class: "quiet", onclick: next }, "More classes");
  function next() {
    for (const one of classes.slice(shown, shown + CLASSES_SHOWN)) {
      const found = images.filter((image) => image.label === one.name).slice(0, EACH);
      list.append(classRow(path, { ...one, total }, one.count / most, found, at.get(one.name)));
    }
    shown = Math.min(classes.length, shown + CLASSES_SHOWN);
    more.hidden = shown >= classes.length;
  }
  next();
  const { smallest, largest } = dataset.original_sizes || {};
  const sizes = smallest && (smallest.width !== largest.width || smallest.height !== largest.height)
    ? ` The files were from ${smallest.width} × ${smallest.height} to ${largest.width} × ${largest.height}.` : "";
  return card(`Classes and images`, el("p", { class: "faint" }, `${count(classes.length, "class", "classes")}; all images are ${dataset.width} × ${dataset.height}.${sizes}`), list, more);
}
