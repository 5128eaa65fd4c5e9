/** A session's results: a tab for each question, loaded when it is looked at. */

import { h, setText } from "../dom.js";
import { json } from "../api.js";
import { loaded } from "./load.js";
import { resultsAddress } from "../address.js";
import { ownQuestion } from "../own/question.js";
import { qualityPage } from "../quality/checks.js";
import { QUESTIONS } from "./questions.js";
import { tabs } from "./tabs.js";

/** The tabs; `update(session)` as results come. */
export function resultsPanel(session, signal) {
  const { id } = session;
  const address = resultsAddress(id);
  const isOwn = session.questions.length > 0;
  const questions = isOwn
    ? session.questions.map((each) =>
        ownQuestion(each, session.columns[each.name], address.look(each.name)),
      )
    : [...QUESTIONS];
  if (session.quality) questions.push(qualityPage);
  const warnings = h("div", { class: "notice warn", hidden: true });
  const pages = questions.map((question) => page(question, session, signal));
  const shown = tabs("Results by question", pages, (chosen) => chosen.look(), signal, {
    first: Math.max(0, pages.findIndex(({ key }) => key === address.tab)),
    onChoice: ({ key }) => address.show(key),
  });
  const print = h(
    "button",
    { class: "button small", type: "button", hidden: true },
    "Print all results",
  );
  print.addEventListener("click", async () => {
    print.disabled = true;
    await Promise.all(pages.map((each) => each.fetch()));
    print.disabled = false;
    window.print();
  });
  let told = false;
  const update = (session) => {
    for (const each of pages) each.update(session);
    print.hidden = session.state !== "completed";
    if (session.state === "completed" && !told) {
      told = true;
      showWarnings(id, warnings, signal);
    }
  };
  const buttons = h("div", { class: "actions screen" }, print);
  return { node: h("div", { class: "stack" }, warnings, shown.node, buttons), update };
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
      answer.warnings.map((text) => h("li", { translate: "no" }, text)),
    ),
  );
}

function page({ key, title, needs, build }, session, signal) {
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

  let fetched = Promise.resolve();

  /** Have it in the document, whether somebody looks or not. */
  function fetch() {
    if (state === "ready") {
      state = "shown";
      fetched = loaded(node, session, needs, signal, build);
    }
    return fetched;
  }

  function look() {
    looking = true;
    fetch();
  }
  return {
    key,
    title,
    node,
    update,
    look,
    fetch,
    isShown: () => state === "shown",
    leave: () => (looking = false),
    isReady: () => state !== "waiting",
  };
}

function waitingText(session) {
  if (session.state !== "open") return `The session is ${session.state}: it has no such result.`;
  if (session.trouble) return `${session.trouble}.`;
  if (session.uploaded) return "All data is in. The answer is being worked out …";
  return "The results appear when all data is uploaded.";
}
