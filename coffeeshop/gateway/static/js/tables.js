/** A session's input, table by table: who ended it, and with how many batches. */

import { h, setText } from "./dom.js";
import { bytes, counted, whole } from "./format.js";
import { grid } from "./grid.js";
import { tablesOf } from "./names.js";

/** How far a table is: `kind` is idle, busy or done. */
export function tableState(session, table) {
  const ends = Object.values(session.tables[table] ?? {});
  const taken = session.flow[table] ?? { batches: 0, rows: 0, bytes: 0 };
  const batches = ends.reduce((all, each) => all + each, 0);
  const done = ends.length === session.producers;
  const kind = done ? "done" : ends.length > 0 || taken.batches > 0 ? "busy" : "idle";
  return { kind, ended: ends.length, batches, taken };
}

const HEADS = ["Table", "End of stream", "Batches", "Rows", "Data"];

/** The table of tables; `update(session)` as it changes. */
export function tablesPanel(session) {
  const rows = Object.entries(tablesOf(session)).map(([key, name]) => row(key, name));
  const note = h("p", { class: "hint" }, "Rows and data count what this gateway received.");
  const lines = rows.map((each) => each.node);
  const shown = grid("Input of the session, by table", HEADS, h("tbody", {}, lines), {
    numbers: 2,
    kind: "wide",
  });
  const node = h("div", {}, shown, note);
  return { node, update: (session) => rows.forEach((each) => each.update(session)) };
}

function row(key, name) {
  const state = h("span", { class: "chip" });
  const cells = [0, 1, 2].map(() => h("td", { class: "number" }));
  const node = h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, state), cells);
  const update = (session) => {
    const { kind, ended, batches, taken } = tableState(session, key);
    state.className = `chip ${kind}`;
    setText(state, endText(session, kind, ended));
    const known = taken.batches > 0 || kind !== "done";
    setText(cells[0], whole(kind === "done" ? batches : Math.max(batches, taken.batches)));
    setText(cells[1], known ? whole(taken.rows) : "–");
    setText(cells[2], known ? bytes(taken.bytes) : "–");
  };
  return { node, update };
}

function endText(session, kind, ended) {
  if (kind === "done") return session.producers === 1 ? "ended" : `all ${session.producers} ended`;
  if (session.state !== "open") return "never ended";
  if (kind === "idle") return "waiting";
  return session.producers === 1
    ? "receiving"
    : `${ended} of ${counted(session.producers, "producer")} ended`;
}
