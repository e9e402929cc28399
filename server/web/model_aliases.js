// The aliases of a model: where each leads, back with one press, calls divided between two versions, and a version in the
// shadow of another with how their answers compare.

import { el, number, percent, when } from "./dom.js";

const routeWords = (alias) => (alias.split ? Object.entries(alias.split).map(([version, share]) => `${share} % to version ${version}`).join(", ") : alias.version ? `version ${alias.version}` : "nothing");
const target = (alias) => routeWords(alias) + (alias.shadow ? `, version ${alias.shadow} in its shadow` : "");

const pick = (label, name, versions, chosen, first = null) => el("label", {}, label, el("select", { name }, first ? el("option", { value: "" }, first) : null,
  versions.map((item) => el("option", { value: item.version, selected: item.version === chosen }, `version ${item.version}`))));
const chosenOf = (label) => label.querySelector("select").value;

/* ---- calls divided ---- */

function splitForm(alias, versions, send) {
  const newest = versions.find((item) => item.version !== alias.version)?.version;
  const first = pick("Most calls to", "split-most", versions, alias.version);
  const second = pick("The rest to", "split-rest", versions, newest);
  const share = el("input", { type: "number", min: 1, max: 99, step: 1, value: 10, name: "share" });
  return el("form", { class: "toolbar", onsubmit: (event) => {
    event.preventDefault();
    const rest = Number(share.value);
    const split = { [chosenOf(first)]: 100 - rest, [chosenOf(second)]: rest };
    send(alias.shadow ? { split, shadow: alias.shadow } : { split });
  } }, first, second, el("label", {}, "Percent of the rest", share), el("button", {}, "Divide"));
}

/* ---- a shadow ---- */

const routeOf = (alias) => (alias.split ? { split: alias.split } : { version: alias.version });

function shadowForm(alias, versions, send) {
  const others = versions.filter((item) => item.version !== alias.version);
  const choice = pick("Answers in the shadow", "shadow", others, alias.shadow ?? others[0]?.version, "none");
  return el("form", { class: "toolbar", onsubmit: (event) => {
    event.preventDefault();
    const version = Number(chosenOf(choice));
    send(version ? { ...routeOf(alias), shadow: version } : routeOf(alias));
  } }, choice, el("button", {}, "Set"), el("p", { class: "faint small" }, "It is asked whatever the alias is asked; callers see nothing of it and never wait for it."));
}

// How the shadow's answers compare with those given.
function comparison(alias, { act, look, numbers }) {
  const found = alias.compared;
  if (!alias.shadow || !found) return null;
  const facts = [["Rows that both answered", String(found.rows)], ["The same answer", found.rows ? `${percent(found.same / found.rows)} (${found.same})` : "–"],
    numbers ? ["Mean difference", number(found.mean_difference)] : null, ["Could not answer", String(found.errors)], ["Calls without room", String(found.dropped)]].filter(Boolean);
  return el("div", { class: "shadow", id: `shadow-${alias.alias}` }, el("div", { class: "facts" }, facts.map(([label, value]) => el("div", {}, el("span", {}, label), el("strong", {}, value)))),
    el("div", { class: "actions" }, el("button", { class: "quiet small", "aria-label": `look again how the shadow of ${alias.alias} does`, onclick: look }, "Look again"),
      el("button", { class: "quiet small", onclick: () => act(alias.alias, { version: alias.shadow }) }, `Let version ${alias.shadow} answer`),
      el("button", { class: "quiet small", "aria-label": `end the shadow of ${alias.alias}`, onclick: () => act(alias.alias, routeOf(alias)) }, "End the shadow")),
    el("p", { class: "faint small" }, `Version ${alias.shadow} in the shadow of ${routeWords(alias)}, as this server has seen it since it started.`));
}

/* ---- one alias ---- */

// A button that opens and closes a form below the row.
function opener(text, alias, more, form) {
  const button = el("button", { class: "quiet small", "aria-expanded": "false", "aria-label": `${text.replace(" …", "")} of ${alias.alias}`, onclick: () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    for (const other of button.parentNode.querySelectorAll("[aria-expanded]")) other.setAttribute("aria-expanded", "false");
    more.replaceChildren(...(open ? [form()] : []));
    button.setAttribute("aria-expanded", String(open));
  } }, text);
  return button;
}

// ways: act(alias, body) changes it, null removes it; look() asks for the figures again; numbers: whether that is what the
// model predicts.
export function aliasRow(alias, changes, versions, ways) {
  const { act } = ways;
  const before = changes.find((one, i) => i > 0 && (one.version || one.split));
  const more = el("div");
  const back = el("button", { class: "quiet small", id: `rollback-${alias.alias}`, disabled: !before, title: before ? `back to ${target(before)}` : "it never pointed elsewhere",
    onclick: () => act(alias.alias, { rollback: true }) }, before ? `Back to ${target(before)}` : "Nothing to go back to");
  const several = versions.length > 1;
  return el("li", {}, el("div", { class: "head" },
    el("div", {}, el("strong", {}, alias.alias), ` → ${target(alias)} `, el("span", { class: "faint small" }, "since ", when(alias.changed_at), alias.changed_by ? " by " : " by its job", alias.changed_by ? el("code", {}, alias.changed_by) : null)),
    el("div", { class: "actions" }, back, several ? opener("Divide calls …", alias, more, () => splitForm(alias, versions, (body) => act(alias.alias, body))) : null,
      several ? opener("Shadow …", alias, more, () => shadowForm(alias, versions, (body) => act(alias.alias, body))) : null,
      alias.alias === "best" ? null : el("button", { class: "quiet small", "aria-label": `remove the alias ${alias.alias}`, onclick: () => act(alias.alias, null) }, "Remove"))),
  comparison(alias, ways), more);
}

export function newAliasForm(versions, act) {
  const name = el("input", { name: "alias", required: true, pattern: "[a-z0-9][a-z0-9._\\-]{0,62}", title: "Small letters, digits, dot, dash and underscore", placeholder: "production" });
  const version = el("select", { name: "alias-version" }, versions.map((item) => el("option", { value: item.version }, `version ${item.version}`)));
  return el("form", { class: "toolbar", id: "new-alias", onsubmit: (event) => { event.preventDefault(); act(name.value.trim(), { version: Number(version.value) }); } },
    el("label", {}, "New alias", name), el("label", {}, "points to", version), el("button", { class: "quiet" }, "Make"));
}
