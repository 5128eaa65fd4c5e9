/** Tables that scroll by themselves when they are wider than the page. */

import { h } from "./dom.js";

const LONG = 40; // characters

/** A table around a `<tbody>`; the columns from the `numbers`-th on are numbers. */
export function grid(caption, heads, body, { numbers, kind = null }) {
  const cells = heads.map((text, column) =>
    h("th", { scope: "col", class: column >= numbers ? "number" : null }, text),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    h(
      "table",
      { class: kind },
      h("caption", { class: "unseen" }, caption),
      h("thead", {}, h("tr", {}, cells)),
      body,
    ),
  );
}

/** A row of texts or elements, likewise. */
export function gridRow(values, numbers) {
  const cells = values.map((value, column) =>
    column >= numbers
      ? h("td", { class: "number", translate: "no" }, value)
      : h("td", { translate: "no" }, typeof value === "string" && value.length > LONG ? clamped(value) : value),
  );
  return h("tr", {}, cells);
}

/** A long text on two lines at most; the rest is in its tooltip. */
const clamped = (text) => h("span", { class: "clamped", title: text, translate: "no" }, text);

/** A table that is shown when it is asked for: a chart's figures in words. */
export const folded = (node, name) =>
  h("details", {}, h("summary", {}, `Table: ${name}`), node);

/** A table of texts that do not change. */
export function table(caption, heads, rows, numbers) {
  const lines = rows.map((row) => gridRow(row, numbers));
  return grid(caption, heads, h("tbody", {}, lines), { numbers });
}
