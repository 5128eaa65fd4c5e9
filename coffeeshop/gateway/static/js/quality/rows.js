/** Rows that the schema refuses: where they are, and what is wrong with them. */

import { h } from "../dom.js";
import { grid, gridRow } from "../grid.js";

const HEADS = ["File", "Line", "Column", "Value", "What is wrong"];

/** A table of such rows; `update([{file, line, column, value, reason}])`. */
export function refusedRows(caption) {
  const body = h("tbody");
  const node = grid(caption, HEADS, body, { numbers: HEADS.length, kind: "wide" });
  const update = (rows) => {
    if (body.children.length === rows.length) return;
    body.replaceChildren(
      ...rows.map(({ file, line, column, value, reason }) =>
        gridRow([file, line ?? "", column ?? "", value ?? "", reason].map(String), HEADS.length),
      ),
    );
  };
  return { node, update };
}
