// Calls to Attune's own API, with the session cookie and the page's CSRF token. What goes wrong on the way is told in
// words: a lost connection and a server that restarts are waited for, an ended session is renewed on the spot.

import { askForKey } from "./expired.js";

const WAITS_MS = [400, 900, 1800, 3500];
const AWAY = new Set([502, 503, 504]);

let csrf = "";

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.hint = body.hint || "";
    this.faults = body.faults || [];
  }
}

// What every call with the session cookie must carry.
export function headers(method) {
  const result = { Accept: "application/json, */*;q=0.5" };
  if (csrf && method !== "GET") result["X-CSRF-Token"] = csrf;
  return result;
}

// A line above the page while the server can't be reached; "" takes it away.
export function banner(text) {
  const line = document.getElementById("banner");
  line.textContent = text;
  line.hidden = !text;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function broken(method) {
  return new Problem(0, { code: "connection_lost", detail: method === "GET"
    ? "The server can't be reached. Is it running, and is this computer online? The page goes on by itself once it answers."
    : "The connection broke before the server answered, so this may have been done or not. Reload the page to see, then try again if it was not." });
}

async function read(response) {
  const text = await response.text();
  if (!text) return {};
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

// Reading may be tried again without harm; anything else only when the server said that it did nothing.
async function send(method, path, payload, more, signal) {
  for (let turn = 0; ; turn++) {
    let response = null;
    try {
      response = await fetch(path, { method, headers: { ...headers(method), ...more }, body: payload, credentials: "same-origin", signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (method !== "GET" || turn === WAITS_MS.length) throw broken(method);
    }
    if (response && (!AWAY.has(response.status) || turn === WAITS_MS.length)) {
      banner("");
      return response;
    }
    banner(response ? "The server is starting or busy. Trying again …" : "Connection lost. Trying again …");
    await pause(WAITS_MS[turn]);
  }
}

// The answer's JSON. `options`: signal (AbortSignal), headers, plain (an ended session is the caller's matter).
export async function call(method, path, body, options = {}) {
  const more = { ...options.headers };
  let payload;
  if (body instanceof Blob) {
    more["Content-Type"] = body.type || "application/octet-stream";
    payload = body;
  } else if (body !== undefined) {
    more["Content-Type"] = "application/json";
    payload = JSON.stringify(body);
  }
  for (;;) {
    const response = await send(method, path, payload, more, options.signal);
    const value = await read(response);
    if (response.ok) return value;
    if (response.status !== 401 || options.plain) throw new Problem(response.status, value);
    await askForKey((secret) => signIn(secret));
  }
}

export const get = (path, options) => call("GET", path, undefined, options);

// Every page of a list, up to `most` items.
export async function all(path, most = 1000, options = {}) {
  const items = [];
  let cursor = "";
  do {
    const url = `${path}${path.includes("?") ? "&" : "?"}limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`;
    const page = await get(url, options);
    items.push(...page.items);
    cursor = page.next_cursor || "";
  } while (cursor && items.length < most);
  return items;
}

// Who is signed in, or null.
export async function session() {
  try {
    const value = await call("GET", "/api/v1/session", undefined, { plain: true });
    csrf = value.csrf || "";
    return value.signed_in === false ? null : value;
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export async function signIn(secret) {
  const value = await call("POST", "/api/v1/session", secret, { plain: true });
  csrf = value.csrf || "";
}

export async function signOut() {
  await call("DELETE", "/api/v1/session", undefined, { plain: true });
}

// Sends a form with files; onProgress gets the share that has gone out (fetch can't tell it).
export function upload(path, form, onProgress, signal, more = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries({ ...headers("POST"), ...more })) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new Problem(0, { code: "connection_lost", detail: "The connection broke before the upload was answered. Your file is still chosen: send it again once the server answers." })));
    request.addEventListener("abort", () => reject(new Problem(0, { code: "stopped", detail: "The upload was stopped. Nothing was stored." })));
    request.addEventListener("load", async () => {
      const value = await read(new Response(request.responseText));
      if (request.status >= 200 && request.status < 300) return resolve(value);
      if (request.status !== 401) return reject(new Problem(request.status, value));
      await askForKey((secret) => signIn(secret));
      return resolve(upload(path, form, onProgress, signal, more));
    });
    if (signal) signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
