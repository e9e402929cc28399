// What a job or a study searches: its hyperparameters with scale, ends and a sentence each.

const LOWER_IS_BETTER = /^(log_loss|brier_score|rmse|mae|mape|rmsle|quantile_.*)$/;

export const higherIsBetter = (metric) => !LOWER_IS_BETTER.test(metric || "");
export const words = (name) => String(name ?? "").replaceAll("_", " ");

const ESTIMATES = { holdout: "on rows kept apart for the report", bbc_cv: "out of fold, with the choice of the model counted in", validation: "on the rows it was chosen by", cv: "out of fold" };

// How a score was measured, after the word "measured".
export const estimateWords = (name) => ESTIMATES[name] || words(name);

const searched = (item) => item && typeof item === "object" && item.type !== "fixed" && !Array.isArray(item);

function entry(name, key, family, item) {
  const values = item.values || item.choices || (item.type === "bool" ? [false, true] : null);
  return {
    name, key, family, help: item.help || "", values, low: item.low, high: item.high, type: item.type,
    kind: values ? "band" : item.scale === "log" ? "log" : "linear", integer: item.type === "int",
  };
}

// [{name: "mlp.units", key: "units", family: "mlp", kind: "log" | "linear" | "band", values, low, high, help}]
export function jobParameters(job) {
  const space = job.spec?.search?.space || {};
  const list = [];
  const families = Object.keys(space);
  if (families.length > 1) list.push({ name: "family", key: "family", family: null, kind: "band", values: families, help: "Which kind of model." });
  for (const family of families)
    for (const [key, item] of Object.entries(space[family]))
      if (!key.startsWith("$") && searched(item)) list.push(entry(`${family}.${key}`, key, family, item));
  return list;
}

export function studyParameters(study) {
  return Object.entries(study.space || {}).filter(([key, item]) => !key.startsWith("$") && searched(item))
    .map(([key, item]) => entry(key, key, null, item));
}

// A trial's value of one of them; undefined when it has none.
export function valueOf(trial, parameter) {
  if (parameter.key === "family" && parameter.family === null && trial.family !== undefined && !(trial.params && "family" in trial.params)) return trial.family;
  if (parameter.family && parameter.family !== trial.family) return undefined;
  return trial.params ? trial.params[parameter.key] : undefined;
}

export const axisOf = (parameter) => ({
  label: `${words(parameter.name)}${parameter.kind === "log" ? " (log scale)" : ""}`, kind: parameter.kind,
  values: parameter.values, min: parameter.low, max: parameter.high, integer: parameter.integer, pad: 0.02,
});

export const textOf = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : value === undefined ? "–" : typeof value === "string" ? value : JSON.stringify(value));
