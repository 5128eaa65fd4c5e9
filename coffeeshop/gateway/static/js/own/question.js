/** A question of one's own: its answer as a chart that fits and a table to search and sort. */

import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { perhapsTranslated } from "../language/language.js";
import { columnOf } from "./columns.js";
import { drawn, fitting } from "./chart.js";
import { answerTable } from "./table.js";

const TITLE = /^\s*--[ \t]*(\S.*)/;

/** What a question is called: the comment that its text begins with, or its name. */
export function titleOfQuestion({ name, sql }) {
  const words = name.replaceAll("_", " ");
  return TITLE.exec(sql)?.[1].trim() ?? words[0].toUpperCase() + words.slice(1);
}

/**
 * The question as a page of results; `described` are its columns as the gateway describes them,
 * `look` remembers how it is looked at.
 */
export function ownQuestion(question, described, look) {
  const title = perhapsTranslated(titleOfQuestion(question));
  const build = ([result], signal) => built(title, question, described, allRows(result), look, signal);
  return { key: question.name, title, needs: [question.name], build };
}

function built(title, question, described, rows, look, signal) {
  const columns = described.map((each, at) => columnOf(each, rows, at));
  const figure = h("div", { class: "stack" });
  const fit = fitting(columns, rows);
  let shown = () => {};
  const draw = (choice) => {
    const named = perhapsTranslated(`${title}: ${choice.title}`);
    const made = drawn(named, fit, choice, rows, signal);
    const left = made.text === "" ? null : h("p", { class: "hint" }, made.text);
    figure.replaceChildren(...[made.node, left].filter(Boolean));
    shown = made.shown;
  };
  const nodes = [];
  if (fit !== null) {
    const at = Math.max(0, fit.choices.findIndex((each) => each.title === look.get("show")));
    draw(fit.choices[at]);
    if (fit.choices.length > 1)
      nodes.push(
        chooser(question.name, fit.choices, at, (choice) => {
          look.set({ show: choice.title });
          draw(choice);
          shown();
        }),
      );
    nodes.push(figure);
  }
  if (rows.length === 0) nodes.push(h("p", { class: "empty" }, "The answer has no rows."));
  else nodes.push(answerTable(title, columns, rows, look, { signal }));
  nodes.push(
    h("details", {}, h("summary", {}, "The question in SQL"), h("pre", {}, h("code", {}, question.sql))),
  );
  return { nodes, shown: () => shown() };
}

function chooser(name, choices, at, onChoice) {
  const id = `show-${name}`;
  const select = h(
    "select",
    { id, onchange: () => onChoice(choices[Number(select.value)]) },
    choices.map(({ title }, i) => h("option", { value: i, selected: i === at }, title)),
  );
  return h("div", { class: "field short" }, h("label", { for: id }, "Show"), select);
}
