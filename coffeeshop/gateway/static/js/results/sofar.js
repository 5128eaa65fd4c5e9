/** What is known of a session while it runs, for who asks: marked, and at no place of a result. */

import { json, Problem } from "../api.js";
import { h, setText } from "../dom.js";
import { share, whole } from "../format.js";
import { grid, gridRow } from "../grid.js";
import { perhapsTranslated } from "../language/language.js";
import { QUERIES, words } from "../names.js";
import { pause } from "../patience.js";
import { uploadOf } from "../upload/uploads.js";

const PERIOD = 5; // seconds between two looks
const ROWS = 10; // of each question
const NO_ANSWER = "This is no answer yet: it changes with every row that comes.";

/** The part above the results; `update(session)` as it changes. Nothing is asked before a click. */
export function soFar({ id }, signal) {
  const button = h("button", { class: "button small", type: "button", "aria-expanded": "false" });
  const text = h("p", {});
  const tables = h("div", { class: "stack" });
  const shown = h("div", { class: "notice warn so-far", hidden: true }, text, h("p", {}, NO_ANSWER), tables);
  const node = h("div", { class: "stack screen", hidden: true }, h("div", { class: "actions" }, button), shown);
  const parts = new Map(); // by question
  let watching = null; // ends the watching

  const show = (found) => {
    setText(text, sentence(id, found));
    for (const [name, each] of Object.entries(found.questions)) {
      if (!parts.has(name)) parts.set(name, table(name, each.columns));
      parts.get(name).update(each);
    }
    tables.append(...[...parts.values()].map(({ node: part }) => part).filter((part) => !part.isConnected));
  };
  const watch = async (stop) => {
    while (!stop.aborted) {
      let wait = PERIOD;
      try {
        show(await json(`v1/sessions/${id}/partial`, { signal: stop }));
      } catch (error) {
        if (stop.aborted) return;
        if (error instanceof Problem && [404, 410].includes(error.status)) return; // it has ended
        setText(text, `What is known so far cannot be shown now: ${error.message}.`);
        wait = Math.max(PERIOD, error.retryAfter ?? 0);
      }
      await pause(wait, stop);
    }
  };
  const turn = (on) => {
    watching?.abort();
    watching = on ? new AbortController() : null;
    shown.hidden = !on;
    button.setAttribute("aria-expanded", String(on));
    setText(button, on ? "Hide what is known so far" : "Show what is known so far");
    if (!on) return;
    setText(text, "Reading what came so far …");
    watch(AbortSignal.any([watching.signal, signal]));
  };
  button.addEventListener("click", () => turn(watching === null));
  turn(false);
  const update = (session) => {
    const runs = session.state === "open" && session.input_bytes > 0;
    if (node.hidden === !runs) return;
    node.hidden = !runs;
    if (!runs) turn(false);
  };
  return { node, update };
}

function sentence(id, { rows: read, share: part }) {
  const rows = whole(Object.values(read).reduce((all, each) => all + each, 0));
  if (part !== null) return `So far: ${share(part)} of the rows, ${rows} in all.`;
  const upload = uploadOf(id);
  if (upload?.total > 0) return `So far: ${rows} rows, about ${share(upload.sent / upload.total)} of the files.`;
  return `So far: ${rows} rows; more may come.`;
}

/** A question's rows so far, folded; `update` keeps what is unfolded, and where the focus is. */
function table(name, columns) {
  const title = perhapsTranslated(QUERIES[name] ?? words(name));
  const heads = columns.map((each) => h("span", { translate: "no" }, each));
  const count = h("span", {});
  const body = h("tbody");
  const node = h(
    "details",
    {},
    h("summary", {}, title, " ", count),
    grid(title, heads, body, { numbers: columns.length }),
  );
  const update = ({ rows, first }) => {
    setText(count, `${whole(rows)} so far`);
    body.replaceChildren(...first.slice(0, ROWS).map((row) => gridRow(row, columns.length)));
  };
  return { node, update };
}
