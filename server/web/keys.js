// API keys: the list, a new one (its secret is shown once), and revoking.

import { call, get } from "./api.js";
import { agree, copyButton, el, problemBox, swap, table, when } from "./dom.js";

const SCOPES = [
  ["predict", "call models"],
  ["read", "look at datasets, jobs and models"],
  ["train", "upload, tune, deploy; includes the two above"],
  ["admin", "everything, keys included"],
];
const DAY_S = 86400;

function secretCard(key) {
  return el("div", { class: "card", id: "secret" }, el("div", { class: "head" }, el("p", {}, el("strong", {}, "Copy the key now"), ": it is not shown again."), copyButton(key.key)),
    el("pre", { tabindex: "0" }, key.key));
}

function newKeyForm(models, out, done) {
  const name = el("input", { name: "name", required: true, maxlength: 100 });
  const model = el("input", { name: "model", placeholder: "every model", list: "model-names" });
  const days = el("input", { name: "days", type: "number", min: 1, placeholder: "never" });
  const boxes = SCOPES.map(([scope, help]) => ({ scope, box: el("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "predict" }), help }));
  const form = el("form", { id: "new-key", onsubmit: async (event) => {
    event.preventDefault();
    try {
      const key = await call("POST", "/api/v1/keys", {
        name: name.value.trim(), scopes: boxes.filter(({ box }) => box.checked).map(({ scope }) => scope),
        model: model.value.trim() || undefined, expires_in_s: days.value ? Number(days.value) * DAY_S : undefined });
      out.replaceChildren(secretCard(key));
      form.reset();
      await done();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } },
  el("div", { class: "fields" }, el("label", {}, "Name", name), el("label", {}, "Only this model (for predict)", model), el("label", {}, "Ends after days", days)),
  el("datalist", { id: "model-names" }, models.map((one) => el("option", { value: one.name }))),
  el("fieldset", {}, el("legend", {}, "May"), boxes.map(({ scope, box, help }) => el("label", { class: "check" }, box, el("span", {}, el("strong", {}, scope), ` ${help}`)))),
  el("button", { type: "submit" }, "Make a key"));
  return form;
}

export async function keysView() {
  const list = el("div");
  const out = el("div", { "aria-live": "polite" });
  const more = el("button", { class: "quiet", hidden: true, onclick: () => load(false) }, "Older keys");
  const heads = ["Key", "Id", "May", "Made", "Ends", ""];
  let rows = [];
  let cursor = "";

  function row(key) {
    const revoke = el("button", { class: "quiet small", "aria-label": `revoke ${key.name}`, onclick: async () => {
      if (!(await agree(`Revoke ${key.name}?`, "Revoke", "Whoever uses it is refused within a second. This can't be undone."))) return;
      try {
        await call("DELETE", `/api/v1/keys/${encodeURIComponent(key.id)}`);
        await load(true);
      } catch (problem) {
        out.replaceChildren(problemBox(problem));
      }
    } }, "Revoke");
    return [key.name, el("code", {}, key.id), `${key.scopes.join(", ")}${key.model ? ` (only ${key.model})` : ""}`, when(key.created_at),
      key.revoked_at ? el("span", {}, "revoked ", when(key.revoked_at)) : key.expires_at ? when(key.expires_at) : "never", key.usable ? revoke : el("span", { class: "faint" }, "not usable")];
  }

  async function load(fresh) {
    if (fresh) {
      cursor = "";
      rows = [];
    }
    const page = await get(`/api/v1/keys?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    rows.push(...page.items.map(row));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    swap(list, table(heads, rows, { id: "keys", "aria-label": "keys" }));
  }

  const models = await get("/api/v1/models?limit=100").catch(() => ({ items: [] }));
  await load(true);
  return el("div", {}, el("section", { class: "card" }, el("h2", {}, "New key"), newKeyForm(models.items, out, () => load(true)), out),
    el("section", { class: "card" }, el("h2", {}, "Keys"), list, more));
}
