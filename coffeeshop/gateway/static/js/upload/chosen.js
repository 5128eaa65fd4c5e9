/** What was chosen, table by table. */

import { h } from "../dom.js";
import { bytes, counted } from "../format.js";
import { tableName } from "../names.js";

const SHOWN = 10; // problems

/** The list; `show(folder)` as `folderOf` gives it. */
export function chosenList() {
  const node = h("div", { class: "stack", hidden: true });
  const show = (folder) => {
    node.hidden = false;
    const items = Object.entries(folder.tables).map(([table, files]) => item(tableName(table), files));
    const list = h("ul", { class: "chosen", "aria-label": "Tables in what was chosen" }, items);
    node.replaceChildren(...[list, problems(folder), warnings(folder)].filter(Boolean));
  };
  return { node, show };
}

function item(name, files) {
  const size = files.reduce((all, each) => all + each.size, 0);
  const found = files.length > 0;
  const text = found ? `${counted(files.length, "file")}, ${bytes(size)}` : "missing";
  return h("li", { class: found ? "found" : "missing" }, h("span", {}, name), h("span", {}, text));
}

function problems({ problems: found }) {
  if (found.length === 0) return null;
  const texts = found
    .slice(0, SHOWN)
    .map(({ path, reason }) => (path === "" ? sentence(reason) : `${path}: ${reason}.`));
  const more = found.length - SHOWN;
  if (more > 0) texts.push(`And ${counted(more, "problem")} more.`);
  return h(
    "div",
    { class: "notice bad", role: "alert" },
    texts.map((text) => h("p", {}, text)),
  );
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.?]$/.test(text) ? "" : "."}`;

/** What is in the folder and not read; nothing when there is nothing to say. */
export function warnings({ warnings: found }) {
  if (found.length === 0) return null;
  return h(
    "div",
    { class: "notice warn", role: "status" },
    found.map((text) => h("p", {}, sentence(text))),
  );
}
