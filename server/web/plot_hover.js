// What is nearest to the pointer is told beside it, and can be clicked.

import { el, number } from "./dom.js";
import { clamp, isRanged } from "./plot_layout.js";
import { cellEnds } from "./plot_marks.js";
import { label } from "./scale.js";

const REACH = 30;

function textOf(mark, point) {
  if (typeof point[2] === "string") return point[2];
  const name = mark.name ? `${mark.name}\n` : "";
  if (mark.kind === "hbars") return `${name}${point[1]}: ${label(point[0])}`;
  const last = point.at(-1);
  return `${name}${label(point[0])}${typeof point[2] === "number" ? ` to ${label(point[1])}` : ""}: ${typeof last === "number" ? number(last) : last}`;
}

// [px, py, mark, point] of everything that has a place to be pointed at.
function placesOf({ x, y, edge }, marks) {
  const near = [];
  for (const mark of marks) {
    if (mark.quiet || !["line", "step", "dots", "bars", "hbars"].includes(mark.kind)) continue;
    for (const point of mark.points) {
      const ranged = isRanged(mark, point);
      const px = ranged ? (x(point[0]) + x(point[1])) / 2 : x(point[0]);
      const py = clamp(y(ranged ? point[2] : point[1]), edge.top, edge.bottom);
      if (Number.isFinite(px) && Number.isFinite(py)) near.push([px, py, mark, point]);
    }
  }
  return near;
}

const inside = ([a, b], at) => at >= a && at < b;

// `node` is the drawing. The result: {tip, set}: the box that tells, to be placed beside it, and what there is to tell of.
export function hover(node) {
  const tip = el("div", { class: "plot-tip", hidden: true });
  let shown = null; // {place, marks, onpick}
  let near = null; // made when the pointer comes: most drawings are never pointed at
  let found = null;
  let pointer = null; // where it is over the drawing

  function look() {
    const [px, py] = pointer;
    const { place, marks } = shown;
    near ||= placesOf(place, marks);
    found = null;
    let least = REACH * REACH;
    for (const item of near) {
      const far = (item[0] - px) ** 2 + (item[1] - py) ** 2;
      if (far < least) [least, found] = [far, item];
    }
    const cell = found ? null : marks.filter((mark) => mark.kind === "cells").flatMap((mark) => mark.cells)
      .find(([x0, x1, y0, y1]) => inside(cellEnds(x0, x1, place.x), px) && inside(cellEnds(y0, y1, place.y), py));
    tip.hidden = !found && !(cell && cell[5]);
    if (tip.hidden) return;
    tip.textContent = found ? textOf(found[2], found[3]) : cell[5];
    const [left, top] = found || pointer;
    tip.style.top = `${top + 12}px`;
    tip.style.left = left > place.width / 2 ? "auto" : `${left + 12}px`;
    tip.style.right = left > place.width / 2 ? `${place.width - left + 12}px` : "auto";
  }

  node.addEventListener("pointermove", (event) => {
    const frame = node.getBoundingClientRect();
    pointer = [event.clientX - frame.left, event.clientY - frame.top];
    if (shown) look();
  });
  node.addEventListener("pointerleave", () => {
    pointer = found = null;
    tip.hidden = true;
  });
  node.addEventListener("click", () => { if (found && shown.onpick) shown.onpick(found[3], found[2]); });
  return { tip, set(place, marks, onpick) {
    shown = { place, marks, onpick };
    near = null;
    if (pointer) look();
  } };
}
