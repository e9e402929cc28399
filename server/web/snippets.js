// A prediction from an app: the lines in six languages, with the values of the form and a key made on the spot.

import { call } from "./api.js";
import { back, copyButton, el, problemBox } from "./dom.js";

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const literal = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
// Go knows no halves of a letter.
const goText = (text) => JSON.stringify(text).replace(/[\u{7f}-\u{10ffff}]/gu, (letter) => `\\U${letter.codePointAt(0).toString(16).padStart(8, "0")}`);

// Python's and JSON's literals differ in three words.
function python(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, inner]) => `${literal(name)}: ${python(inner)}`).join(", ")}}`;
  return typeof value === "string" ? literal(value) : String(value);
}

// JSON as a program's own literal, where a member __proto__ must be written as computed to be one.
function script(value) {
  if (Array.isArray(value)) return `[${value.map(script).join(", ")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([name, inner]) => `${name === "__proto__" ? '["__proto__"]' : JSON.stringify(name)}: ${script(inner)}`).join(", ")} }`;
}

// A C string; other letters than ASCII as bytes, and a letter after an escape never becomes a part of it.
function cText(text) {
  let made = "";
  for (const byte of new TextEncoder().encode(text)) {
    const letter = String.fromCharCode(byte);
    made += letter === '"' || letter === "\\" || letter === "?" ? `\\${letter}` : byte >= 32 && byte < 127 ? letter : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return `"${made}"`;
}

const urlOf = (model) => `${location.origin}/api/v1/models/${encodeURIComponent(model).replaceAll("%40", "@")}/predict`;

// body: {rows: …}, or null for an image in a file.
export function curlOf(model, body, key) {
  const data = body ? `-d ${quoted(JSON.stringify(body))}` : "-H 'Content-Type: image/png' --data-binary @image.png";
  return `curl ${urlOf(model)} \\\n  -H "Authorization: Bearer ${key}" ${data}`;
}

function pythonOf(model, body, key) {
  const send = body ? `json.dumps(${python(body)}).encode()` : 'open("image.png", "rb").read()';
  return `import json, urllib.request
call = urllib.request.Request("${urlOf(model)}", headers={"Authorization": "Bearer ${key}", "Content-Type": "${body ? "application/json" : "image/png"}"}, data=${send})
print(json.load(urllib.request.urlopen(call))["predictions"][0])`;
}

function scriptOf(model, body, key) {
  const file = body ? "" : 'import { readFile } from "node:fs/promises";\n';
  return `${file}const answer = await fetch("${urlOf(model)}", { method: "POST", headers: { Authorization: "Bearer ${key}", "Content-Type": "${body ? "application/json" : "image/png"}" }, body: ${body ? `JSON.stringify(${script(body)})` : 'await readFile("image.png")'} });\nconsole.log((await answer.json()).predictions[0]);`;
}

function cOf(model, body, key) {
  const send = body ? `  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ${cText(JSON.stringify(body))});`
    : "  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, size); /* of the PNG in bytes */\n  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, png);";
  const start = body ? "" : '  FILE *file = fopen("image.png", "rb");\n  static char png[16000000];\n  long size = file ? (long) fread(png, 1, sizeof png, file) : 0;\n';
  return `/* cc predict.c -lcurl */
#include <curl/curl.h>
#include <stdio.h>

int main(void)
{
${start}  CURL *curl = curl_easy_init();
  struct curl_slist *head = curl_slist_append(NULL, "Authorization: Bearer ${key}");
  head = curl_slist_append(head, "Content-Type: ${body ? "application/json" : "image/png"}");
  curl_easy_setopt(curl, CURLOPT_URL, "${urlOf(model)}");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, head);
${send}
  return curl_easy_perform(curl) != CURLE_OK; /* the answer is written to stdout */
}`;
}

function goOf(model, body, key) {
  const send = body ? `strings.NewReader(${goText(JSON.stringify(body))})` : "file";
  const open = body ? "" : '\tfile, _ := os.Open("image.png")\n';
  return `package main

