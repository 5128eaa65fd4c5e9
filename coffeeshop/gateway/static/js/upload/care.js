/** How a new session treats its data: whether it is checked, and what becomes of bad rows. */

import { h } from "../dom.js";

/**
 * The part of the dialog. `wanted()` is `{quality, skipBadRows}`; `onChange()` is called when other
 * tables may be needed.
 */
export function carePanel(onChange) {
  const quality = box("check-data", "Check the data: repeated ids, sums that differ, unknown ids");
  const skip = box("skip-bad-rows", "Leave bad rows out instead of stopping at the first");
  quality.input.addEventListener("change", onChange);
  const node = h("div", { class: "row start" }, quality.node, skip.node);
  const wanted = () => ({ quality: quality.input.checked, skipBadRows: skip.input.checked });
  return { node, wanted };
}

function box(id, text) {
  const input = h("input", { type: "checkbox", id });
  return { input, node: h("div", { class: "field inline" }, input, h("label", { for: id }, text)) };
}
