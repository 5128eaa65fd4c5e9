/** The figures that one wants first, each with its change against the period before. */

import { h, setAttribute, setText } from "../dom.js";
import { percent } from "../format.js";
import { percentOf } from "../exact.js";

/** Tiles of those titles; `show({title: {text, note, change, data}})` fills them in. */
export function tiles(titles) {
  const parts = new Map(titles.map((title) => [title, tile(title)]));
  const node = h("dl", { class: "tiles" }, [...parts.values()].map((each) => each.node));
  const show = (values) => {
    for (const [title, part] of parts) part.show(values[title] ?? { text: "–" });
  };
  return { node, show };
}

function tile(title) {
  const value = h("dd", { class: "value" });
  const note = h("dd", { class: "hint" });
  const change = h("dd", { class: "change", hidden: true });
  const node = h("div", { class: "tile" }, h("dt", {}, title), value, change, note);
  const show = ({ text, note: more = "", change: found = null, isData = false }) => {
    if (isData) value.setAttribute("translate", "no");
    setText(value, text);
    setAttribute(value, "title", isData ? text : null);
    node.classList.toggle("name", isData);
    setText(note, more);
    note.hidden = more === "";
    change.hidden = found === null;
    if (change.hidden) return;
    change.className = `change ${found.kind}`;
    setText(change, found.text);
  };
  return { node, show };
}

/**
 * How `now` changed from `before`, whole units both: `{kind, text}`, where `of(share)` says it in full;
 * null where a share means nothing.
 */
export function changeOf(now, before, of) {
  const share = percentOf(now - before, before);
  if (share === "") return null;
  const isSame = Math.abs(Number(share)) < 0.05; // what would be shown as 0.0 %
  const kind = isSame ? "same" : now > before ? "more" : "less";
  const arrow = { same: "=", more: "▲", less: "▼" }[kind];
  return { kind, text: of(`${arrow} ${percent(share, true)}`) };
}
