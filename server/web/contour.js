// Lines of equal height over a grid, by marching squares.

// xs, ys: where the grid's columns and rows are; heights[i][j] at xs[i], ys[j]. Gives pieces [[x, y], [x, y]].
export function contour(xs, ys, heights, level) {
  const pieces = [];
  const cross = (a, b, u, v) => (level - a) / (b - a) * (v - u) + u;
  for (let i = 0; i + 1 < xs.length; i++)
    for (let j = 0; j + 1 < ys.length; j++) {
      const corners = [heights[i][j], heights[i + 1][j], heights[i + 1][j + 1], heights[i][j + 1]];
      if (!corners.every(Number.isFinite)) continue;
      const [a, b, c, d] = corners;
      const ends = [];
      if ((a < level) !== (b < level)) ends.push([cross(a, b, xs[i], xs[i + 1]), ys[j]]);
      if ((b < level) !== (c < level)) ends.push([xs[i + 1], cross(b, c, ys[j], ys[j + 1])]);
      if ((c < level) !== (d < level)) ends.push([cross(d, c, xs[i], xs[i + 1]), ys[j + 1]]);
      if ((d < level) !== (a < level)) ends.push([xs[i], cross(a, d, ys[j], ys[j + 1])]);
      if (ends.length >= 2) pieces.push(ends.slice(0, 2));
      if (ends.length === 4) pieces.push(ends.slice(2));
    }
  return pieces;
}
