/** One question's answers in two sessions: each measure in both, the difference, the per cent. */

import { drawn, fitting } from "../own/chart.js";
import { allRows } from "../csv.js";
import { h } from "../dom.js";
import { perhapsTranslated } from "../language/language.js";
import { changeColumn } from "../own/plain.js";
import { answerTable } from "../own/table.js";
import { joined, totalsOf } from "./join.js";
import { partsOf } from "./columns.js";

/** The page of a question of that name and title; `described` are its columns. */
export function comparedQuestion(name, title, described) {
  const build = (results, signal, { look }) =>
    built(title, described, results.map(allRows), look, signal);
  return { key: name, title, needs: [name], build };
}

function built(title, described, [a, b], look, signal) {
  const { keys, measures } = partsOf(described, [...a, ...b]);
  if (measures.length === 0)
    return { nodes: [h("p", { class: "empty" }, "There is nothing to subtract.")], shown: () => {} };
  const places = (columns) => columns.map(({ at }) => at);
  const rows = joined(places(keys), places(measures), a, b);
  const columns = [
    ...keys,
    ...measures.flatMap((each, i) => sides(each, keys.length + 4 * i)),
  ].map((each, at) => ({ ...each, at }));
  const figure = chartOf(title, columns.slice(0, keys.length), measures, columns, rows, signal);
  return {
    nodes: [...(figure?.nodes ?? []), answerTable(title, columns, rows, look, { signal })],
    shown: () => figure?.shown(),
  };
}

/** The four columns of a measure, the first of which is at that place. */
function sides(measure, at) {
  const totals = measure.adds ? totalsOf(at, at + 1) : {};
  const titled = (text) => perhapsTranslated(`${measure.title} ${text}`);
  return [
    { ...measure, name: `${measure.name}_a`, title: titled("A") },
    { ...measure, name: `${measure.name}_b`, title: titled("B") },
    { ...measure, name: `${measure.name}_difference`, title: "Difference", totalOf: totals.difference },
    { ...changeColumn(`${measure.name}_percent`, "Per cent"), totalOf: totals.percent },
  ];
}

/** The first measure of both sides, where a chart of the keys has room for two. */
function chartOf(title, keys, [measure], columns, rows, signal) {
  const pair = columns.slice(keys.length, keys.length + 2);
  const fit = fitting([...keys, ...pair], rows);
  if (fit === null || fit.kind === "heat" || (fit.kind === "lines" && keys.length > 1)) return null;
  const choice = { title: measure.title, measures: pair };
  const made = drawn(perhapsTranslated(`${title}: ${measure.title}`), fit, choice, rows, signal);
  const left = made.text === "" ? [] : [h("p", { class: "hint" }, made.text)];
  return { nodes: [made.node, ...left], shown: made.shown };
}
