// The API as /openapi.json tells it, readable without a network.

import { el, show } from "./dom.js";

export async function docsPage() {
  const spec = await (await fetch("/openapi.json")).json();
  const cards = Object.entries(spec.paths).flatMap(([path, item]) => Object.entries(item)
    .filter(([method]) => ["get", "post", "put", "patch", "delete"].includes(method))
    .map(([method, operation]) => el("details", { class: "card" },
      el("summary", {}, `${method.toUpperCase()} ${path}: ${operation.summary || ""}`),
      el("p", {}, operation.description || ""),
      el("table", {}, el("tbody", {}, Object.entries(operation.responses || {}).map(([status, response]) =>
        el("tr", {}, el("td", {}, status), el("td", {}, response.description || (response.$ref || "").split("/").pop()))))))));
  show(el("h1", {}, spec.info.title), el("p", {}, spec.info.description || ""), el("p", {}, el("a", { href: "/openapi.json" }, "The contract as JSON")), ...cards);
}
