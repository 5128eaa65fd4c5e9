/** Stores as results name them: two stores may have one name, and each keeps a row of its own. */

import { translated } from "../language/language.js";

const nameOf = (store) => store || translated("(unknown store)");

/** The name of the n-th of `many` stores of one name. */
const numbered = (store, number, many) =>
  many > 1 ? `${nameOf(store)} (${number + 1})` : nameOf(store);

/**
 * Rows of query 3 by store: `stores` are names, each once, and `of(place, half)` is what the store
 * at that place took, a decimal text, null where it took nothing. Rows of one half and name are in
 * the order of the stores' ids, so the first of them is the first store of that name.
 */
export function byStore(rows) {
  const halves = [...new Set(rows.map((row) => row[0]))].sort();
  const values = new Map(); // store -> half -> values
  for (const [when, store, value] of rows) {
    if (!values.has(store)) values.set(store, new Map());
    const found = values.get(store);
    found.set(when, [...(found.get(when) ?? []), value]);
  }
  const places = [...values.keys()].sort().flatMap((store) => {
    const many = Math.max(...[...values.get(store).values()].map((found) => found.length));
    return Array.from({ length: many }, (_, number) => ({ store, number, many }));
  });
  const stores = places.map(({ store, number, many }) => numbered(store, number, many));
  const of = (place, when) => {
    const { store, number } = places[place];
    return values.get(store).get(when)?.[number] ?? null;
  };
  return { halves, stores, of, hasTwins: places.some(({ many }) => many > 1) };
}

/**
 * Rows of query 4 by store, `{name, rows}`: those of one store follow each other, the most purchases
 * first, `most` at most. So where there are more, or more purchases again, the next store begins.
 */
export function leaders(rows, most) {
  const groups = [];
  for (const row of rows) {
    const last = groups.at(-1);
    const goesOn =
      last?.store === row[0] &&
      last.rows.length < most &&
      Number(last.rows.at(-1)[2]) >= Number(row[2]);
    if (goesOn) last.rows.push(row);
    else groups.push({ store: row[0], rows: [row] });
  }
  const counts = new Map();
  for (const { store } of groups) counts.set(store, (counts.get(store) ?? 0) + 1);
  const seen = new Map();
  return groups.map(({ store, rows: found }) => {
    const number = seen.get(store) ?? 0;
    seen.set(store, number + 1);
    return { name: numbered(store, number, counts.get(store)), rows: found };
  });
}

/** What is said where stores share a name. */
export const TWINS = "Stores that share a name are numbered in the order of their ids.";
