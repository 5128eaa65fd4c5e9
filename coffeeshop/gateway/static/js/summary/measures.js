/** What can be shown of a sum: revenue, number of transactions, average ticket; as exact texts. */

import { rounded, textOf } from "../exact.js";
import { amount, whole } from "../format.js";
import { SCALE } from "./cube.js";

const TICKET = 2; // decimals of an average
const PRECISE = 10n; // thousandths in a hundredth

/** `units(sum)` are whole units, null where there is no value; `value(sum)` is the decimal text. */
export const MEASURES = {
  revenue: measure("Revenue", ({ revenue }) => revenue, SCALE, amount),
  sales: measure("Transactions", ({ sales }) => BigInt(sales), 0, (text) => whole(BigInt(text))),
  ticket: measure(
    "Average ticket",
    ({ sales, revenue }) => (sales === 0 ? null : rounded(revenue, BigInt(sales) * PRECISE)),
    TICKET,
    amount,
  ),
};

function measure(title, units, scale, text) {
  const value = (sum) => {
    const found = sum === undefined ? null : units(sum);
    return found === null ? "" : textOf(found, scale);
  };
  const said = (found) => (found === "" ? "–" : text(found));
  return { title, units, value, text: said };
}
