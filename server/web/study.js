// Studies: the list.

import { all } from "./api.js";
import { card, el, show, state, table, title, when } from "./dom.js";

export async function studiesPage() {
  title("Studies");
  const studies = await all("/api/v1/studies", 500);
  show(el("h1", {}, "Studies"), card(null, studies.length
    ? table(["Study", "State", "Made"], studies.map((study) => [el("a", { href: `/studies/${encodeURIComponent(study.id)}` }, study.name || study.id), state(study.state || ""), when(study.created_at)]), { id: "studies" })
    : el("p", {}, "No study yet. With one, your own training code asks for hyperparameters and tells its score: ", el("a", { href: "/docs/studies" }, "see how"), ".")));
}
