// Chooses the page by the address; asks for a sign-in first where one is needed. A page's code is only loaded when it
// is shown.

import { session, signIn, signOut } from "./api.js";
import { dropped, el, problemBox, show, title } from "./dom.js";

// An address's parts, "*" for any name, and what shows it. The first that fits is taken.
const PAGES = [
  [["jobs", "new"], async () => (await import("./new_job.js")).newJobPage()],
  [["jobs", "*", "search"], async (id) => (await import("./explain.js")).jobSearchPage(id)],
  [["jobs", "*"], async (id) => (await import("./job.js")).jobPage(id)],
  [["jobs"], async () => (await import("./jobs.js")).jobsPage()],
  [["compare"], async () => (await import("./compare.js")).comparePage()],
  [["range-tests", "*"], async (id) => (await import("./range_test.js")).rangeTestPage(id)],
  [["studies", "*"], async (id) => (await import("./study.js")).studyPage(id)],
  [["studies"], async () => (await import("./study.js")).studiesPage()],
  [["datasets", "*"], async (id) => (await import("./datasets.js")).datasetPage(id)],
  [["datasets"], async () => (await import("./datasets.js")).datasetsPage()],
  [["models", "*", "try"], async (name) => location.replace(`/models/${encodeURIComponent(name)}?view=try`)],
  [["models", "*"], async (name) => (await import("./model.js")).modelPage(name)],
  [["models"], async () => (await import("./models.js")).modelsPage()],
  [["settings"], async () => (await import("./settings.js")).settingsPage()],
  [["keys"], async () => (await import("./settings.js")).settingsPage()],
  [[], async () => (await import("./home.js")).homePage()],
];

function signInPage() {
  const out = el("div");
  const key = el("input", { name: "key", type: "password", autocomplete: "current-password", required: true });
  async function enter(secret) {
    try {
      await signIn(secret);
      const next = new URLSearchParams(location.search).get("next") || "/";
      const there = new URL(next, location.origin);
      location.replace(there.origin === location.origin ? there.href : "/");
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }
  const form = el("form", { id: "sign-in", onsubmit: (event) => { event.preventDefault(); enter({ key: key.value.trim() }); } },
    el("label", {}, "API key", key), el("p", {}, el("button", { type: "submit" }, "Sign in")), out);
  title("Sign in");
  show(el("div", { class: "card narrow" }, el("h1", {}, "Sign in"),
    el("p", { class: "faint" }, "With an API key. The admin key is in the file admin.key of the data directory; attuned --sign-in-url prints a link that needs none."), form));
  key.focus();
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    // The code is used up at once; it must not stay in the address or the history.
    history.replaceState(null, "", location.pathname + location.search);
    enter({ code });
  }
}

// Marks where one is.
function markPlace(first) {
  for (const link of document.querySelectorAll("header nav a"))
    if (link.getAttribute("href") === `/${first || ""}`) link.setAttribute("aria-current", "page");
}

function offerSignOut() {
  const out = document.getElementById("sign-out");
  out.hidden = false;
  out.addEventListener("click", async () => {
    await signOut();
    location.replace("/sign-in");
  });
}

function find(parts) {
  for (const [pattern, open] of PAGES)
    if (pattern.length === parts.length && pattern.every((word, i) => word === "*" || word === parts[i]))
      return () => open(...parts.filter((_, i) => pattern[i] === "*"));
  return null;
}

// A browser would leave the page for a file that is dropped where none is taken: it begins a dataset instead.
function catchDrops() {
  const has = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files") && !event.defaultPrevented;
  window.addEventListener("dragover", (event) => { if (has(event)) event.preventDefault(); });
  window.addEventListener("drop", async (event) => {
    if (!has(event)) return;
    event.preventDefault();
    if (document.querySelector("dialog[open]")) return;
    const found = dropped(event);
    (await import("./upload.js")).uploadDialog(found);
  });
}

async function page() {
  const parts = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  markPlace(parts[0]);
  if (location.pathname === "/docs") return (await import("./docs.js")).docsPage();
  if (parts[0] === "sign-in") return signInPage();
  if (!(await session())) {
    location.replace(`/sign-in?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
    return undefined;
  }
  offerSignOut();
  catchDrops();
  const open = find(parts);
  if (open) return open();
  title("No such page");
  return show(el("div", { class: "card narrow", id: "no-page" }, el("h1", {}, "There is no such page"), el("p", {}, "The address has a slip, or the page is of another release."),
    el("p", {}, el("a", { class: "button", href: "/" }, "To the start"))));
}

page().catch((problem) => {
  title("Not shown");
  show(el("div", { class: "narrow", id: "not-shown" }, el("h1", {}, "This page can't be shown"), problemBox(problem),
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => location.reload() }, "Try again"), el("a", { href: "/" }, "To the start"))));
});
