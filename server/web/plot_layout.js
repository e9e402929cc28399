// Where a chart's axes lie, for either way of drawing: scales, ticks with their texts, the edges of the area between.

import { label, scale } from "./scale.js";

const RIGHT = 12;
const TOP = 12;
const UNDER = 24; // ticks of the x axis
const NAME = 16; // the name of an axis

export const clamp = (value, low, high) => Math.max(Math.min(low, high), Math.min(Math.max(low, high), value));

// Bars may reach from one x to another: [x0, x1, y].
export const isRanged = (mark, point) => mark.kind === "bars" && typeof point[2] === "number";

export const hasData = (marks) => marks.some((mark) => mark.kind !== "rule" && (mark.points || mark.cells || mark.lines).length);

function valuesOf(marks, axis) {
  const at = axis === "x" ? 0 : 1;
  const values = [];
  for (const mark of marks) {
    if (mark.kind === "rule") {
      if (mark.axis === axis && !mark.outside) values.push(mark.at);
    } else if (mark.kind === "lines") for (const points of mark.lines) for (const point of points) values.push(point[at]);
    else if (mark.kind === "cells") for (const cell of mark.cells) values.push(cell[2 * at], cell[2 * at + 1]);
    else for (const point of mark.points) {
      if ((mark.kind === "band" || mark.kind === "spans") && at === 1) values.push(point[1], point[2]);
      else if (isRanged(mark, point)) values.push(...(at === 0 ? [point[0], point[1]] : [point[2]]));
      else values.push(point[at]);
    }
  }
  if (at === 1 && marks.some((mark) => mark.kind === "bars")) values.push(0);
  if (at === 0 && marks.some((mark) => mark.kind === "hbars")) values.push(0);
  return values.filter((value) => value !== null && value !== undefined);
}

const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// The widest label decides how much room the y axis takes.
function marginOf(ticks, name) {
  const longest = Math.max(...ticks.map((tick) => Math.min(26, label(tick).length)), 1);
  return Math.ceil(Math.min(190, 12 + 6.3 * longest) + (name ? NAME : 0));
}

// [value, text] of the ticks that there is room for.
function ticksUp(y) {
  let last = -Infinity;
  return y.ticks.filter((tick) => {
    if (y.kind === "band" && Math.abs(y(tick) - last) < 11) return false;
    last = y(tick);
    return true;
  }).map((tick) => [tick, cut(label(tick), 27)]);
}

function ticksAcross(x) {
  let last = -Infinity;
  const shown = [];
  for (const tick of x.ticks) {
    const text = x.kind === "band" ? cut(label(tick), Math.max(4, Math.floor(x.width / 6))) : label(tick);
    if (x(tick) - 3.2 * text.length < last) continue;
    last = x(tick) + 3.2 * text.length + 6;
    shown.push([tick, text]);
  }
  return shown;
}

// null where there is nothing to draw, or no scale for it.
export function layout(spec, width) {
  const { marks } = spec;
  if (!hasData(marks)) return null;
  const height = spec.height || 260;
  const edge = { top: TOP, bottom: height - UNDER - (spec.x.label ? NAME : 0), right: width - RIGHT, left: 0 };
  const fromTop = spec.y.kind === "band";
  const y = scale(spec.y, valuesOf(marks, "y"), fromTop ? edge.top : edge.bottom, fromTop ? edge.bottom : edge.top, Math.max(3, height / 55));
  if (!y) return null;
  edge.left = Math.max(spec.left || 0, marginOf(y.ticks, spec.y.label));
  const x = scale(spec.x, valuesOf(marks, "x"), edge.left, edge.right, Math.max(3, (edge.right - edge.left) / 75));
  return x && { x, y, edge, width, height, ticksAcross: ticksAcross(x), ticksUp: ticksUp(y), nameAcross: spec.x.label || null, nameUp: spec.y.label || null };
}
