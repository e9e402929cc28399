// Calls to Attune's own API, with the session cookie and the page's CSRF token.

let csrf = "";

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body.code || "";
    this.faults = body.faults || [];
  }
}

// What every call with the session cookie must carry.
export function headers(method) {
  const result = { Accept: "application/json, */*;q=0.5" };
  if (csrf && method !== "GET") result["X-CSRF-Token"] = csrf;
  return result;
}

export async function call(method, path, body) {
  const head = headers(method);
  let payload;
  if (body instanceof Blob) {
    head["Content-Type"] = body.type || "application/octet-stream";
    payload = body;
  } else if (body !== undefined) {
    head["Content-Type"] = "application/json";
    payload = JSON.stringify(body);
  }
  const response = await fetch(path, { method, headers: head, body: payload, credentials: "same-origin" });
  const text = await response.text();
  let value = {};
  if (text) {
    try {
      value = JSON.parse(text);
    } catch {
      value = { detail: text.slice(0, 200) };
    }
  }
  if (!response.ok) throw new Problem(response.status, value);
  return value;
}

// Who is signed in, or null.
export async function session() {
  try {
    const value = await call("GET", "/api/v1/session");
    csrf = value.csrf || "";
    return value.signed_in === false ? null : value;
  } catch (problem) {
    if (problem.status === 401) return null;
    throw problem;
  }
}

export async function signIn(secret) {
  const value = await call("POST", "/api/v1/session", secret);
  csrf = value.csrf || "";
}

export async function signOut() {
  await call("DELETE", "/api/v1/session");
}

// Sends a form with files; onProgress gets the share that has gone out (fetch can't tell it).
export function upload(path, form, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    for (const [name, value] of Object.entries(headers("POST"))) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("error", () => reject(new Problem(0, { detail: "The connection broke before the upload was answered. Try again." })));
    request.addEventListener("load", () => {
      let value = {};
      try {
        value = JSON.parse(request.responseText);
      } catch {
        value = { detail: request.responseText.slice(0, 200) };
      }
      if (request.status >= 200 && request.status < 300) resolve(value);
      else reject(new Problem(request.status, value));
    });
    request.send(form);
  });
}
