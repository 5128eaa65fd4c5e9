/** Tables of the summary: what each store, each item came to. */

import { percentOf, unitsOf } from "../exact.js";
import { translated } from "../language/language.js";
import {
  changeColumn,
  countColumn,
  moneyColumn,
  nameColumn,
  placed,
  shareColumn,
} from "../own/plain.js";
import { answerTable } from "../own/table.js";
import { SCALE } from "./cube.js";
import { MEASURES } from "./measures.js";

/** The stores of `sums`, with the change of their revenue from `before` to `now` where there is one. */
export function storesTable({ sums, now, before }, nameOf, look, signal) {
  const columns = placed([
    nameColumn("name", "Store", nameOf),
    moneyColumn("revenue", "Revenue"),
    countColumn("sales", "Transactions"),
    moneyColumn("ticket", "Average ticket", false),
    shareColumn("share", "Part of all"),
    ...(before === null ? [] : [changeColumn("change", "Change")]),
  ]);
  const rows = [...sums.stores].map(([key, sum]) => [
    key,
    MEASURES.revenue.value(sum),
    MEASURES.sales.value(sum),
    MEASURES.ticket.value(sum),
    percentOf(sum.revenue, sums.all.revenue),
    changeOfStore(now?.stores.get(key), before?.stores.get(key)),
  ]);
  return answerTable("Stores", columns, rows, look, { size: 10, first: "-revenue", signal });
}

const changeOfStore = (now, before) =>
  before === undefined ? "" : percentOf((now?.revenue ?? 0n) - before.revenue, before.revenue);

/** The items, `{name, sold, revenue}` each, of which `revenue` is a decimal text. */
export function itemsTable(items, look, signal) {
  const columns = placed([
    nameColumn("name", "Item", (name) => name || translated("(unknown item)")),
    countColumn("sold", "Sold"),
    moneyColumn("revenue", "Revenue"),
    shareColumn("share", "Part of all"),
  ]);
  const all = items.reduce((sum, { revenue }) => sum + unitsOf(revenue, SCALE), 0n);
  const rows = items.map(({ name, sold, revenue }) => [
    name,
    sold,
    revenue,
    percentOf(unitsOf(revenue, SCALE), all),
  ]);
  return answerTable("Items", columns, rows, look, { size: 10, first: "-revenue", signal });
}
