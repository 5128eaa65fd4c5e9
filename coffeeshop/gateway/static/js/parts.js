/** Small pieces that several views show. */

import { h, setText } from "./dom.js";
import { STATES } from "./names.js";

/** A session's state as a coloured word. */
export function statePill(state) {
  const node = h("span", { class: "pill" });
  const update = (now) => {
    node.className = `pill ${now}`;
    setText(node, STATES[now] ?? now);
  };
  update(state);
  return { node, update };
}

/** A section with a heading that names it. */
export function section(title, attributes, ...children) {
  const id = `h-${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
  return h(
    "section",
    { "aria-labelledby": id, ...attributes },
    h("h2", { id }, title),
    ...children,
  );
}

/** Names and values; `show({name: text})` changes them in place. */
export function facts(names) {
  const values = new Map(names.map((name) => [name, h("dd", {}, "–")]));
  const rows = names.map((name) => h("div", {}, h("dt", {}, name), values.get(name)));
  const node = h("dl", { class: "facts" }, rows);
  const show = (texts) => {
    for (const [name, text] of Object.entries(texts)) setText(values.get(name), text);
  };
  return { node, show };
}

/** A line that says that something is being fetched. */
export const loading = (text) =>
  h("p", { class: "loading" }, h("span", { class: "spinner", "aria-hidden": "true" }), text);

/** What went wrong, said at once. */
export const notice = (text, ...more) =>
  h("div", { class: "notice bad", role: "alert" }, h("p", {}, text), ...more);
