// Follows a stream of server-sent events without losing one: after a break it asks on from the last id it saw.

import { banner } from "./api.js";

const LEAST_WAIT_MS = 500;
const MOST_WAIT_MS = 8000;

// Hands each whole event of `text` to `take`; returns what is left.
function split(text, take) {
  const blocks = text.split(/\r?\n\r?\n/);
  const rest = blocks.pop();
  for (const block of blocks) {
    const event = { id: "", kind: "message", data: "" };
    for (const line of block.split(/\r?\n/)) {
      const at = line.indexOf(":");
      const value = line.slice(at + 1).replace(/^ /, "");
      if (at <= 0) continue;
      if (line.startsWith("id:")) event.id = value;
      else if (line.startsWith("event:")) event.kind = value;
      else if (line.startsWith("data:")) event.data += (event.data ? "\n" : "") + value;
    }
    if (event.data || event.id) take(event);
  }
  return rest;
}

// onEvent(kind, data, id). onState("live" | "away" | "ended" | "signed_out" | "gone"). `from`: the id after which to
// begin, else all that is kept is told again. Returns a function that ends it.
export function follow(path, onEvent, onState = () => {}, from = "") {
  const end = new AbortController();
  let last = String(from);
  let wait = LEAST_WAIT_MS;

  async function once() {
    const headers = { Accept: "text/event-stream" };
    if (last) headers["Last-Event-ID"] = last;
    const response = await fetch(path, { headers, credentials: "same-origin", signal: end.signal, cache: "no-store" });
    if (response.status === 204) return "ended";
    if (response.status === 401 || response.status === 403) return "signed_out";
    if (response.status === 404) return "gone";
    if (!response.ok) return "away";
    banner("");
    onState("live");
    wait = LEAST_WAIT_MS;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return "away";
      text = split(text + value, (event) => {
        if (event.id) last = event.id;
        let data = {};
        try {
          data = JSON.parse(event.data);
        } catch {
          // A comment or a keep-alive.
        }
        onEvent(event.kind, data, event.id);
      });
    }
  }

  (async () => {
    while (!end.signal.aborted) {
      let how = "away";
      try {
        how = await once();
      } catch {
        if (end.signal.aborted) return;
      }
      onState(how);
      if (how !== "away") return;
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(MOST_WAIT_MS, 2 * wait);
    }
  })();
  return () => end.abort();
}
