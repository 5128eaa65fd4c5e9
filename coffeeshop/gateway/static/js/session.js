/** A session's page: its state, its input, its life, its results. */

import { Problem } from "./api.js";
import { announce } from "./announce.js";
import { h } from "./dom.js";
import { useCurrency } from "./format.js";
import { sessionPipeline } from "./flow.js";
import { lifePanel } from "./life.js";
import { STATES, titleOf } from "./names.js";
import { translated } from "./language/language.js";
import { loading, notice, section } from "./parts.js";
import { poll } from "./poll.js";
import { leftOutPanel } from "./quality/leftout.js";
import { resultsPanel } from "./results/panel.js";
import { sessionHead } from "./head.js";
import { follow } from "./sse.js";
import { tablesPanel } from "./tables.js";
import { uploadPanel } from "./upload/panel.js";
import { uploadOf } from "./upload/uploads.js";

const PERIOD = 1; // seconds
const AFTER = 5; // seconds, once it has ended
const ENDS = new Set(["completed", "failed", "cancelled", "aborted", "expired"]);

/** The view of the session of that id. */
export function sessionView(id) {
  const node = h(
    "div",
    { class: "stack" },
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Overview")),
    h("h1", { tabindex: "-1" }, `Session ${id.slice(0, 8)}`),
    loading("Asking the gateway …"),
  );
  return { title: "Session", node, start: (signal) => begin(id, node, signal) };
}

function begin(id, node, signal) {
  let parts = null;
  let state = null;
  const again = { now: () => {} };
  const onAnswer = (session) => {
    useCurrency(session.currency);
    parts ??= built(node, session, signal);
    for (const part of parts) part.update(session);
    if (state !== null && state !== session.state)
      announce(`The session is ${STATES[session.state].toLowerCase()}.`);
    if (state === null) listen(id, signal, () => again.now());
    state = session.state;
  };
  const onError = (error) => {
    if (!(error instanceof Problem) || ![404, 410, 422].includes(error.status)) return undefined;
    gone(node, error);
    return "stop";
  };
  const path = () => `v1/overview/sessions/${id}`;
  const seconds = () => (state === "open" || state === null ? PERIOD : AFTER);
  poll(path, { seconds, signal, onAnswer, onError, again });
}

/** The session's own events tell at once that there is something new to ask for. */
function listen(id, signal, lookAgain) {
  const path = `v1/sessions/${id}/events`;
  follow(path, { ends: ENDS, signal, onEvent: lookAgain }).catch(lookAgain);
}

function built(node, session, signal) {
  document.title = `${session.name || translated(titleOf(session))} · coffeeshop`;
  const head = sessionHead(node.querySelector("h1"), session);
  const upload = uploadPanel(session.id);
  const pipeline = sessionPipeline(signal);
  const tables = tablesPanel(session);
  const life = lifePanel();
  const leftOut = leftOutPanel();
  const results = resultsPanel(session, signal);
  const answers = section("Results", { class: "panel" }, results.node);
  const flow = section("Pipeline", { class: "panel" }, pipeline.node);
  // Who comes for the answers need not see how they were made; who watched goes on watching.
  const work = h(
    "details",
    { class: "stack work screen", open: session.state !== "completed" || uploadOf(session.id) !== undefined },
    h("summary", {}, "How it was worked out"),
    flow,
    h(
      "div",
      { class: "pair" },
      section("Input", { class: "panel" }, tables.node),
      section("End-of-stream protocol", { class: "panel" }, life.node),
    ),
  );
  node
    .querySelector(".loading")
    .replaceWith(
      head.node,
      upload.node,
      leftOut.node,
      work,
      answers,
    );
  // What a session is opened for comes first as soon as it is there.
  const order = { update: ({ state }) => state === "completed" && raise(answers, work) };
  upload.start(signal);
  return [head, leftOut, pipeline, tables, life, results, order];
}

function raise(node, above) {
  if (above.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING) above.before(node);
}

function gone(node, error) {
  const text =
    error.status === 410
      ? "This session and its results were deleted."
      : `The session cannot be shown: ${error.message}.`;
  const heading = node.querySelector("h1");
  node.replaceChildren(
    node.firstElementChild,
    heading,
    notice(text, h("p", {}, h("a", { href: "#/" }, "Go to the overview"))),
  );
}
