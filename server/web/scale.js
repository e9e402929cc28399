// Scales of charts: from values to pixels, with round ticks.

export function label(value) {
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(Number.isInteger(Number((size / 10 ** Math.floor(Math.log10(size))).toPrecision(3))) ? 0 : 1).replace("e+", "e");
  return String(Number(value.toPrecision(5)));
}

const finite = (values) => values.filter((value) => typeof value === "number" && Number.isFinite(value));

function ends(values, fixed, positive) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (positive && value <= 0) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (Number.isFinite(fixed.min)) low = fixed.min;
  if (Number.isFinite(fixed.max)) high = fixed.max;
  return Number.isFinite(low) && Number.isFinite(high) ? [low, high] : null;
}

function linearTicks(low, high, most, integer) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999) || 10 * power;
  if (integer) step = Math.max(1, Math.round(step));
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) ticks.push(Number((n * step).toPrecision(12)));
  return ticks;
}

function logTicks(low, high, most) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const every = Math.max(1, Math.ceil((last - first + 1) / most));
  const ticks = [];
  for (let n = first; n <= last; n += every) ticks.push(Number((10 ** n).toPrecision(12)));
  if (ticks.length >= 2) return ticks;
  // Less than two decades: also 2 and 5.
  const finer = [];
  for (let n = first - 1; n <= last + 1; n++)
    for (const m of [1, 2, 5]) {
      const value = Number((m * 10 ** n).toPrecision(12));
      if (value >= low * 0.999 && value <= high * 1.001) finer.push(value);
    }
  return finer.length >= 2 ? finer : linearTicks(low, high, most, false);
}

// axis: {kind: "linear" | "log" | "band", values (of a band), min, max, pad, integer}. `from`, `to`: pixels.
// null when there is nothing to scale. The result maps a value to pixels, with .ticks, .back and .kind.
export function scale(axis, values, from, to, most) {
  if (axis.kind === "band") {
    const names = axis.values || [...new Set(values.map(String))];
    const place = new Map(names.map((name, i) => [String(name), i]));
    const step = (to - from) / Math.max(1, names.length);
    const at = (value) => from + step * ((place.get(String(value)) ?? NaN) + 0.5);
    return Object.assign(at, { kind: "band", ticks: names, width: Math.abs(step), back: (pixel) => names[Math.max(0, Math.min(names.length - 1, Math.floor((pixel - from) / step)))] });
  }
  const log = axis.kind === "log";
  const found = ends(finite(values), axis, log);
  if (!found) return null;
  let [low, high] = found;
  const forth = log ? Math.log10 : (value) => value;
  const back = log ? (value) => 10 ** value : (value) => value;
  let a = forth(low);
  let b = forth(high);
  // Ends that differ by rounding alone are the same: ticks between them could not be told apart, nor counted to an end.
  if (!(b - a > 1e-9 * Math.max(Math.abs(a), Math.abs(b)))) {
    const half = log ? 0.5 : Math.max(Math.abs(a) * 0.05, axis.integer ? 1 : 0.5e-3);
    a -= half;
    b += half;
  }
  const pad = (axis.pad ?? 0.04) * (b - a);
  if (!Number.isFinite(axis.min)) a -= pad;
  if (!Number.isFinite(axis.max)) b += pad;
  low = back(a);
  high = back(b);
  const at = (value) => (log && !(value > 0) ? NaN : from + ((forth(value) - a) / (b - a)) * (to - from));
  return Object.assign(at, {
    kind: log ? "log" : "linear", low, high, width: 0,
    ticks: log ? logTicks(low, high, most) : linearTicks(low, high, most, axis.integer),
    back: (pixel) => back(a + ((pixel - from) / (to - from)) * (b - a)),
  });
}

// Ends of a score axis: the middle half of the values and what is beyond it by up to 3 spreads on the bad side, all of
// the good side; so one bad trial does not flatten all others.
export function scoreRange(values, higherIsBetter) {
  const sorted = finite(values).sort((a, b) => a - b);
  if (sorted.length < 4) return {};
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const spread = Math.max(at(0.75) - at(0.25), 1e-3 * Math.abs(at(0.5)), 1e-9);
  const low = Math.max(sorted[0], at(0.25) - 3 * spread);
  const high = Math.min(sorted[sorted.length - 1], at(0.75) + 3 * spread);
  if (higherIsBetter) return low > sorted[0] ? { min: low - 0.05 * spread } : {};
  return high < sorted[sorted.length - 1] ? { max: high + 0.05 * spread } : {};
}

// What a chart on such an axis has to say: that some values are not where they are drawn. "" where all are.
export function beyondNote(values, { min = -Infinity, max = Infinity }) {
  return finite(values).some((value) => value < min || value > max) ? "What is worse than the axis shows lies on its edge." : "";
}
