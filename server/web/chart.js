// Score of each trial and the best so far, as one SVG.

const NS = "http://www.w3.org/2000/svg";

function svg(tag, attributes, text) {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function label(value) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
}

// Ends of the score axis: the middle half of the scores plus the best, so one bad trial does not flatten all.
function range(values, best) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const spread = Math.max(at(0.75) - at(0.25), Math.abs(best) * 1e-3, 1e-9);
  const low = Math.max(sorted[0], at(0.25) - 1.5 * spread);
  const high = Math.min(sorted[sorted.length - 1], at(0.75) + 1.5 * spread);
  const pad = Math.max((high - low) * 0.08, spread * 0.1);
  return [Math.min(low, best) - pad, Math.max(high, best) + pad];
}

// trials: [{number, metric}] that are done, in order of number.
export function chart(trials, higherIsBetter, metric) {
  const width = 640, height = 250, left = 62, right = 12, top = 12, bottom = 30;
  const root = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img" });
  const done = trials.filter((trial) => Number.isFinite(trial.metric));
  if (done.length === 0) {
    root.append(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "The first trial is under way."));
    return root;
  }
  const better = (a, b) => (higherIsBetter ? a > b : a < b);
  let best = done[0].metric;
  for (const trial of done) if (better(trial.metric, best)) best = trial.metric;
  const [low, high] = range(done.map((trial) => trial.metric), best);
  const last = Math.max(done[done.length - 1].number, 2);
  const x = (n) => left + ((n - 1) / (last - 1)) * (width - left - right);
  const y = (v) => top + (1 - (Math.min(high, Math.max(low, v)) - low) / (high - low)) * (height - top - bottom);
  root.append(svg("title", {}, `Best ${metric} so far: ${label(best)} after ${done.length} trials`));
  for (let i = 0; i <= 4; i++) {
    const value = low + ((high - low) * i) / 4;
    root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: y(value), y2: y(value) }));
    root.append(svg("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, label(value)));
  }
  root.append(svg("text", { x: left, y: height - 8 }, "trial 1"));
  root.append(svg("text", { x: width - right, y: height - 8, "text-anchor": "end" }, `trial ${last}`));
  let path = "";
  let soFar = done[0].metric;
  for (const trial of done) {
    root.append(svg("circle", { class: "trial", cx: x(trial.number), cy: y(trial.metric), r: 3 }));
    const before = soFar;
    if (better(trial.metric, soFar)) soFar = trial.metric;
    path += path ? ` L${x(trial.number)} ${y(before)} L${x(trial.number)} ${y(soFar)}` : `M${x(trial.number)} ${y(soFar)}`;
  }
  path += ` L${x(last)} ${y(soFar)}`;
  root.append(svg("path", { class: "line", d: path }));
  root.append(svg("circle", { class: "now", cx: x(last), cy: y(soFar), r: 4.5 }));
  return root;
}
