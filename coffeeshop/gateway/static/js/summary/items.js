/** Items by month, added up for the months that are chosen. */

import { textOf, unitsOf } from "../exact.js";
import { SCALE } from "./cube.js";

const NEEDED = ["month", "item_name", "items", "revenue"];

/** Whether an answer with these columns can be added up so: a question may only be called so. */
export const areItems = (columns) =>
  NEEDED.every((wanted) => columns.some(({ name }) => name === wanted));

/** `of(period)` gives the items of those months, `{name, sold, revenue}`, the largest revenue first. */
export function itemsOf(columns, rows) {
  const at = Object.fromEntries(columns.map(({ name }, place) => [name, place]));
  const all = Array.from({ length: rows.length }, (_, i) => rows.row(i));
  const key = at.item_id ?? at.item_name;
  const of = ({ from, to }) => {
    const sums = new Map();
    for (const row of all) {
      const when = row[at.month];
      if (when !== "" && (when < from || when > to)) continue;
      const sum = sums.get(row[key]) ?? { name: row[at.item_name], sold: 0n, revenue: 0n };
      sum.sold += BigInt(row[at.items] || "0");
      sum.revenue += unitsOf(row[at.revenue] || "0", SCALE);
      sums.set(row[key], sum);
    }
    const sorted = [...sums.values()].sort((a, b) => compared(b.revenue, a.revenue));
    return sorted.map(({ name, sold, revenue }) => ({
      name,
      sold: String(sold),
      revenue: textOf(revenue, SCALE),
    }));
  };
  return { of };
}

const compared = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
