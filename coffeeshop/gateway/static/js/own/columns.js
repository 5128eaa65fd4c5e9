/** The columns of an answer to a question of one's own: how their values are read and ordered. */

import { perhapsTranslated } from "../language/language.js";
import { amount, average, month, monthName, weekday, whole } from "../format.js";

const TIME = /^\d{4}(-(\d{2}(-\d{2}([ T]\d{2}:\d{2}:\d{2})?)?|[HQW]\d{1,2}))?$/;
const MONTH = /^\d{4}-\d{2}$/;
const NUMBERS = new Set(["int", "amount", "average"]);
const NAMED = {
  weekday: (number) => weekday(number === 0 ? 7 : number),
  iso_weekday: weekday,
  month: monthName,
  hour: (number) => `${number}:00`,
  year: String,
};

/**
 * A column as the gateway describes it, with `title`, `isNumber` (a figure, to the right),
 * `isTime`, `isPart` (of an instant, by its number), `text(value)` to show and `rank(value)` to
 * sort by. `rows` are all rows of the answer, `at` is the column's place in them.
 */
export function columnOf(described, rows, at) {
  const { name, kind, role, part } = described;
  const isId = /(^|_)id$/.test(name) && kind === "int";
  const isPart = role === "key" && kind === "int" && part in NAMED;
  const isNumber = NUMBERS.has(kind) && !isPart && !isId;
  const isTime =
    (role === "key" && (kind === "date" || kind === "instant" || part === "year")) ||
    (role === "key" && kind === "text" && rows.length > 0 && rows.every((row) => TIME.test(row[at])));
  return {
    ...described,
    at,
    title: perhapsTranslated(titled(name)),
    isNumber,
    isTime,
    isPart,
    text: shown({ kind, part, isPart, isNumber }),
    rank: NUMBERS.has(kind) ? (value) => (value === "" ? -Infinity : Number(value)) : (value) => value,
  };
}

const titled = (name) => {
  const words = name.replaceAll("_", " ").trim();
  return words === "" ? name : words[0].toUpperCase() + words.slice(1);
};

function shown({ kind, part, isPart, isNumber }) {
  if (isPart) return (value) => (value === "" ? "–" : NAMED[part](Number(value)));
  if (isNumber && kind === "int") return (value) => (value === "" ? "–" : whole(BigInt(value)));
  if (isNumber) return (value) => (value === "" ? "–" : kind === "amount" ? amount(value) : average(value));
  return (value) => {
    if (value === "") return "–";
    if (part === "month_start") return month(value.slice(0, 7));
    return kind === "text" && part === "format" && MONTH.test(value) ? month(value) : value;
  };
}
