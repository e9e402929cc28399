// The list of jobs, newest first.

import { call } from "./api.js";
import { el, number, seconds, show, state, swap } from "./dom.js";

function row(job) {
  const best = job.best ? `${number(job.best.value)} ${job.best.metric || ""}` : "–";
  const trials = job.trials || {};
  return el("tr", {},
    el("td", {}, el("a", { href: `/jobs/${job.id}` }, job.name || job.id)),
    el("td", {}, state(job.state)),
    el("td", { class: "number" }, `${Math.round(100 * (job.progress || 0))} %`),
    el("td", { class: "number" }, best),
    el("td", { class: "number" }, String(trials.done || 0)),
    el("td", { class: "number" }, seconds(job.elapsed_s)),
    el("td", {}, job.model ? el("a", { href: `/models/${job.model.name}` }, job.model.name) : ""));
}

const example = `curl -H "Authorization: Bearer $KEY" -F file=@data.csv -F target=COLUMN -F seconds=60 -F name=my-model \\
  "${location.origin}/api/v1/train"`;

export async function jobsPage() {
  let cursor = "";
  let timer = 0;
  const body = el("tbody", {});
  const more = el("button", { class: "quiet", hidden: true, onclick: () => load(false) }, "Older jobs");
  const empty = el("div", { hidden: true }, el("p", {}, "No job yet. Start one with the button above, or from a terminal:"), el("pre", {}, example));
  const heads = ["Job", "State", "Progress", "Best score", "Trials done", "Time", "Model"];
  show(el("div", { class: "card" }, el("div", { class: "head" }, el("h1", {}, "Jobs"), el("a", { class: "button", href: "/jobs/new" }, "New job")),
    el("div", { class: "wide", role: "region", tabindex: "0", "aria-label": "jobs" },
      el("table", { id: "jobs" }, el("thead", {}, el("tr", {}, heads.map((head, i) => el("th", { class: i > 1 && i < 6 ? "number" : "" }, head)))), body)),
    empty, more));

  async function load(fresh) {
    const query = fresh || !cursor ? "?limit=50" : `?limit=50&cursor=${encodeURIComponent(cursor)}`;
    const page = await call("GET", `/api/v1/jobs${query}`);
    if (fresh) swap(body, ...page.items.map(row));
    else body.append(...page.items.map(row));
    cursor = page.next_cursor || "";
    more.hidden = !cursor;
    empty.hidden = body.children.length > 0;
    clearTimeout(timer);
    // Only the first page is kept fresh: an older page is being read.
    if (body.children.length <= 50) timer = setTimeout(() => load(true), 3000);
  }
  await load(true);
}
