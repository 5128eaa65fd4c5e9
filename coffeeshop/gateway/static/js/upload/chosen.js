/** What was chosen, table by table. */

import { h } from "../dom.js";
import { bytes, counted } from "../format.js";
import { TABLES } from "../names.js";

/** The list; `show(folder)` as `folderOf` gives it. */
export function chosenList() {
  const node = h("div", { class: "stack", hidden: true });
  const show = (folder) => {
    node.hidden = false;
    const items = Object.entries(TABLES).map(([table, name]) => item(name, folder.tables[table]));
    const list = h("ul", { class: "chosen", "aria-label": "Tables in what was chosen" }, items);
    node.replaceChildren(...[list, complaint(folder)].filter(Boolean));
  };
  return { node, show };
}

function item(name, files) {
  const size = files.reduce((all, { file }) => all + file.size, 0);
  const found = files.length > 0;
  const text = found ? `${counted(files.length, "file")}, ${bytes(size)}` : "missing";
  return h("li", { class: found ? "found" : "missing" }, h("span", {}, name), h("span", {}, text));
}

function complaint({ missing, unusable }) {
  if (missing.length === 0) return null;
  const texts = [
    missing.length === Object.keys(TABLES).length
      ? `No table found. Expected: ${missing.map((table) => `${table}.csv`).join(", ")}, or a folder of each name with CSV files.`
      : `No files for ${missing.map((table) => `${table}.csv or ${table}/*.csv`).join(", ")}.`,
  ];
  if (unusable.length > 0) {
    texts.push(
      "Parquet files cannot be sent from a browser: the command coffeeshop submit sends them.",
    );
  }
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    texts.map((text) => h("p", {}, text)),
  );
}
