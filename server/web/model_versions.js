// Versions and aliases of a model: which one answers, back with one press, calls divided between two, and files to take away.

import { call, get, headers, Problem } from "./api.js";
import { agree, bytes, card, download, el, number, problemBox, state, swap, table, when } from "./dom.js";

const VERSIONS_SHOWN = 50;
const FORMATS = [["onnx", "ONNX"], ["c", "C"], ["json", "JSON"]];

const words = (name) => String(name || "").replaceAll("_", " ");
const target = (alias) => (alias.split ? Object.entries(alias.split).map(([version, share]) => `${share} % to version ${version}`).join(", ") : alias.version ? `version ${alias.version}` : "nothing");

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

/* ---- aliases ---- */

// Calls of one alias divided between two versions.
function splitForm(alias, versions, send) {
  const pick = (label, chosen) => el("label", {}, label, el("select", {}, versions.map((item) => el("option", { value: item.version, selected: item.version === chosen }, `version ${item.version}`))));
  const newest = versions.find((item) => item.version !== alias.version)?.version;
  const first = pick("Most calls to", alias.version);
  const second = pick("The rest to", newest);
  const share = el("input", { type: "number", min: 1, max: 99, step: 1, value: 10, name: "share" });
  return el("form", { class: "toolbar", onsubmit: (event) => {
    event.preventDefault();
    const rest = Number(share.value);
    const [a, b] = [first, second].map((label) => label.querySelector("select").value);
    send({ split: { [a]: 100 - rest, [b]: rest } });
  } }, first, second, el("label", {}, "Percent of the rest", share), el("button", {}, "Divide"));
}

function aliasRow(alias, changes, versions, act) {
  const before = changes.find((one, i) => i > 0 && (one.version || one.split));
  const more = el("div");
  const back = el("button", { class: "quiet small", id: `rollback-${alias.alias}`, disabled: !before, title: before ? `back to ${target(before)}` : "it never pointed elsewhere",
    onclick: () => act(alias.alias, { rollback: true }) }, before ? `Back to ${target(before)}` : "Nothing to go back to");
  const divide = versions.length > 1 ? el("button", { class: "quiet small", "aria-expanded": "false", onclick: (event) => {
    const open = !more.firstChild;
    more.replaceChildren(...(open ? [splitForm(alias, versions, (body) => act(alias.alias, body))] : []));
    event.target.setAttribute("aria-expanded", String(open));
  } }, "Divide calls …") : null;
  const compared = alias.compared ? `Its shadow, version ${alias.shadow}, gave the same answer for ${alias.compared.same} of ${alias.compared.rows} rows.` : alias.shadow ? `Version ${alias.shadow} answers in its shadow.` : "";
  return el("li", {}, el("div", { class: "head" },
    el("div", {}, el("strong", {}, alias.alias), ` → ${target(alias)} `, el("span", { class: "faint small" }, "since ", when(alias.changed_at), alias.changed_by ? " by " : " by its job", alias.changed_by ? el("code", {}, alias.changed_by) : null)),
    el("div", { class: "actions" }, back, divide, alias.alias === "best" ? null : el("button", { class: "quiet small", "aria-label": `remove the alias ${alias.alias}`, onclick: () => act(alias.alias, null) }, "Remove"))),
  compared ? el("p", { class: "faint small" }, compared) : null, more);
}

function newAliasForm(versions, act) {
  const name = el("input", { name: "alias", required: true, pattern: "[a-z0-9][a-z0-9._\\-]{0,62}", title: "Small letters, digits, dot, dash and underscore", placeholder: "production" });
  const version = el("select", { name: "alias-version" }, versions.map((item) => el("option", { value: item.version }, `version ${item.version}`)));
  return el("form", { class: "toolbar", id: "new-alias", onsubmit: (event) => { event.preventDefault(); act(name.value.trim(), { version: Number(version.value) }); } },
    el("label", {}, "New alias", name), el("label", {}, "points to", version), el("button", { class: "quiet" }, "Make"));
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
        el("ul", { class: "plain", id: "aliases" }, aliases.map((alias) => aliasRow(alias, alias.changes || [], shown, act))), newAliasForm(shown, act)),
      card("Versions", table([{ text: "Version", number: true }, { text: "Score", number: true }, { text: "µs a row", number: true }, { text: "Size", number: true }, "Family", "Alias", "Made", "Do"],
        shown.map((item) => versionRow(model, item, aliases, ways)), { id: "versions", "aria-label": "versions" }),
      now.versions.length > shown.length ? el("p", { class: "faint" }, `The newest ${shown.length} of ${now.versions.length}.`) : null));
  }

  await draw();
  return el("div", {}, out, box);
}