import (
	"io"
	"net/http"
	"os"${body ? '\n\t"strings"' : ""}
)

func main() {
${open}	call, _ := http.NewRequest("POST", "${urlOf(model)}", ${send})
	call.Header = http.Header{"Authorization": {"Bearer ${key}"}, "Content-Type": {"${body ? "application/json" : "image/png"}"}}
	answer, err := http.DefaultClient.Do(call)
	if err != nil {
		panic(err)
	}
	io.Copy(os.Stdout, answer.Body)
}`;
}

function javaOf(model, body, key) {
  const send = body ? `HttpRequest.BodyPublishers.ofString(${literal(JSON.stringify(body))})` : 'HttpRequest.BodyPublishers.ofFile(java.nio.file.Path.of("image.png"))';
  return `import java.net.URI;
import java.net.http.*;

class Predict {
  public static void main(String[] args) throws Exception {
    var call = HttpRequest.newBuilder(URI.create("${urlOf(model)}")).header("Authorization", "Bearer ${key}")
        .header("Content-Type", "${body ? "application/json" : "image/png"}").POST(${send}).build();
    System.out.println(HttpClient.newHttpClient().send(call, HttpResponse.BodyHandlers.ofString()).body());
  }
}`;
}

export const LANGUAGES = [["curl", curlOf], ["Python", pythonOf], ["JavaScript", scriptOf], ["C", cOf], ["Go", goOf], ["Java", javaOf]];

// {box, set(body)}: the code for a model, redrawn for each body that the form would send.
export function codeCard(model, schema) {
  const code = el("pre", { class: "code", id: "code", tabindex: "0" });
  const out = el("div", { "aria-live": "polite" });
  let body = null;
  let key = "";
  let chosen = 0;
  try {
    chosen = Math.max(0, LANGUAGES.findIndex(([name]) => name === localStorage.getItem("language")));
  } catch {
    // Storage may be off.
  }
  const buttons = LANGUAGES.map(([name], i) => el("button", { type: "button", class: "tab", "aria-pressed": "false", onclick: () => {
    chosen = i;
    try {
      localStorage.setItem("language", name);
    } catch {
      // Then it is not remembered.
    }
    draw();
  } }, name));

  function draw() {
    buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i === chosen));
    });
    const known = key || (chosen === 0 ? "$KEY" : "YOUR_KEY");
    code.textContent = LANGUAGES[chosen][1](model, body, known);
  }

  const name = model.split("@")[0];
  const copy = copyButton(() => code.textContent);
  const make = el("button", { type: "button", class: "quiet", id: "make-key", onclick: async () => {
    make.disabled = true;
    try {
      const made = await call("POST", "/api/v1/keys", { name: `app for ${name}`.slice(0, 200), scopes: ["predict"], model: name });
      key = made.key;
      draw();
      out.replaceChildren(el("p", { class: "flag ok" }, `The key is in the code now. It can do nothing but predict with ${name}, and is not shown again. `, el("a", { href: "/settings" }, "Revoke it in the settings"), "."));
      back(copy);
    } catch (problem) {
      make.disabled = false;
      out.replaceChildren(problem.status === 403 ? problemBox({ message: "Your own key may not make keys. Ask someone with an admin key for one with the scope predict." }) : problemBox(problem));
    }
  } }, "Make a key for it");
  draw();
  const images = schema.kind === "images";
  return {
    box: el("section", { class: "card" }, el("div", { class: "head" }, el("h2", {}, "From your app"), el("div", { class: "actions" }, make, copy)),
      el("div", { class: "tabs", role: "group", "aria-label": "language" }, buttons), code, out,
      el("p", { class: "faint small" }, images ? "A JPEG goes the same way with image/jpeg." : "With the values of the form. Add \"explain\": true for reasons, \"unusual\": true for the flag.")),
    set(next) {
      body = next instanceof Blob ? null : next;
      draw();
    },
  };
}
