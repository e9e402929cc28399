// A drawing as a file that looks the same without this page's style sheet.

import { download, el } from "./dom.js";
import { NS, svg } from "./plot_svg.js";

const KEPT = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "shape-rendering", "opacity", "font-size", "font-family", "font-weight"];

// A copy that looks the same without this page's style sheet.
function standalone(drawn) {
  const copy = drawn.cloneNode(true);
  const from = [drawn, ...drawn.querySelectorAll("*")];
  const to = [copy, ...copy.querySelectorAll("*")];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of KEPT) {
      const value = style.getPropertyValue(name);
      if (value) to[i].setAttribute(name, value);
    }
    to[i].removeAttribute("class");
  });
  const { width, height } = drawn.viewBox.baseVal;
  copy.setAttribute("xmlns", NS);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.prepend(svg("rect", { width, height, fill: getComputedStyle(document.documentElement).getPropertyValue("--card").trim() }));
  return new XMLSerializer().serializeToString(copy);
}

export function saveSvg(drawn, name) {
  download(`${name}.svg`, new Blob([standalone(drawn)], { type: "image/svg+xml" }));
}

export async function savePng(drawn, name) {
  const { width, height } = drawn.viewBox.baseVal;
  const url = URL.createObjectURL(new Blob([standalone(drawn)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = el("canvas", { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    download(`${name}.png`, await new Promise((resolve) => canvas.toBlob(resolve, "image/png")));
  } finally {
    URL.revokeObjectURL(url);
  }
}
