/** What a session of this page is asked where nothing else is said. */

import { live } from "../live.js";
import { SUMMARY } from "../names.js";

const FOUR = ["query1", "query2", "query3", "query4"];

/** The names of the questions that every gateway has built in. */
export const four = () => live.latest?.built_in ?? FOUR;

/** The names of those that the summary is made of. */
export const summary = () => Object.values(SUMMARY);

/** Questions by name and those in SQL, each name once, as the gateway takes them. */
export function asking(names, written) {
  const known = new Set(written.map(({ name }) => name));
  const named = names.filter((name) => !known.has(name)).map((name) => ({ name }));
  const isUsual = written.length === 0 && names.length === four().length && four().every((name) => names.includes(name));
  return isUsual ? [] : [...named, ...written]; // none stands for the built-in ones
}
