/** Columns of tables that the page makes itself, as `answerTable` takes them. */

import { amount, percent, whole } from "../format.js";

const column = (name, title, text, rank, more = {}) => ({
  name,
  title,
  text,
  rank,
  isNumber: true,
  adds: false,
  ...more,
});
const shown = (text) => (value) => (value === "" ? "–" : text(value));
const number = (value) => (value === "" ? -Infinity : Number(value));

/** Names as `text(value)` says them. */
export const nameColumn = (name, title, text = String) =>
  column(name, title, text, text, { isNumber: false });

/** Numbers that may be added up. */
export const countColumn = (name, title) =>
  column(name, title, shown((value) => whole(BigInt(value))), number, { adds: true });

/** Amounts; `adds` says whether a total of them means something. */
export const moneyColumn = (name, title, adds = true) =>
  column(name, title, shown(amount), number, { adds });

/** Per cent of a whole. */
export const shareColumn = (name, title) => column(name, title, shown(percent), number);

/** Per cent that something changed by. */
export const changeColumn = (name, title) =>
  column(name, title, shown((value) => percent(value, true)), number);

/** The columns, each with its place in the rows. */
export const placed = (columns) => columns.map((each, at) => ({ ...each, at }));
