/** What the columns of an answer are for a comparison: keys, and measures that are subtracted. */

import { columnOf } from "../own/columns.js";

const key = (name) => ({ name, kind: "text", role: "key", part: "", adds: false });
const count = (name) => ({ name, kind: "int", role: "measure", part: "", adds: true });
const money = (name) => ({ name, kind: "amount", role: "measure", part: "", adds: true });

/** The columns of the four questions, as a gateway describes those of others. */
const BUILT_IN = {
  query2_best_selling: [key("month"), key("item_name"), count("items")],
  query2_most_profitable: [key("month"), key("item_name"), money("revenue")],
  query3: [key("half_year"), key("store_name"), money("revenue")],
  query4: [key("store_name"), key("date_of_birth"), count("purchases")],
};

/** The results that both sessions have and that can be compared, by name. */
export function comparable(a, b) {
  const [left, right] = [describedBy(a), describedBy(b)];
  const isSame = (name) => JSON.stringify(left[name]) === JSON.stringify(right[name]);
  return Object.fromEntries(
    Object.entries(left).filter(([name]) => name in right && isSame(name)),
  );
}

const describedBy = ({ queries, columns }) =>
  Object.fromEntries(
    queries.map((name) => [name, columns[name] ?? BUILT_IN[name]]).filter(([, found]) => found),
  );

/** The columns as `columnOf` makes them: `{keys, measures}`. */
export function partsOf(described, rows) {
  const columns = described.map((each, at) => columnOf(each, rows, at));
  const measures = columns.filter(({ role, isNumber }) => role !== "key" && isNumber);
  return { keys: columns.filter((each) => !measures.includes(each)), measures };
}
