/** The answer to a question of the session's own: its table and its text. */

import { h } from "../dom.js";
import { counted } from "../format.js";
import { table } from "../grid.js";
import { words } from "../names.js";

const MOST = 500; // rows that are shown; the files have all
const NUMBER = /^-?\d+(\.\d+)?$/;

/** A question of a session as a tab of its results. */
export const ownQuestion = ({ name, sql }) => ({
  key: `own-${name}`,
  title: words(name),
  needs: [name],
  build: ([rows]) => ({ nodes: nodes(name, sql, rows), shown: () => {} }),
});

function nodes(name, sql, rows) {
  const count = Math.min(rows.length, MOST);
  const found = Array.from({ length: count }, (_, number) => rows.row(number));
  const heads = rows.heads();
  const less = rows.length > MOST ? `; the first ${MOST} are shown` : "";
  return [
    h("p", { class: "hint" }, `${counted(rows.length, "row")}${less}`),
    table(`The answer to ${name}`, heads, found, firstNumber(heads, found)),
    h("details", {}, h("summary", {}, "The question in SQL"), h("pre", {}, sql)),
  ];
}

/** From which column on all are numbers. */
function firstNumber(heads, rows) {
  const isNumber = (column) => rows.every((row) => row[column] === "" || NUMBER.test(row[column]));
  let first = heads.length;
  while (first > 0 && rows.length > 0 && isNumber(first - 1)) first -= 1;
  return first;
}
