// Chooses the page by the address; asks for a sign-in first where one is needed. A page's code is only loaded when it
// is shown.

import { session, signIn, signOut } from "./api.js";
import { dropped, el, problemBox, show, title } from "./dom.js";

// What each page's code imports in turn: filled in when the pages are built in (embed.py), so that a browser asks for all
// of it at once instead of after reading the one before.
const NEEDS = {};

// An address's parts, "*" for any name, the code of the page, and what shows it. The first that fits is taken.
const PAGES = [
  [["jobs", "new"], "new_job.js", (page) => page.newJobPage()],
  [["jobs", "*", "search"], "explain.js", (page, id) => page.jobSearchPage(id)],
  [["jobs", "*"], "job.js", (page, id) => page.jobPage(id)],
  [["jobs"], "jobs.js", (page) => page.jobsPage()],
  [["compare"], "compare.js", (page) => page.comparePage("jobs")],
  [["compare", "models"], "compare.js", (page) => page.comparePage("models")],
  [["range-tests", "*"], "range_test.js", (page, id) => page.rangeTestPage(id)],
  [["studies", "*"], "study.js", (page, id) => page.studyPage(id)],
  [["studies"], "study.js", (page) => page.studiesPage()],
  [["datasets", "*"], "datasets.js", (page, id) => page.datasetPage(id)],
  [["datasets"], "datasets.js", (page) => page.datasetsPage()],
  [["models", "*", "try"], null, (page, name) => location.replace(`/models/${encodeURIComponent(name)}?view=try`)],
  [["models", "*"], "model.js", (page, name) => page.modelPage(name)],
  [["models"], "models.js", (page) => page.modelsPage()],
  [["settings"], "settings.js", (page) => page.settingsPage()],
  [["keys"], "settings.js", (page) => page.settingsPage()],
  [[], "home.js", (page) => page.homePage()],
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

// Begins to load the page's code; returns what shows it.
function find(parts) {
  const found = PAGES.find(([pattern]) => pattern.length === parts.length && pattern.every((word, i) => word === "*" || word === parts[i]));
  if (!found) return null;
  const [pattern, file, open] = found;
  for (const name of (file && NEEDS[file]) || []) document.head.append(el("link", { rel: "modulepreload", href: `/assets/${name}` }));
  const loading = file ? import(`./${file}`) : Promise.resolve(null);
  loading.catch(() => { /* told when it is waited for */ });
  return async () => open(await loading, ...parts.filter((_, i) => pattern[i] === "*"));
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
  const open = find(parts);
  if (!(await session())) {
    location.replace(`/sign-in?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
    return undefined;
  }
  offerSignOut();
  catchDrops();
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
