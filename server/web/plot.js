// Charts. One is a list of marks over two axes:
//   {kind: "line" | "step", points: [[x, y]]}          {kind: "dots", points: [[x, y, text?]], size}
//   {kind: "band", points: [[x, low, high]]}           {kind: "bars", points: [[x, y]] or [[x0, x1, y]]}
//   {kind: "spans", points: [[x, low, high]]}           {kind: "lines", lines: [[[x, y], …], …]}
//   {kind: "hbars", points: [[length, name]]}          {kind: "rule", axis: "x" | "y", at, text, row}
//   {kind: "cells", cells: [[x0, x1, y0, y1, share, text]]}   share 0 to 1 is how strong the colour is
// each with `style` (s1 … s6, dim, bad, and thin, dash) and `name` (its place in the legend and in the CSV).
//
// Over two axes of numbers uPlot draws them on a canvas: such charts have thousands of points and change while a job
// runs, which a canvas takes in a few milliseconds. An axis of names, horizontal bars and cells are not what uPlot is
// made for; they have few elements and seldom change, so they are SVG (plot_marks.js), as is what any chart saves.
//
// When the pages are built this module, those of its name (plot_….js) and uPlot become one (bundle.sh).

import { figure } from "./plot_frame.js";
import { hover } from "./plot_hover.js";
import { layout } from "./plot_layout.js";
import { lineChart } from "./plot_lines.js";
import { drawSvg, legendOf } from "./plot_marks.js";
import { svg } from "./plot_svg.js";
import { tableOf } from "./plot_table.js";

export { figure, svg }; // for a chart that draws itself

const isOfNumbers = ({ x, y, marks }) => x.kind !== "band" && y.kind !== "band" && !marks.some((mark) => mark.kind === "cells" || mark.kind === "hbars");

// Draws a spec either way; the canvas stays the same from one drawing to the next.
function drawing() {
  let lines = null;
  let over = null;

  function gone() {
    lines?.destroy();
    lines = over = null;
  }

  function draw(spec, width) {
    const place = layout(spec, width);
    if (!place || !isOfNumbers(spec)) gone();
    if (!place) return null;
    const { marks, onpick } = spec;
    const legend = legendOf(marks);
    if (!isOfNumbers(spec)) {
      const node = drawSvg(place, marks);
      const told = hover(node);
      told.set(place, marks, onpick);
      return { node, over: told.tip, legend };
    }
    lines ||= lineChart();
    const node = lines.draw(place, marks);
    if (over?.node !== node) over = { node, ...hover(node) };
    over.set(place, marks, onpick);
    return { node, over: over.tip, legend, picture: () => drawSvg(place, marks) };
  }
  return { draw, gone };
}

// spec: {id, title, note, describe, empty, heading, height, left (least room there, to line charts up), x: {label, kind, …}, y: {…}, marks, onpick(point, mark),
// table() when the CSV is to be another one}. Returns {box, set(changes)}.
export function plot(spec) {
  const now = { x: {}, y: {}, marks: [], ...spec };
  const { draw, gone } = drawing();
  const frame = figure({
    heading: now.heading, title: now.title, id: now.id, note: () => now.note || "", empty: () => now.empty || "Nothing to show yet.",
    draw: (width) => draw(now, width), gone, describe: () => now.describe || now.note || "",
    data: () => (now.table ? now.table() : tableOf(now.marks, now.x, now.y)),
  });
  return {
    box: frame.box,
    set(changes) {
      Object.assign(now, changes);
      frame.update();
    },
  };
}
