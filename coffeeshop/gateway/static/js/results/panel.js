/** A session's results: a tab for each question, loaded when it is looked at. */

import { h, setText } from "../dom.js";
import { json } from "../api.js";
import { loaded } from "./load.js";
import { QUESTIONS } from "./questions.js";
import { tabs } from "./tabs.js";

/** The tabs; `update(session)` as results come. */
export function resultsPanel(id, signal) {
  const warnings = h("div", { class: "notice warn", hidden: true });
  const pages = QUESTIONS.map((question) => page(question, id, signal));
  const shown = tabs("Results by question", pages, (chosen) => chosen.look());
  let asked = false;
  const update = (session) => {
    for (const each of pages) each.update(session);
    if (session.state === "completed" && !asked) {
      asked = true;
      showWarnings(id, warnings, signal);
    }
  };
  return { node: h("div", { class: "stack" }, warnings, shown.node), update };
}

async function showWarnings(id, node, signal) {
  const answer = await json(`v1/overview/sessions/${id}/warnings`, { signal }).catch(() => null);
  if (answer === null || answer.warnings.length === 0) return;
  node.hidden = false;
  node.append(
    h("p", {}, "Warnings about the data:"),
    h(
      "ul",
      {},
      answer.warnings.map((text) => h("li", {}, text)),
    ),
  );
}

function page({ key, title, needs, build }, id, signal) {
  const node = h("div", { class: "stack" });
  const text = h("p", { class: "empty" });
  node.append(text);
  let state = "waiting"; // then ready, then shown
  let looking = false;

  function update(session) {
    if (state !== "waiting") return;
    if (needs.every((query) => session.results.includes(query))) {
      state = "ready";
      if (looking) look();
    } else setText(text, waitingText(session));
  }

  function look() {
    looking = true;
    if (state !== "ready") return;
    state = "shown";
    loaded(node, id, needs, signal, build);
  }
  return {
    key,
    title,
    node,
    update,
    look,
    leave: () => (looking = false),
    isReady: () => state !== "waiting",
  };
}

function waitingText(session) {
  if (session.state !== "open") return `The session is ${session.state}: it has no such result.`;
  if (session.uploaded) return "All data is in. The answer is being worked out …";
  return "The results appear when all data is uploaded.";
}
