// Settings: keys, webhooks, what was used, and who did what. Each has its place in the address (?section=…).

import { session } from "./api.js";
import { auditView } from "./audit.js";
import { el, show, tabs, title } from "./dom.js";
import { keysView } from "./keys.js";
import { usageView } from "./usage.js";
import { webhooksView } from "./webhooks.js";

export async function settingsPage() {
  title("Settings");
  const who = await session();
  show(el("div", { class: "head" }, el("h1", {}, "Settings"),
    el("p", { class: "faint small" }, "Signed in with the key ", el("strong", {}, who?.name || ""), `, which may ${(who?.scopes || []).join(", ")}.`)),
  tabs("section", [["keys", "Keys", keysView], ["webhooks", "Webhooks", webhooksView], ["usage", "Usage", usageView], ["audit", "Audit", auditView]]));
}
