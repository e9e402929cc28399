// A chart's numbers as rows.

import { isRanged } from "./plot_layout.js";
import { label } from "./scale.js";

export function tableOf(marks, x, y) {
  const rows = [];
  for (const mark of marks) {
    const name = mark.name || mark.kind;
    if (mark.kind === "rule") rows.push([name, mark.axis === "x" ? mark.at : null, mark.axis === "y" ? mark.at : null, null, mark.text || ""]);
    else if (mark.kind === "lines") mark.lines.forEach((points, i) => points.forEach(([a, b]) => rows.push([`${name} ${i + 1}`, a, b, null, ""])));
    else if (mark.kind === "cells") for (const [x0, x1, y0, y1, , text] of mark.cells) rows.push([name, `${label(x0)} to ${label(x1)}`, `${label(y0)} to ${label(y1)}`, null, text || ""]);
    else for (const point of mark.points) {
      if (mark.kind === "band" || mark.kind === "spans") rows.push([name, point[0], point[1], point[2], ""]);
      else if (isRanged(mark, point)) rows.push([name, point[0], point[2], null, `up to ${label(point[1])}`]);
      else rows.push([name, point[0], point[1], null, typeof point[2] === "string" ? point[2] : ""]);
    }
  }
  return { columns: ["series", x.label || "x", y.label || "y", "upper end", "about"], rows };
}
