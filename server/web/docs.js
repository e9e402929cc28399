// The pages of the guide, and every call of the API with a form that tries it; all of it from this server.

import { headers as secured, session } from "./api.js";
import { el, onFirstOpening, show } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

function resolve(contract, node) {
  return node && node.$ref ? node.$ref.slice(2).split("/").reduce((found, name) => found[name], contract) : node;
}

// `code` in a text of the contract.
function prose(text) {
  return (text || "").split("`").map((part, i) => (i % 2 ? el("code", {}, part) : part));
}

function typeOf(contract, schema) {
  const found = resolve(contract, schema) || {};
  if (found.enum) return found.enum.join(", ");
  return [found.type].flat().filter(Boolean).join(" or ");
}

function example(content) {
  const json = content["application/json"];
  if (!json) return "";
  const value = json.example ?? Object.values(json.examples || {})[0]?.value;
  return value === undefined ? "{}" : JSON.stringify(value, null, 2);
}

// ---- trying a call -----------------------------------------------------------------------------------

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function curlLine(method, address, type, body, file) {
  const parts = ["curl", "-H \"Authorization: Bearer $KEY\""];
  if (method !== "GET") parts.push(`-X ${method}`);
  if (file) parts.push(type === "multipart/form-data" ? `-F file=@${quoted(file.name)}` : `-H 'Content-Type: ${type}' --data-binary @${quoted(file.name)}`);
  else if (body) parts.push(`-H 'Content-Type: ${type}' -d ${quoted(body)}`);
  return `${parts.join(" ")} \\\n  ${quoted(location.origin + address)}`;
}

async function shown(response) {
  const type = response.headers.get("Content-Type") || "";
  if (type.startsWith("text/event-stream")) return "A stream: watch it with curl -N.";
  if (type.startsWith("image/")) return `${type}, ${(await response.blob()).size} bytes`;
  const text = await response.text();
  if (!type.includes("json")) return text.slice(0, 20000);
  return JSON.stringify(JSON.parse(text), null, 2).slice(0, 20000);
}

function tryForm(contract, method, path, parameters, operation) {
  const inputs = parameters.filter((one) => one.in === "path" || one.in === "query").map((one) => ({
    one, input: el("input", { name: one.name, required: one.in === "path", placeholder: typeOf(contract, one.schema) }) }));
  const content = resolve(contract, operation.requestBody)?.content;
  const types = content ? Object.keys(content) : [];
  const type = el("select", { name: "content-type" }, types.map((name) => el("option", { value: name }, name)));
  const body = el("textarea", { name: "body", rows: 8, spellcheck: "false" });
  body.value = content ? example(content) : "";
  const file = el("input", { type: "file", name: "file" });
  const out = el("div", { "aria-live": "polite" });
  const form = el("form", { class: "try", onsubmit: send },
    inputs.length ? el("div", { class: "fields" }, inputs.map(({ one, input }) => el("label", {}, `${one.name}${one.in === "path" ? "" : " (query)"}`, input))) : null,
    types.length ? el("div", {}, el("label", {}, "Content type", type), el("label", {}, "Body", body), el("label", {}, "or a file", file)) : null,
    el("p", {}, el("button", { type: "submit" }, "Send")), out);

  async function send(event) {
    event.preventDefault();
    const query = new URLSearchParams();
    let address = path;
    for (const { one, input } of inputs) {
      if (one.in === "path") address = address.replace(`{${one.name}}`, encodeURIComponent(input.value));
      else if (input.value !== "") query.append(one.name, input.value);
    }
    if ([...query].length) address += `?${query}`;
    const chosen = file.files[0];
    let payload = types.length && body.value.trim() ? body.value : undefined;
    const head = secured(method);
    if (chosen && type.value === "multipart/form-data") {
      payload = new FormData();
      payload.append("file", chosen, chosen.name);
    } else if (chosen) payload = chosen;
    if (payload !== undefined && !(payload instanceof FormData)) head["Content-Type"] = type.value;
    const line = curlLine(method, address, type.value, body.value.trim(), chosen);
    const started = performance.now();
    try {
      const response = await fetch(address, { method, headers: head, body: payload, credentials: "same-origin" });
      const took = performance.now() - started;
      out.replaceChildren(el("p", { class: response.ok ? "" : "problem" }, `${response.status} ${response.statusText}, in ${took.toFixed(0)} ms`),
        el("pre", {}, await shown(response)), el("p", { class: "faint" }, "The same with curl:"), el("pre", {}, line));
    } catch (problem) {
      out.replaceChildren(el("p", { class: "problem" }, problem.message));
    }
  }
  return form;
}

// ---- the reference -----------------------------------------------------------------------------------

function details(contract, method, path, item, operation) {
  const parameters = [...(item.parameters || []), ...(operation.parameters || [])].map((one) => resolve(contract, one));
  const responses = Object.entries(operation.responses || {}).sort().map(([status, response]) =>
    el("tr", {}, el("td", {}, status), el("td", {}, ...prose(resolve(contract, response).description))));
  const told = parameters.map((one) => el("tr", {}, el("td", {}, el("code", {}, one.name)), el("td", {}, one.in),
    el("td", {}, typeOf(contract, one.schema)), el("td", {}, ...prose(one.description))));
  return [el("p", {}, ...prose(operation.description)),
    told.length ? el("table", {}, el("tbody", {}, told)) : null,
    el("h3", {}, "Answers"), el("table", {}, el("tbody", {}, responses)),
    el("h3", {}, "Try it"), tryForm(contract, method, path, parameters, operation)];
}

function card(contract, method, path, item, operation) {
  const inside = el("div");
  const box = el("details", { class: "card", id: operation.operationId },
    el("summary", {}, el("code", {}, `${method.toUpperCase()} ${path}`), ` ${operation.summary || ""}`), inside);
  // Built when it is opened: there are many, and most stay closed.
  onFirstOpening(box, () => inside.append(...details(contract, method.toUpperCase(), path, item, operation).filter(Boolean)));
  return box;
}

export async function docsPage() {
  const [contract, pages] = await Promise.all([
    fetch("/openapi.json").then((response) => response.json()), fetch("/assets/docs-pages.json").then((response) => response.json())]);
  await session();
  const groups = new Map((contract.tags || []).map((tag) => [tag.name, { tag, cards: [] }]));
  for (const [path, item] of Object.entries(contract.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const name = (item[method].tags || ["service"])[0];
      if (!groups.has(name)) groups.set(name, { tag: { name }, cards: [] });
      groups.get(name).cards.push(card(contract, method, path, item, item[method]));
    }
  }
  show(el("div", { class: "card" }, el("h1", {}, contract.info.title), el("p", {}, ...prose(contract.info.description)),
    el("ul", { id: "pages" }, pages.map((page) => el("li", {}, el("a", { href: `/docs/${page.name}` }, page.title)))),
    el("p", {}, el("a", { href: "/openapi.json" }, "The contract as JSON"), ". Calls below are made with the key you signed in with.")),
  ...[...groups.values()].filter((group) => group.cards.length).flatMap(({ tag, cards }) =>
    [el("h2", {}, tag.name), el("p", { class: "faint" }, tag.description || ""), ...cards]));
  const wanted = document.getElementById(location.hash.slice(1));
  if (wanted) {
    wanted.open = true;
    wanted.scrollIntoView();
  }
}
