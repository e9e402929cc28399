// Webhooks: addresses that are called when something happens, and what came of the calls.

import { call, get } from "./api.js";
import { agree, copyButton, el, problemBox, state, swap, table, when } from "./dom.js";

async function eventNames() {
  const contract = await get("/openapi.json");
  return contract.components.schemas.WebhookEvent.enum;
}

function secretCard(hook) {
  return el("div", { class: "card", id: "webhook-secret" }, el("div", { class: "head" }, el("p", {}, el("strong", {}, "Copy the secret now"), ": it is not shown again. Bodies are signed with it; see ", el("a", { href: "/docs/webhooks" }, "how to check"), "."), copyButton(hook.secret)),
    el("pre", { tabindex: "0" }, hook.secret));
}

function newForm(events, out, done) {
  const url = el("input", { name: "url", type: "url", required: true, maxlength: 2000, placeholder: "https://example.org/attune" });
  const boxes = events.map((name) => el("input", { type: "checkbox", name: "event", value: name, checked: name === "job.succeeded" || name === "job.failed" }));
  return el("form", { id: "new-webhook", onsubmit: async (event) => {
    event.preventDefault();
    try {
      const hook = await call("POST", "/api/v1/webhooks", { url: url.value.trim(), events: boxes.filter((box) => box.checked).map((box) => box.value) });
      out.replaceChildren(secretCard(hook));
      event.target.reset();
      await done();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  } }, el("label", {}, "Address", url), el("fieldset", {}, el("legend", {}, "Call it on"), el("div", { class: "events" }, boxes.map((box) => el("label", { class: "check" }, box, box.value)))),
  el("button", { type: "submit" }, "Make a webhook"));
}

async function deliveries(hook, box) {
  const page = await get(`/api/v1/webhooks/${encodeURIComponent(hook.id)}/deliveries?limit=20`);
  swap(box, page.items.length ? table(["Event", "State", { text: "Calls", number: true }, "Last answer", "Made", "Next"],
    page.items.map((one) => [one.event, state(one.state), String(one.attempts), one.last_error || (one.last_status ? String(one.last_status) : "–"), when(one.created_at), one.next_at ? when(one.next_at) : ""]),
    { "aria-label": `deliveries to ${hook.url}` }) : el("p", { class: "faint" }, "Nothing was delivered yet."));
}

function item(hook, out, done) {
  const box = el("div", { "aria-live": "polite" });
  const act = (work) => async () => {
    try {
      await work();
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  };
  return el("li", {}, el("div", { class: "head" }, el("div", {}, el("strong", {}, hook.url), el("div", { class: "faint small" }, hook.events.join(", "))),
    el("div", { class: "actions" },
      el("button", { class: "quiet small", "aria-label": `test ${hook.url}`, onclick: act(async () => {
        await call("POST", `/api/v1/webhooks/${encodeURIComponent(hook.id)}/test`);
        await deliveries(hook, box);
      }) }, "Test"),
      el("button", { class: "quiet small", "aria-label": `deliveries to ${hook.url}`, onclick: act(() => deliveries(hook, box)) }, "Deliveries"),
      el("button", { class: "quiet small", "aria-label": `remove ${hook.url}`, onclick: act(async () => {
        if (!(await agree("Remove this webhook?", "Remove", "What is still to be delivered is given up."))) return;
        await call("DELETE", `/api/v1/webhooks/${encodeURIComponent(hook.id)}`);
        await done();
      }) }, "Remove"))), box);
}

export async function webhooksView() {
  const list = el("div");
  const out = el("div", { "aria-live": "polite" });
  async function load() {
    const page = await get("/api/v1/webhooks?limit=100");
    swap(list, page.items.length ? el("ul", { class: "plain", id: "webhooks" }, page.items.map((hook) => item(hook, out, load))) : el("p", { class: "faint" }, "None yet."));
  }
  const events = await eventNames();
  await load();
  return el("div", {}, el("section", { class: "card" }, el("h2", {}, "New webhook"), newForm(events, out, load), out), el("section", { class: "card" }, el("h2", {}, "Webhooks"), list));
}
