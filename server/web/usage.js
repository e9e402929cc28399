// What was used, in all and by day.

import { get } from "./api.js";
import { bytes, card, el, seconds } from "./dom.js";
import { plot } from "./plot.js";

const FIGURES = [
  ["requests", "Requests", String], ["predictions", "Predict calls", String], ["predicted_rows", "Rows predicted", String], ["uploaded_bytes", "Uploaded", bytes],
  ["trials", "Trials", String], ["training_seconds", "Training (CPU)", seconds], ["stored_bytes", "Data stored", bytes],
];

// Days without use are left out of the answer; the chart has them as nothing.
function everyDay(usage) {
  const known = new Map((usage.items || []).map((one) => [one.day, one]));
  const days = [];
  for (let at = Date.parse(usage.from); at <= Date.parse(usage.to); at += 86400e3) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push({ day, ...known.get(day) });
  }
  return days;
}

export async function usageView() {
  const box = el("div");
  const from = el("input", { type: "date", name: "from" });
  const to = el("input", { type: "date", name: "to" });
  const figure = el("select", { name: "figure", onchange: draw }, FIGURES.map(([name, label]) => el("option", { value: name }, label)));
  let usage = null;

  function draw() {
    const [name, label] = FIGURES.find(([key]) => key === figure.value);
    const days = everyDay(usage);
    box.replaceChildren(el("div", { class: "facts" }, FIGURES.map(([key, text, shown]) => el("div", {}, el("span", {}, text), el("strong", {}, shown(usage.total[key] ?? 0))))),
      el("p", { class: "faint small" }, `From ${usage.from} to ${usage.to} (UTC).`),
      plot({ title: `${label} by day`, heading: "h3", id: "usage-chart", height: 220, x: { kind: "band", values: days.map((one) => one.day.slice(5)) }, y: { label: "", min: 0 },
        marks: [{ kind: "bars", name: label, points: days.map((one) => [one.day.slice(5), one[name] || 0]) }] }).box);
  }

  async function load() {
    const query = new URLSearchParams({ group: "day" });
    if (from.value) query.set("from", from.value);
    if (to.value) query.set("to", to.value);
    usage = await get(`/api/v1/usage?${query}`);
    from.value = usage.from;
    to.value = usage.to;
    draw();
  }

  for (const input of [from, to]) input.addEventListener("change", () => load().catch(() => {}));
  await load();
  return card("Usage", el("div", { class: "toolbar" }, el("label", {}, "From", from), el("label", {}, "To", to), el("label", {}, "Chart", figure)), box);
}
