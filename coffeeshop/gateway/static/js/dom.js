/** Elements made without markup: a text is always a text, whatever is in it. */

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` attributes are listeners; null, undefined and false leave one out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Change a text only when it differs, so that live regions speak of changes alone. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Change an attribute only when it differs; null takes it away. */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
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
