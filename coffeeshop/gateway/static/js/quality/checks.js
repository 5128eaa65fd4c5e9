/** The checks of a session's data, as a page of its results. */

import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { whole } from "../format.js";
import { table } from "../grid.js";
import { tableName } from "../names.js";

const CHECKS = {
  repeated_transaction_id: "Repeated transaction ids",
  items_do_not_add_up: "Sales whose items do not add up",
  sale_without_items: "Sales without items",
  item_without_sale: "Items without a sale",
  unknown_store: "Unknown stores",
  unknown_user: "Unknown users",
  unknown_item: "Unknown items",
};
const HEADS = ["Check", "Table", "Examples", "Ids", "Rows found", "Rows checked"];

function build([result]) {
  const rows = allRows(result);
  const found = rows.filter(([, , , count]) => count !== "0");
  const lines = rows.map(([check, of, checked, count, ids, examples]) => [
    h("span", {}, CHECKS[check] ?? check),
    h("span", {}, tableName(of)),
    examples || "–",
    whole(ids),
    whole(count),
    whole(checked),
  ]);
  const text =
    found.length === 0
      ? "No check found anything: no repeated id, no unknown id, and all sales add up."
      : `${found.length} of ${rows.length} checks found something. This changes no answer.`;
  const kind = found.length === 0 ? "notice" : "notice warn";
  const nodes = [h("p", { class: kind }, text), table("Quality of the data", HEADS, lines, 3)];
  return { nodes, shown: () => {} };
}

export const qualityPage = { key: "quality", title: "Quality of the data", needs: ["quality"], build };
