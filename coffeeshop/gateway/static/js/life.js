/** The end-of-stream protocol of a session, told with the times of its records. */

import { h, Keyed, setAttribute, setText } from "./dom.js";
import { clock, counted, moment } from "./format.js";
import { queriesOf, tablesOf } from "./names.js";

const SHOWN = 200;

/** The story; `update(session)` shows what is known of it, in the order in which it happened. */
export function lifePanel() {
  const list = h("ol", { class: "life" });
  const node = h(
    "div",
    { class: "story", role: "log", "aria-label": "What happened", tabindex: "0" },
    list,
  );
  const keyed = new Keyed(list, ({ key }) => key, entry);
  const update = (session) => keyed.show(story(session).slice(-SHOWN));
  return { node, update };
}

function entry() {
  const time = h("time", { class: "time" });
  const text = h("span", {});
  const node = h("li", {}, time, text);
  const update = (now) => {
    node.className = now.kind;
    setText(time, now.at === null ? "–" : clock(now.at));
    setAttribute(time, "title", now.at === null ? "This was not written down" : moment(now.at));
    setText(text, now.text);
  };
  return { node, update };
}

/** Everything that happened, `{key, at, text, kind}`, the first first. */
function story(session) {
  const entries = [...opening(session), ...input(session), ...answers(session), ...ending(session)];
  // What has no time stays behind what it was told after.
  let last = 0;
  for (const each of entries) last = each.place = Math.max(each.at ?? last, 0);
  return entries.sort((a, b) => a.place - b.place);
}

const told = (key, at, text, kind = "") => ({ key, at: at ?? null, text, kind });

function opening({ created_at: at, producers, tables: read }) {
  const tables = counted(Object.keys(read).length, "table");
  const announced = counted(producers, "producer");
  return [told("opened", at, `Registered: ${tables}, ${announced} announced`)];
}

function input(session) {
  const ends = Object.entries(session.tables).flatMap(([table, counts]) =>
    Object.entries(counts).map(([producer, batches]) =>
      told(
        `${table}/${producer}`,
        session.tables_ended_at[table]?.[producer],
        `${tablesOf(session)[table]}: producer ${producer} ended with ${counted(batches, "batch", "batches")}`,
      ),
    ),
  );
  ends.sort((a, b) => (a.at ?? 0) - (b.at ?? 0));
  if (session.uploaded)
    ends.push(told("uploaded", session.uploaded_at, "Every producer ended every table", "good"));
  return ends;
}

const answers = (session) =>
  session.results.map((query) =>
    told(
      `result/${query}`,
      session.results_at[query],
      `${queriesOf(session)[query] ?? query}: result complete`,
      "good",
    ),
  );

function ending({ state, reason, ended_at: at, released, released_at: gone }) {
  const entries = [];
  if (state === "completed")
    entries.push(told("end", at, "Completed: all results are available", "good"));
  else if (state !== "open") {
    const kind = state === "cancelled" ? "" : "bad";
    entries.push(told("end", at, `Ended: ${state}${reason ? `, ${reason}` : ""}`, kind));
  }
  if (released) entries.push(told("released", gone, "The input was removed from the broker"));
  return entries;
}
