/** The processes that do the work. */

import { h, Keyed, setText } from "./dom.js";
import { grid } from "./grid.js";
import { bytes, duration, whole } from "./format.js";
import { words } from "./names.js";

const HEADS = ["Node", "Runs", "Tasks", "Done", "Restarts", "Memory", "Last seen"];
const NUMBERS = 2; // from that column on

/** The table of nodes; `update(overview)` as it changes. */
export function nodesPanel() {
  const body = h("tbody");
  const keyed = new Keyed(body, (node) => node.id, row);
  const empty = h(
    "p",
    { class: "empty" },
    "No worker is running. Sessions wait until one starts.",
  );
  const shown = grid("Running nodes", HEADS, body, { numbers: NUMBERS, kind: "widest" });
  const update = ({ nodes }) => {
    empty.hidden = nodes.length > 0;
    shown.hidden = nodes.length === 0;
    keyed.show(nodes);
  };
  return { node: h("div", {}, empty, shown), update };
}

function row(node) {
  const cells = HEADS.slice(1).map((_, i) =>
    h("td", {
      class: i + 1 >= NUMBERS ? "number" : null,
      translate: i === 0 ? "no" : null, // types of nodes, as the command line calls them
    }),
  );
  const name = h("span", { class: "breaking", translate: "no" }, node.id);
  const since = h("span", { class: "hint" });
  const element = h("tr", {}, h("th", { scope: "row" }, name, since), cells);
  const update = (now) => {
    setText(since, `up for ${duration(Date.now() / 1000 - now.started_at)}`);
    const texts = [
      now.types.map(words).join(", "),
      figure(now.tasks),
      figure(now.tasks_settled_total),
      figure(now.restarts_total),
      now.resident_bytes ? bytes(now.resident_bytes) : "–",
      now.silent_seconds < 3 ? "now" : `${whole(now.silent_seconds)} s ago`,
    ];
    texts.forEach((text, i) => setText(cells[i], text));
    element.classList.toggle("stale", now.silent_seconds >= 5);
  };
  return { node: element, update };
}

const figure = (number) => (number === undefined ? "–" : whole(number));
