// A chart drawn as SVG: its axes and each kind of mark, and the signs of a legend.

import { el } from "./dom.js";
import { clamp, isRanged } from "./plot_layout.js";
import { svg } from "./plot_svg.js";

function pathOf(points, x, y, step) {
  let path = "";
  let before = NaN;
  for (const [a, b] of points) {
    const px = x(a);
    const py = y(b);
    if (!Number.isFinite(px) || !Number.isFinite(py) || b === null) {
      before = NaN;
      continue;
    }
    path += Number.isNaN(before) ? `M${px.toFixed(1)} ${py.toFixed(1)}` : step ? `H${px.toFixed(1)}V${py.toFixed(1)}` : `L${px.toFixed(1)} ${py.toFixed(1)}`;
    before = py;
  }
  return path;
}

// A thousand dots are one path of lines without length, so they cost little to draw.
function dotsOf(points, x, y, edge) {
  let path = "";
  for (const [a, b] of points) {
    const px = x(a);
    const py = clamp(y(b), edge.top, edge.bottom);
    if (Number.isFinite(px) && Number.isFinite(py) && b !== null) path += `M${px.toFixed(1)} ${py.toFixed(1)}h0`;
  }
  return path;
}

function bandOf(points, x, y) {
  const good = points.filter(([a, low, high]) => Number.isFinite(x(a)) && Number.isFinite(y(low)) && Number.isFinite(y(high)) && low !== null);
  if (!good.length) return "";
  const up = good.map(([a, , high]) => `${x(a).toFixed(1)} ${y(high).toFixed(1)}`);
  const down = good.map(([a, low]) => `${x(a).toFixed(1)} ${y(low).toFixed(1)}`).reverse();
  return `M${up.join("L")}L${down.join("L")}Z`;
}

function barRects(mark, x, y, edge) {
  return mark.points.map((point) => {
    const ranged = isRanged(mark, point);
    const from = ranged ? x(point[0]) : x(point[0]) - 0.4 * (x.width || 10);
    const to = ranged ? x(point[1]) : x(point[0]) + 0.4 * (x.width || 10);
    const top = y(ranged ? point[2] : point[1]);
    const width = Math.max(1, Math.abs(to - from) - (ranged ? 1 : 0));
    return svg("rect", { class: `solid ${mark.style || "s1"}`, x: Math.min(from, to).toFixed(1), y: Math.min(top, edge.bottom).toFixed(1), width: width.toFixed(1), height: Math.max(0, edge.bottom - top).toFixed(1) });
  });
}

// The ends of a cell along one axis; on an axis of names a cell is a whole place.
export function cellEnds(from, to, at) {
  if (at.kind === "band") return [at(from) - at.width / 2, at(from) + at.width / 2];
  return [Math.min(at(from), at(to)), Math.max(at(from), at(to))];
}

function cellRect([x0, x1, y0, y1, share], x, y, style) {
  const [left, right] = cellEnds(x0, x1, x);
  const [top, bottom] = cellEnds(y0, y1, y);
  return svg("rect", { class: `solid ${style}`, "fill-opacity": (0.03 + 0.8 * share).toFixed(3), "shape-rendering": "crispEdges", x: left.toFixed(2), y: top.toFixed(2), width: (right - left).toFixed(2), height: (bottom - top).toFixed(2) });
}

