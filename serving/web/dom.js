// Making elements without markup in strings: text stays text.

export const byId = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (let [name, value] of Object.entries(attributes)) {
    if (name.startsWith("aria-")) value = String(value ?? "");
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An HTML element: make("button", {type: "button", onclick: f}, "Text", child). Children null and false are left out. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

const kSvg = document.querySelector("svg").namespaceURI; // the page has a drawing of its own

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(kSvg, tag), attributes, children);
}

/** A row of a definition list. Each value keeps together when the line breaks. */
export function fact(name, ...values) {
  return make("div", {}, make("dt", {}, name),
    make("dd", { class: "bits" }, values.map((value) => make("span", {}, value))));
}

const stops = (element) => [...element.querySelectorAll("a, button, input, select, summary")];

/** Puts other content into an element. Who had the focus in it keeps it: on the stop of the same words, else the same place. */
export function refill(element, ...content) {
  const old = stops(element);
  const at = old.indexOf(document.activeElement);
  element.replaceChildren(...content);
  if (at < 0) return;
  const now = stops(element);
  const stop = now.find((one) => one.textContent === old[at].textContent) ?? now[Math.min(at, now.length - 1)];
  stop?.focus({ preventScroll: true });
}

/** Says it to screen readers, once. */
export function announce(text) {
  byId("announce").textContent = text;
}

/** Hands the browser a file to save. */
export function download(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
