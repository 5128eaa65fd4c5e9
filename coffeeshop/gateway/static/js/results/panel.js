/** A session's results: a tab for each question, loaded when it is looked at. */

import { h, setText } from "../dom.js";
import { json } from "../api.js";
import { loaded } from "./load.js";
import { resultsAddress } from "../address.js";
import { ownQuestion } from "../own/question.js";
import { qualityPage } from "../quality/checks.js";
import { QUESTIONS } from "./questions.js";
import { soFar } from "./sofar.js";
import { fourSummary } from "../summary/four.js";
import { hasCube, salesSummary } from "../summary/summary.js";
import { tabs } from "./tabs.js";
import { togetherBar } from "./together.js";

/** The tabs; `update(session)` as results come. */
export function resultsPanel(session, signal) {
  const { id } = session;
  const address = resultsAddress("sessions", [id]);
  const questions = questionsOf(session, address);
  const warnings = h("div", { class: "notice warn", hidden: true });
  const pages = questions.map((question) =>
    page(question, session, address.look(question.key), signal),
  );
  const shown = tabs("Results by question", pages, (chosen) => chosen.show(), signal, {
    first: Math.max(0, pages.findIndex(({ key }) => key === address.tab)),
    onChoice: ({ key }) => address.show(key),
  });
  const print = async () => {
    await Promise.all(pages.map((each) => each.fetch()));
    window.print();
  };
  const together = togetherBar(session, print);
  const known = soFar(session, signal);
  let told = false;
  const update = (session) => {
    for (const each of pages) each.update(session);
    together.update(session);
    known.update(session);
    if (session.state === "completed" && !told) {
      told = true;
      showWarnings(id, warnings, signal);
    }
  };
  return { node: h("div", { class: "stack" }, together.node, warnings, known.node, shown.node), update };
}

/** The tabs of a session: the summary first, then what it was asked. */
function questionsOf(session, address) {
  const { columns, questions } = session;
  // A session that names no question answers the four.
  const builtIn = questions.length === 0 ? QUESTIONS : QUESTIONS.filter(({ name }) => isNamed(questions, name));
  const summary =
    hasCube(columns)
      ? [salesSummary(columns, address.look("summary"))]
      : builtIn.length === QUESTIONS.length
        ? [fourSummary]
        : [];
  const isShown = new Set(summary.flatMap(({ needs }) => needs));
  const own = questions
    .filter(({ name }) => name in columns && !isShown.has(name))
    .map((each) => ownQuestion(each, columns[each.name], address.look(each.name)));
  return [...summary, ...builtIn, ...own, ...(session.quality ? [qualityPage] : [])];
}

const isNamed = (questions, name) => questions.some((each) => each.name === name);

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

function page(question, session, look, signal) {
  const { key, title, needs } = question;
  const node = h("div", { class: "stack" });
  const text = h("p", { class: "empty" });
  node.append(text);
  let state = "waiting"; // then ready, then shown
  let looking = false;

  function update(session) {
    if (state !== "waiting") return;
    if (needs.every((query) => session.results.includes(query))) {
      state = "ready";
      if (looking) show();
    } else setText(text, waitingText(session));
  }

  let fetched = Promise.resolve();

  /** Have it in the document, whether somebody looks or not. */
  function fetch() {
    if (state === "ready") {
      state = "shown";
      fetched = loaded(node, { ...session, look }, question, signal);
    }
    return fetched;
  }

  function show() {
    looking = true;
    fetch();
  }
  return {
    key,
    title,
    node,
    update,
    show,
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