function draw(mark, x, y, edge) {
  const style = mark.style || "s1";
  switch (mark.kind) {
    case "line":
    case "step":
      return [svg("path", { class: `line ${style}`, d: pathOf(mark.points, x, y, mark.kind === "step") })];
    case "dots":
      return [svg("path", { class: `dots ${style}`, "stroke-width": mark.size || 6, d: dotsOf(mark.points, x, y, edge) })];
    case "band":
      return [svg("path", { class: `band ${style}`, d: bandOf(mark.points, x, y) })];
    case "spans":
      return [svg("path", { class: `line ${style}`, d: mark.points.filter(([a, low]) => Number.isFinite(x(a)) && low !== null).map(([a, low, high]) => `M${x(a).toFixed(1)} ${clamp(y(low), edge.top, edge.bottom).toFixed(1)}V${clamp(y(high), edge.top, edge.bottom).toFixed(1)}`).join("") })];
    case "lines":
      return [svg("path", { class: `line ${style}`, d: mark.lines.map((points) => pathOf(points, x, y, false)).join("") })];
    case "bars":
      return barRects(mark, x, y, edge);
    case "hbars":
      return mark.points.map(([length, name]) => svg("rect", { class: `solid ${style}`, x: edge.left, y: (y(name) - 0.34 * y.width).toFixed(1), width: Math.max(0, x(length) - edge.left).toFixed(1), height: (0.68 * y.width).toFixed(1), rx: 2 }));
    case "cells":
      return mark.cells.filter((cell) => Number.isFinite(cell[4])).map((cell) => cellRect(cell, x, y, style));
    case "rule": {
      const at = mark.axis === "x" ? x(mark.at) : y(mark.at);
      if (!Number.isFinite(at)) return [];
      const line = mark.axis === "x" ? { x1: at, x2: at, y1: edge.top, y2: edge.bottom } : { x1: edge.left, x2: edge.right, y1: at, y2: at };
      const right = mark.axis === "x" && at > edge.right - 60;
      const place = mark.axis === "x" ? { x: at + (right ? -4 : 4), y: edge.top + 10 + 13 * (mark.row || 0), "text-anchor": right ? "end" : "start" } : { x: edge.right - 4, y: at - 4, "text-anchor": "end" };
      return [svg("line", { class: `rule ${style === "s1" ? "" : style}`, ...line }), ...(mark.text ? [svg("text", place, mark.text)] : [])];
    }
    default:
      return [];
  }
}

function key(mark) {
  const style = mark.style || "s1";
  const sign = mark.kind === "spans" ? svg("path", { class: `line ${style}`, d: "M9 0V10" }) : mark.kind === "lines" ? svg("path", { class: `line ${style}`, d: "M1 5H17" }) : mark.kind === "dots" ? svg("path", { class: `dots ${style}`, "stroke-width": 7, d: "M9 5h0" })
    : mark.kind === "rule" ? svg("line", { class: `rule ${style}`, x1: 1, x2: 17, y1: 5, y2: 5 }) : mark.kind === "line" || mark.kind === "step" ? svg("path", { class: `line ${style}`, d: "M1 5H17" })
      : svg("rect", { class: `${mark.kind === "band" ? "band" : "solid"} ${style}`, x: 2, y: 0, width: 14, height: 10 });
  return el("span", {}, svg("svg", { class: "plot", viewBox: "0 0 18 10", "aria-hidden": "true" }, sign), mark.name);
}

function axes(node, place) {
  const { x, y, edge } = place;
  for (const [tick, text] of place.ticksUp) {
    if (y.kind !== "band") node.append(svg("line", { class: "grid", x1: edge.left, x2: edge.right, y1: y(tick), y2: y(tick) }));
    node.append(svg("text", { x: edge.left - 6, y: y(tick) + 4, "text-anchor": "end" }, text));
  }
  for (const [tick, text] of place.ticksAcross)
    node.append(svg("line", { class: "axis", x1: x(tick), x2: x(tick), y1: edge.bottom, y2: edge.bottom + 4 }), svg("text", { x: x(tick), y: edge.bottom + 16, "text-anchor": "middle" }, text));
  node.append(svg("line", { class: "axis", x1: edge.left, x2: edge.right, y1: edge.bottom, y2: edge.bottom }));
  if (place.nameAcross) node.append(svg("text", { x: (edge.left + edge.right) / 2, y: edge.bottom + 32, "text-anchor": "middle" }, place.nameAcross));
  if (place.nameUp) node.append(svg("text", { transform: `translate(11 ${(edge.top + edge.bottom) / 2}) rotate(-90)`, "text-anchor": "middle" }, place.nameUp));
}

export function drawSvg(place, marks) {
  const { x, y, edge, width, height } = place;
  const node = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, width, height });
  axes(node, place);
  // What lies beyond the ends of an axis is cut, not drawn over the labels.
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  node.append(svg("clipPath", { id: clip }, svg("rect", { x: edge.left - 5, y: edge.top - 6, width: edge.right - edge.left + 10, height: edge.bottom - edge.top + 12 })));
  const inside = svg("g", { "clip-path": `url(#${clip})` });
  for (const mark of marks) inside.append(...draw(mark, x, y, edge));
  node.append(inside);
  return node;
}

// The signs and names of the marks that have one; none where there is nothing to tell apart.
export function legendOf(marks) {
  const named = [...new Map(marks.filter((mark) => mark.name && !mark.unlisted).map((mark) => [mark.name, mark])).values()];
  return named.length > 1 ? named.map(key) : [];
}
