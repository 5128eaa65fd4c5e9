/** Two sessions side by side, or two periods of one; the address names them. */

import { addressOf, resultsAddress } from "../address.js";
import { json } from "../api.js";
import { h } from "../dom.js";
import { moment, useCurrency } from "../format.js";
import { QUERIES, SUMMARY, titleOf, words } from "../names.js";
import { titleOfQuestion } from "../own/question.js";
import { loading, notice, section } from "../parts.js";
import { loaded } from "../results/load.js";
import { tabs } from "../results/tabs.js";
import { isCube } from "../summary/cube.js";
import { comparable } from "./columns.js";
import { comparedCubes } from "./cubes.js";
import { comparedQuestion } from "./question.js";

const LISTED = 200; // sessions to choose from

/** The view of the sessions with these ids; none or one of them is yet to be chosen. */
export function compareView(ids) {
  const body = h("div", { class: "stack" }, loading("Asking the gateway …"));
  const node = h(
    "div",
    { class: "stack" },
    h("p", { class: "crumbs" }, h("a", { href: "#/" }, "Overview")),
    h("h1", { tabindex: "-1" }, "Compare"),
    body,
  );
  return { title: "Compare", node, start: (signal) => begin(ids, body, signal) };
}

async function begin(ids, body, signal) {
  try {
    const known = await Promise.all(ids.map((id) => json(`v1/overview/sessions/${id}`, { signal })));
    const { sessions } = await json(`v1/overview?state=completed&limit=${LISTED}`, { signal });
    useCurrency(known[0]?.currency);
    body.replaceChildren(choice(ids, listed(known, sessions)));
    if (known.length === 2) body.append(both(known, signal));
    else body.append(h("p", { class: "empty" }, "Choose two sessions, or one twice to compare two periods of it."));
  } catch (error) {
    if (!signal.aborted) body.replaceChildren(notice(`The sessions cannot be compared: ${error.message}.`));
  }
}

const listed = (known, sessions) => [
  ...new Map([...sessions, ...known].map((each) => [each.id, each])).values(),
];

function choice(ids, sessions) {
  const selects = ["A", "B"].map((side, i) => {
    const options = sessions.map((each) =>
      h(
        "option",
        { value: each.id, selected: each.id === ids[i], translate: "no" },
        `${titleOf(each)} · ${moment(each.created_at)}`,
      ),
    );
    const select = h(
      "select",
      { id: `session-${side.toLowerCase()}` },
      h("option", { value: "", selected: ids[i] === undefined }, "Choose a session"),
      options,
    );
    const node = h("div", { class: "field grow" }, h("label", { for: select.id }, `Session ${side}`), select);
    return { select, node };
  });
  const go = (chosen) => (location.hash = addressOf("compare", chosen));
  const values = () => selects.map(({ select }) => select.value);
  for (const { select } of selects)
    select.addEventListener("change", () => {
      const [a, b] = values();
      if (a !== "") go(b === "" ? [a] : [a, b]);
    });
  const swap = h("button", { class: "button", type: "button" }, "Swap");
  swap.disabled = ids.length < 2;
  swap.addEventListener("click", () => go(values().reverse()));
  return h("div", { class: "panel" }, h("div", { class: "row bottom" }, selects.map((each) => each.node), swap));
}

function both([a, b], signal) {
  const address = resultsAddress("compare", [a.id, b.id]);
  const described = comparable(a, b);
  const cube = described[SUMMARY.cube];
  const hasCube = isCube(cube ?? []);
  const questions = Object.entries(described)
    .filter(([name]) => name !== SUMMARY.cube || !hasCube)
    .map(([name, columns]) => comparedQuestion(name, titleFor(a, name), columns));
  if (hasCube) questions.unshift(comparedCubes(cube, a.id === b.id));
  if (questions.length === 0)
    return h("p", { class: "empty" }, "These sessions have no answers to the same questions.");
  const pages = questions.map((question) => page(question, [a, b], address.look(question.key), signal));
  const shown = tabs("Results by question", pages, (chosen) => chosen.show(), signal, {
    first: Math.max(0, pages.findIndex(({ key }) => key === address.tab)),
    onChoice: ({ key }) => address.show(key),
  });
  const hint = h("p", { class: "hint" }, "The difference is B less A; the per cent is of A.");
  return section("Comparison", { class: "panel" }, hint, shown.node);
}

function titleFor({ questions }, name) {
  const own = questions.find((each) => each.name === name && each.sql !== "");
  return own ? titleOfQuestion(own) : (QUERIES[name] ?? words(name));
}

function page(question, sessions, look, signal) {
  const node = h("div", { class: "stack" });
  let isShown = false;
  const show = () => {
    if (isShown) return;
    isShown = true;
    loaded(node, { id: sessions.map(({ id }) => id), look }, { ...question, files: [] }, signal);
  };
  return { ...question, node, show, leave: () => {}, isShown: () => isShown };
}
