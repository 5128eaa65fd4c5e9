/** What the clients of a session left out, since it is bad: how much of each table, and the first rows. */

import { h } from "../dom.js";
import { share, whole } from "../format.js";
import { grid, gridRow } from "../grid.js";
import { tableName } from "../names.js";
import { refusedRows } from "./rows.js";

const HEADS = ["Table", "Left out", "Of", "Share of all"];

/** The panel; hidden while nothing was left out. `update(session)` as it changes. */
export function leftOutPanel() {
  const body = h("tbody");
  const rows = refusedRows("The first rows that were left out");
  const node = h(
    "section",
    { class: "panel", "aria-labelledby": "h-left-out", hidden: true },
    h("h2", { id: "h-left-out" }, "Rows left out"),
    grid("Rows left out by table", HEADS, body, { numbers: 1 }),
    rows.node,
  );
  let shown = "";
  const update = ({ left_out: found = {}, left_out_rows: first = [] }) => {
    const now = JSON.stringify(found);
    if (now === shown || now === "{}") return;
    shown = now;
    node.hidden = false;
    body.replaceChildren(
      ...Object.entries(found).map(([table, { rows: count, of }]) =>
        gridRow([h("span", {}, tableName(table)), whole(count), whole(of), share(count / of)], 1),
      ),
    );
    rows.update(first);
  };
  return { node, update };
}
