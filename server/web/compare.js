// Side by side: jobs at /compare?jobs=ID,ID,…, models at /compare/models?models=NAME,NAME@VERSION,…

import { all, get } from "./api.js";
import { jobsView, loadJob } from "./compare_jobs.js";
import { loadModel, modelsView } from "./compare_models.js";
import { el, number, problemBox, query, setQuery, show, title } from "./dom.js";
import { words } from "./space.js";

const MOST = 6;
const LISTED = 300;

// What can be chosen: [{id, name, about}].
async function jobChoices() {
  const jobs = await all("/api/v1/jobs", LISTED);
  return jobs.map((job) => ({ id: job.id, name: job.name || job.id, about: `${job.best ? number(job.best.value) : "–"} ${words(job.metric || "")}, ${job.state}` }));
}

// Each model, and its versions as far as some of them are asked for.
async function modelChoices(chosen) {
  const models = await all("/api/v1/models", LISTED);
  const about = (model) => `${number(model.score)} ${words(model.metric)}, ${model.family || ""}`;
  const open = new Set([...chosen].map((asked) => asked.split("@")[0]));
  const lists = await Promise.all(models.map(async (model) => {
    const item = { id: model.name, name: model.name, about: about(model) };
    if (!open.has(model.name)) return [item];
    const { versions } = await get(`/api/v1/models/${encodeURIComponent(model.name)}`);
    return [item, ...versions.slice(0, LISTED).map((one) => ({ id: `${one.name}@${one.version}`, name: `${one.name}@${one.version}`, about: about(one) }))];
  }));
  return lists.flat();
}

const KINDS = {
  jobs: { heading: "Compare jobs", legend: "Jobs", one: "job", choices: jobChoices, load: loadJob, view: jobsView },
  models: { heading: "Compare models", legend: "Models", one: "model", choices: modelChoices, load: loadModel, view: modelsView },
};

function choiceBoxes(kind, items, chosen, redraw) {
  const box = (item) => el("label", { class: "check" }, el("input", { type: "checkbox", name: kind.one, value: item.id, checked: chosen.has(item.id), onchange: (event) => {
    if (event.target.checked && chosen.size < MOST) chosen.add(item.id);
    else chosen.delete(item.id);
    event.target.checked = chosen.has(item.id);
    redraw();
  } }), el("span", {}, el("strong", {}, item.name), ` ${item.about}`));
  return el("fieldset", { class: "choices" }, el("legend", {}, `${kind.legend}, up to ${MOST}`),
    items.length ? items.map(box) : el("p", { class: "faint" }, `There is no ${kind.one} yet.`));
}

export async function comparePage(name) {
  const kind = KINDS[name];
  title(kind.heading);
  const chosen = new Set(query(name).split(",").filter(Boolean).slice(0, MOST));
  const out = el("div");
  const choices = el("div");
  let turn = 0;

  async function draw() {
    const mine = ++turn;
    setQuery(name, [...chosen].join(","));
    if (!chosen.size) return out.replaceChildren(el("p", { class: "card" }, `Choose two or more ${name} above.`));
    try {
      const { warnings, nodes } = kind.view(await Promise.all([...chosen].map(kind.load)));
      if (mine !== turn) return undefined;
      return out.replaceChildren(...warnings.map((text) => el("p", { class: "warning", role: "note" }, text)), ...nodes.filter(Boolean));
    } catch (problem) {
      if (mine !== turn) return undefined;
      return out.replaceChildren(problem.status === 404 ? problemBox({ message: `One of these ${name} is not here any more. Take it out of the choice above.` }) : problemBox(problem));
    }
  }

  const first = kind.choices(chosen);
  const other = name === "jobs" ? el("a", { href: "/compare/models" }, "Compare models instead") : el("a", { href: "/compare" }, "Compare jobs instead");
  show(el("h1", {}, kind.heading), el("p", {}, other),
    el("details", { class: "card", open: chosen.size < 2 }, el("summary", {}, `Choose ${name}`), choices), out);
  await Promise.all([draw(), first.then((items) => {
    // What the address asks for can be taken out of the choice even when it is not here any more.
    const missing = [...chosen].filter((id) => !items.some((item) => item.id === id)).map((id) => ({ id, name: id, about: "not listed" }));
    choices.replaceChildren(choiceBoxes(kind, [...missing, ...items], chosen, draw));
  })]);
}
