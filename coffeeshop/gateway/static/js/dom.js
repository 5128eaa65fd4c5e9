/** Elements made without markup: a text is always a text, whatever is in it. */

import { translated } from "./language/language.js";

const SVG = "http://www.w3.org/2000/svg";

const SAID = new Set(["aria-label", "title", "placeholder"]);

/**
 * An HTML element. `on…` attributes are listeners; null, undefined and false leave one out. Texts
 * are translated, but not where the attribute `translate` is "no": there they are data.
 */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

const isData = (element) =>
  element.getAttribute("translate") === "no" || element.matches("code, pre");

function filled(element, attributes, children) {
  if (attributes.translate) element.setAttribute("translate", attributes.translate);
  const said = isData(element) ? String : (text) => translated(String(text));
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, SAID.has(name) ? said(value) : String(value));
    }
  }
  const given = children.flat().filter((child) => child !== null && child !== undefined);
  element.append(...given.map((child) => (child instanceof Node ? child : said(child))));
  return element;
}

/** Change a text only when it differs, so that live regions speak of changes alone. */
export function setText(element, text) {
  const wanted = isData(element) ? String(text) : translated(String(text));
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Change an attribute only when it differs; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else {
    const wanted = SAID.has(name) && !isData(element) ? translated(String(value)) : String(value);
    if (element.getAttribute(name) !== wanted) element.setAttribute(name, wanted);
  }
}

/**
 * Children of a container kept by key: `make(item)` returns `{node, update}`. Elements that stay
 * are updated where they are, so that focus and selection stay too.
 */
export class Keyed {
  constructor(container, key, make) {
    this.container = container;
    this.key = key;
    this.make = make;
    this.parts = new Map();
  }

  show(items) {
    const left = new Set(this.parts.keys());
    let place = this.container.firstElementChild;
    for (const item of items) {
      const key = this.key(item);
      left.delete(key);
      const part = this.parts.get(key) ?? this.make(item);
      this.parts.set(key, part);
      part.update(item);
      if (part.node === place) place = place.nextElementSibling;
      else this.container.insertBefore(part.node, place);
    }
    for (const key of left) {
      this.parts.get(key).node.remove();
      this.parts.delete(key);
    }
  }
}
