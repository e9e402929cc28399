// When a session has ended under an open page: asks for a key where one is, so that nothing typed is lost.

import { el, problemBox } from "./dom.js";

let asking = null;

// Resolves once `signIn` has taken a key. Several calls at once ask once.
export function askForKey(signIn) {
  asking ||= new Promise((resolve) => {
    const out = el("div");
    const key = el("input", { name: "key", type: "password", autocomplete: "current-password", required: true });
    const box = el("dialog", { id: "expired", "aria-labelledby": "expired-title" },
      el("form", { onsubmit: async (event) => {
        event.preventDefault();
        try {
          await signIn({ key: key.value.trim() });
          asking = null;
          box.close();
          box.remove();
          resolve();
        } catch (problem) {
          out.replaceChildren(problemBox(problem));
        }
      } },
      el("h2", { id: "expired-title" }, "Your session has ended"),
      el("p", {}, "Sign in again and the page goes on where it was; nothing you typed is lost."),
      el("label", {}, "API key", key),
      el("p", { class: "actions" }, el("button", { type: "submit" }, "Sign in"),
        el("a", { href: `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}` }, "Leave the page")), out));
    // Without a session nothing on the page can go on; a second Escape closes a dialog all the same.
    box.addEventListener("cancel", (event) => event.preventDefault());
    box.addEventListener("close", () => { if (asking) box.showModal(); });
    document.body.append(box);
    box.showModal();
  });
  return asking;
}
