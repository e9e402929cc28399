// Versions and aliases of a model: which one answers, back with one press, calls divided between two, and files to take away.

import { call, get, headers, Problem } from "./api.js";
import { agree, bytes, card, download, el, number, problemBox, state, swap, table, when } from "./dom.js";
import { aliasRow, newAliasForm } from "./model_aliases.js";

const VERSIONS_SHOWN = 50;
const FORMATS = [["onnx", "ONNX"], ["c", "C"], ["json", "JSON"]];

const words = (name) => String(name || "").replaceAll("_", " ");

/* ---- files ---- */

// A file, or the reason why this model can't be one.
async function takeFile(path, name, version, format, out) {
  out.replaceChildren(el("p", { class: "faint" }, "Making the file …"));
  try {
    const response = await fetch(`${path}/versions/${version}/export?format=${format}`, { headers: headers("GET"), credentials: "same-origin" });
    if (!response.ok) throw new Problem(response.status, await response.json());
    download(`${name}-${version}.${format}`, await response.blob());
    out.replaceChildren();
  } catch (problem) {
    out.replaceChildren(problemBox(problem instanceof Problem ? problem : { message: "The connection broke before the file was there. Try again." }));
  }
}

async function verify(path, version, out) {
  out.replaceChildren(el("p", { class: "faint" }, "Computing its score again from what is stored …"));
  try {
    const answer = await call("POST", `${path}/versions/${version}/verify`);
    out.replaceChildren(el("p", { class: `flag ${answer.ok ? "ok" : "bad"}` }, answer.ok
      ? `Version ${version}: ${words(answer.metric)} is ${number(answer.recomputed, 6)} again, as its report says.` : `Version ${version}: ${answer.reason || `the report says ${number(answer.report_value, 6)}, computed again it is ${number(answer.recomputed, 6)}`}.`));
  } catch (problem) {
    out.replaceChildren(problemBox(problem));
  }
}

/* ---- the view ---- */

function versionRow(model, item, aliases, ways) {
  const names = aliases.filter((alias) => alias.version === item.version && !alias.split).map((alias) => alias.alias);
  const actions = el("div", { class: "actions" },
    names.includes("best") ? null : el("button", { class: "quiet small", "aria-label": `serve version ${item.version} as best`, onclick: () => ways.act("best", { version: item.version }) }, "Serve it"),
    FORMATS.map(([format, label]) => el("button", { class: "quiet small", "aria-label": `export version ${item.version} as ${label}`, onclick: () => ways.file(item.version, format) }, label)),
    item.final === false ? null : el("button", { class: "quiet small", "aria-label": `verify version ${item.version}`, onclick: () => ways.check(item.version) }, "Verify"),
    names.length ? null : el("button", { class: "quiet small", "aria-label": `delete version ${item.version}`, onclick: () => ways.remove(item.version) }, "Delete"));
  return [el("a", { href: `/models/${encodeURIComponent(model.name)}?version=${item.version}` }, String(item.version)), number(item.score), number(item.us_per_row, 2), bytes(item.bytes), item.family || "",
    el("span", {}, names.map((name) => [state(name), " "]), item.final === false ? el("span", { class: "faint small" }, "made on the way") : null), when(item.created_at), actions];
}

export async function versionsView(model) {
  const path = `/api/v1/models/${encodeURIComponent(model.name)}`;
  const box = el("div");
  const out = el("div", { "aria-live": "polite" });

  async function act(alias, body) {
    out.replaceChildren();
    try {
      if (body) await call("PUT", `${path}/aliases/${encodeURIComponent(alias)}`, body);
      else if (await agree(`Remove the alias ${alias}?`, "Remove", `Apps that ask for ${model.name}@${alias} are answered 404.`)) await call("DELETE", `${path}/aliases/${encodeURIComponent(alias)}`);
      await draw();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }

  async function remove(version) {
    if (!(await agree(`Delete version ${version}?`, "Delete", "This can't be undone."))) return;
    try {
      await call("DELETE", `${path}/versions/${version}`);
      await draw();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }

  async function draw() {
    const [now, list] = await Promise.all([get(path), get(`${path}/aliases`)]);
    const aliases = await Promise.all(list.items.map((alias) => get(`${path}/aliases/${encodeURIComponent(alias.alias)}`)));
    const shown = now.versions.slice(0, VERSIONS_SHOWN);
    const ways = { act, remove, file: (version, format) => takeFile(path, model.name, version, format, out), check: (version) => verify(path, version, out) };
    swap(box,
      card("What answers", el("p", { class: "faint" }, `Apps ask for ${model.name}, which is its alias best, or for an alias or a version: ${model.name}@fast, ${model.name}@${now.version}.`),
        el("ul", { class: "plain", id: "aliases" }, aliases.map((alias) => aliasRow(alias, alias.changes || [], shown, { act, look: draw, numbers: model.task === "regression" }))), newAliasForm(shown, act)),
      card("Versions", shown.length > 1 ? el("p", {}, el("a", { href: `/compare/models?models=${encodeURIComponent(shown.slice(0, 2).map((item) => `${model.name}@${item.version}`).join(","))}` }, "Compare the newest two side by side")) : null, table([{ text: "Version", number: true }, { text: "Score", number: true }, { text: "µs a row", number: true }, { text: "Size", number: true }, "Family", "Alias", "Made", "Do"],
        shown.map((item) => versionRow(model, item, aliases, ways)), { id: "versions", "aria-label": "versions" }),
      now.versions.length > shown.length ? el("p", { class: "faint" }, `The newest ${shown.length} of ${now.versions.length}.`) : null));
  }

  await draw();
  return el("div", {}, out, box);
}
