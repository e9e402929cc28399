// Chooses the page by the address; asks for a sign-in first where one is needed.

import { session, signIn, signOut } from "./api.js";
import { datasetPage, datasetsPage } from "./datasets.js";
import { docsPage } from "./docs.js";
import { el, problemBox, show } from "./dom.js";
import { jobPage } from "./job.js";
import { jobsPage } from "./jobs.js";
import { keysPage } from "./keys.js";
import { modelPage, modelsPage } from "./models.js";
import { newJobPage } from "./new_job.js";

function signInPage() {
  const out = el("div");
  const key = el("input", { name: "key", type: "password", autocomplete: "current-password", required: true, autofocus: true });
  async function enter(secret) {
    try {
      await signIn(secret);
      const next = new URLSearchParams(location.search).get("next") || "/";
      location.replace(next.startsWith("/") && !next.startsWith("//") ? next : "/");
    } catch (problem) {
      out.replaceChildren(problemBox(problem));
    }
  }
  const form = el("form", { id: "sign-in", onsubmit: (event) => { event.preventDefault(); enter({ key: key.value.trim() }); } },
    el("label", {}, "API key", key), el("p", {}, el("button", { type: "submit" }, "Sign in")), out);
  show(el("div", { class: "card narrow" }, el("h1", {}, "Sign in"),
    el("p", { class: "faint" }, "With an API key. The admin key is in the file admin.key of the data directory; attuned --sign-in-url prints a link that needs none."), form));
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) {
    // The code is used up at once; it must not stay in the address or the history.
    history.replaceState(null, "", location.pathname + location.search);
    enter({ code });
  }
}

async function page() {
  const parts = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (parts[0] === "docs") return docsPage();
  if (parts[0] === "sign-in") return signInPage();
  if (!(await session())) {
    location.replace(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return undefined;
  }
  const out = document.getElementById("sign-out");
  out.hidden = false;
  out.addEventListener("click", async () => {
    await signOut();
    location.replace("/sign-in");
  });
  if (parts[0] === "jobs" && parts[1]) return parts[1] === "new" ? newJobPage() : jobPage(parts[1]);
  if (parts[0] === "datasets") return parts[1] ? datasetPage(parts[1]) : datasetsPage();
  if (parts[0] === "keys") return keysPage();
  if (parts[0] === "models") return parts[1] ? modelPage(parts[1]) : modelsPage();
  return jobsPage();
}

page().catch((problem) => show(problemBox(problem)));
