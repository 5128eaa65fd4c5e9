/** The end-of-stream protocol of a session, told as it happens. */

import { h } from "./dom.js";
import { clock, counted } from "./format.js";
import { QUERIES, TABLES } from "./names.js";

const SHOWN = 200;

/** The story; `update(session)` adds to it, in the order of the protocol. */
export function lifePanel() {
  const list = h("ol", { class: "life" });
  const node = h(
    "div",
    { class: "story", role: "log", "aria-label": "What happened", tabindex: "0" },
    list,
  );
  const told = new Set();
  let live = false;

  function tell(key, text, kind = "", at = null) {
    if (told.has(key)) return;
    told.add(key);
    const time = at ?? (live ? Date.now() / 1000 : null);
    list.append(
      h(
        "li",
        { class: kind },
        h("span", { class: "time" }, time === null ? "before" : clock(time)),
        h("span", {}, text),
      ),
    );
    if (list.children.length > SHOWN) list.firstElementChild.remove();
  }

  function update(session) {
    const producers = counted(session.producers, "producer");
    tell(
      "opened",
      `Registered: ${Object.keys(TABLES).length} tables, ${producers} announced`,
      "",
      session.created_at,
    );
    for (const [table, ends] of Object.entries(session.tables)) {
      for (const [producer, batches] of Object.entries(ends)) {
        tell(
          `${table}/${producer}`,
          `${TABLES[table]}: producer ${producer} ended with ${counted(batches, "batch", "batches")}`,
        );
      }
    }
    if (session.uploaded) tell("uploaded", "Every producer ended every table", "good");
    for (const query of session.results) complete(query);
    if (session.state !== "open") end(session);
    if (session.released) tell("released", "The input was removed from the broker");
    live = true;
  }

  function complete(query) {
    tell(`result/${query}`, `${QUERIES[query] ?? query}: result complete`, "good");
  }

  function end({ state, reason, ended_at: at }) {
    const text =
      state === "completed"
        ? "Completed: all results are available"
        : `Ended: ${state}${reason ? `, ${reason}` : ""}`;
    tell("end", text, state === "completed" ? "good" : "bad", at);
  }
  return { node, update };
}
