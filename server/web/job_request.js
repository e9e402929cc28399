// From the form of a new job to its request, and the request as a line for a terminal.

const LINE_WIDTH = 60;

function without(value) {
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).map(([name, inner]) => [name, without(inner)]).filter(([, inner]) =>
    inner !== undefined && inner !== null && !(typeof inner === "object" && !Array.isArray(inner) && !Object.keys(inner).length));
  return Object.fromEntries(kept);
}

// The request of what the form says; what was left alone is left out, so that the server's defaults hold.
// space: {family: {parameter: …}} of what was changed.
export function requestOf(form, dataset, space) {
  const value = (name) => form.elements[name]?.value.trim() || undefined;
  const amount = (name) => (value(name) === undefined ? undefined : Number(value(name)));
  const families = [...form.querySelectorAll("input[name=family]:not(:disabled)")];
  const chosen = families.filter((box) => box.checked).map((box) => box.value);
  const all = chosen.length === families.length;
  const search = { method: value("method"), seed: amount("seed"), parallel: amount("parallel"), early_stopping: value("early_stopping"),
    warm_start_from: value("warm_start_from"), space: Object.fromEntries(Object.entries(space).filter(([family]) => all || chosen.includes(family))) };
  return without({
    dataset: dataset.id, target: value("target"), task: value("task"), metric: value("metric"), name: value("name"), deploy_as: value("deploy_as"),
    budget: { seconds: amount("seconds"), trials: amount("trials"), target_score: amount("target_score"),
      max_predict_us: amount("max_predict_us"), max_model_bytes: amount("max_model_bytes") },
    search, families: all || !chosen.length ? undefined : chosen,
    validation: { folds: amount("folds"), holdout: amount("holdout"), group: value("group"), time: value("time") },
    class_weight: value("class_weight"), sample_weight: value("sample_weight"), refit: value("refit"), base_model: value("base_model"),
  });
}

export const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curlOf(request) {
  const short = JSON.stringify(request);
  const body = short.length > LINE_WIDTH ? JSON.stringify(request, null, 2) : short;
  return `curl -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\\n  ${location.origin}/api/v1/jobs \\\n  -d ${quoted(body)}`;
}

// A model's name may have fewer letters than a dataset's.
export function modelName(name) {
  return name.toLowerCase().replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 63);
}
