/** Two answers side by side: rows with equal keys belong together. All numbers are exact. */

import { percentOf, scaleOf, textOf, total, unitsOf } from "../exact.js";

const DIGITS = 2; // of a per cent

/**
 * Rows of two answers, each a list of texts: the values at `keys`, then for each place of `measures`
 * the value in `a`, in `b`, their difference (B less A) and that in per cent of A. Empty is what is
 * not there. Several rows with the same keys are taken in their order.
 */
export function joined(keys, measures, a, b) {
  const [left, right] = [byKey(keys, a), byKey(keys, b)];
  const names = [...new Set([...left.keys(), ...right.keys()])];
  return names.map((name) => {
    const pair = [left.get(name), right.get(name)];
    const known = pair[0] ?? pair[1];
    return [
      ...keys.map((at) => known[at]),
      ...measures.flatMap((at) => compared(...pair.map((row) => row?.[at] ?? ""))),
    ];
  });
}

/** Both decimal texts, their difference, and that in per cent of the first. */
export function compared(a, b) {
  if (a === "" || b === "") return [a, b, "", ""];
  const scale = scaleOf([a, b]);
  const [from, to] = [unitsOf(a, scale), unitsOf(b, scale)];
  return [a, b, textOf(to - from, scale), percentOf(to - from, from, DIGITS)];
}

/** For the difference and the per cent of columns at `a` and `b`: the same of their totals. */
export function totalsOf(a, b) {
  const both = (rows) => compared(...[a, b].map((at) => total(rows.map((row) => row[at]))));
  return { difference: (rows) => both(rows)[2], percent: (rows) => both(rows)[3] };
}

function byKey(keys, rows) {
  const found = new Map();
  const seen = new Map();
  for (const row of rows) {
    const name = JSON.stringify(keys.map((at) => row[at]));
    const number = seen.get(name) ?? 0;
    seen.set(name, number + 1);
    found.set(`${name}${number}`, row);
  }
  return found;
}
