/** Months, as `2024-03`, and the period that another is compared with. */

import { month } from "../format.js";
import { perhapsTranslated } from "../language/language.js";

const numberOf = (text) => Number(text.slice(0, 4)) * 12 + Number(text.slice(5, 7)) - 1;
const textOf = (number) =>
  `${String(Math.floor(number / 12)).padStart(4, "0")}-${String((number % 12) + 1).padStart(2, "0")}`;

/** The month that many months later. */
export const later = (text, months) => textOf(numberOf(text) + months);

/** How many months there are from the first to the last. */
export const lengthOf = ({ from, to }) => numberOf(to) - numberOf(from) + 1;

/** Every month from the first to the last, also those in which nothing was sold. */
export const monthsOf = ({ from, to }) =>
  Array.from({ length: lengthOf({ from, to }) }, (_, i) => later(from, i));

/** `2025`, `Mar 2024`, or `Jan 2024 – Mar 2024`. */
export function periodName({ from, to }) {
  if (from === to) return month(from);
  const isYear = from.endsWith("-01") && lengthOf({ from, to }) === 12;
  return isYear ? from.slice(0, 4) : perhapsTranslated(`${month(from)} – ${month(to)}`);
}

/**
 * What a change of `period` is counted from: `{now, before}`, or null. It is as long as the period
 * and right before it; where all of the `data` is chosen, the last whole year and the one before, or
 * else the last month and the one before.
 */
export function comparison(period, data) {
  if (period.from !== data.from || period.to !== data.to) {
    const before = { from: later(period.from, -lengthOf(period)), to: later(period.from, -1) };
    return before.from >= data.from ? { now: period, before } : null;
  }
  const year = data.to.endsWith("-12") ? data.to.slice(0, 4) : String(Number(data.to.slice(0, 4)) - 1);
  const now = { from: `${year}-01`, to: `${year}-12` };
  const before = { from: later(now.from, -12), to: later(now.to, -12) };
  if (before.from >= data.from) return { now, before };
  if (lengthOf(data) < 2) return null;
  const last = later(data.to, -1);
  return { now: { from: data.to, to: data.to }, before: { from: last, to: last } };
}
