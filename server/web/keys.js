// API keys: the list, a new one (its secret is shown once), and revoking.

import { call } from "./api.js";
import { el, problemBox, show } from "./dom.js";

const SCOPES = [
  ["predict", "call models"],
  ["read", "look at datasets, jobs and models"],
  ["train", "upload, tune, deploy; includes the two above"],
  ["admin", "everything, keys included"],
];

function day(time) {
  return time ? time.slice(0, 16).replace("T", " ") : "–";
}

export async function keysPage() {
  const body = el("tbody");
  const out = el("div", { "aria-live": "polite" });
  const more = el("button", { class: "quiet", hidden: true, onclick: () => load(false) }, "Older keys");
  const heads = ["Key", "Id", "May", "Made (UTC)", "Ends (UTC)", ""];
  let cursor = "";

  function row(key) {
    const revoke = el("button", { class: "quiet", "aria-label": `revoke ${key.name}`, onclick: async () => {
      if (!window.confirm(`Revoke ${key.name}? Who uses it is refused within a second.`)) return;
      try {
        await call("DELETE", `/api/v1/keys/${encodeURIComponent(key.id)}`);
        await load(true);
      } catch (problem) {
        out.replaceChildren(problemBox(problem));
      }
    } }, "Revoke");
    return el("tr", {}, el("td", {}, key.name), el("td", { class: "params" }, key.id),
      el("td", {}, key.scopes.join(", "), key.model ? ` (only ${key.model})` : ""),
      el("td", {}, day(key.created_at)), el("td", {}, key.revoked_at ? `revoked ${day(key.revoked_at)}` : day(key.expires_at)),
      el("td", {}, key.usable ? revoke : el("span", { class: "faint" }, "not usable")));
  }

  async function load(fresh) {
    if (fresh) cursor = "";
    const page = await call("GET", `/api/v1/keys?limit=50${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    if (fresh) body.replaceChildren();
    body.append(...page.items.map(row));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
  }

  const name = el("input", { name: "name", required: true, maxlength: 100 });
  const model = el("input", { name: "model", placeholder: "every model" });
  const days = el("input", { name: "days", type: "number", min: 1, placeholder: "never" });
  const boxes = SCOPES.map(([scope, help]) => ({ scope, box: el("input", { type: "checkbox", name: "scope", value: scope, checked: scope === "predict" }), help }));
  const form = el("form", { id: "new-key", onsubmit: async (event) => {
    event.preventDefault();
    try {
      const key = await call("POST", "/api/v1/keys", {
        name: name.value.trim(), scopes: boxes.filter(({ box }) => box.checked).map(({ scope }) => scope),
        model: model.value.trim() || undefined, expires_in_s: days.value ? Number(days.value) * 86400 : undefined });
      out.replaceChildren(el("div", { class: "card", id: "secret" }, el("p", {}, "Copy the key now: it is not shown again."), el("pre", {}, key.key)));
      form.reset();
      await load(true);
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } },
  el("div", { class: "fields" }, el("label", {}, "Name", name), el("label", {}, "Only this model (for predict)", model), el("label", {}, "Ends after days", days)),
  el("fieldset", {}, el("legend", {}, "May"), boxes.map(({ scope, box, help }) => el("label", { class: "check" }, box, el("span", {}, el("strong", {}, scope), ` ${help}`)))),
  el("button", { type: "submit" }, "Make a key"));
  show(el("div", { class: "card" }, el("h1", {}, "New key"), form, out),
    el("div", { class: "card" }, el("h1", {}, "Keys"), el("table", { id: "keys" }, el("thead", {}, el("tr", {}, heads.map((head) => el("th", {}, head)))), body), more));
  await load(true);
}
