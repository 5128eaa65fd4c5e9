/** A table of days by hours: the darker, the more, from the least of all cells to the most. */

import { h } from "../dom.js";
import { compact } from "../format.js";

const FAINT = 4; // per cent of the colour
const DARK = 45; // stays readable with ink on it

/**
 * `days` and `hours` are lists of `{key, text}`; `value(day, hour)` is the decimal text of a cell,
 * empty where there is none, and `text(value)` says it in full.
 */
export function heatMap(title, { head, days, hours, value, text }) {
  const values = days.map((day) => hours.map((hour) => value(day.key, hour.key)));
  const numbers = values.flat().filter((found) => found !== "").map(Number);
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const cell = (found, day, hour) => {
    const node = h("td", {
      class: "number",
      title: `${day.text} · ${hour.text} · ${found === "" ? "–" : text(found)}`,
    });
    const share = most > least ? (Number(found) - least) / (most - least) : 1;
    const shade = found === "" ? 0 : FAINT + share * (DARK - FAINT);
    node.style.setProperty("--share", `${Math.round(shade)}%`);
    node.append(found === "" ? "–" : compact(Number(found)));
    return node;
  };
  const line = (day, row) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, day.text),
      hours.map((hour, column) => cell(values[row][column], day, hour)),
    );
  const table = h(
    "table",
    { class: "heat" },
    h("caption", { class: "unseen" }, title),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, head),
        hours.map((hour) => h("th", { scope: "col", class: "number" }, hour.text)),
      ),
    ),
    h("tbody", {}, days.map(line)),
  );
  return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": title }, table);
}
