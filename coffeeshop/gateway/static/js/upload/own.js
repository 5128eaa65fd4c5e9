/** Questions beyond the four: chosen from the gallery, or written in SQL. */

import { json } from "../api.js";
import { h } from "../dom.js";
import { tableName } from "../names.js";
import { editor } from "./editor.js";

const KINDS = {
  text: "text",
  id: "whole number",
  count: "whole number",
  amount: "amount",
  instant: "date and time",
  date: "date",
};

/** `questions()` are those that are chosen or written; `refused(problem)` as `askPanel` has it. */
export function ownForm(onChange) {
  const list = h("ul", { class: "ready" });
  const columns = h("div", { class: "columns" });
  const editors = h("div", { class: "stack" });
  const another = h("button", { class: "button small", type: "button" }, "Write another question");
  const ticked = new Map(); // name -> {question, input, say}
  const written = [];
  let loaded = null;

  const write = (name, text) => {
    const made = editor(written.length + 1, name, text, () => onChange());
    written.push(made);
    editors.append(made.node);
    return made;
  };
  another.addEventListener("click", () => write(`own${written.length + 1}`, "").sql.control.focus());
  write("own1", "");

  const show = ({ ready, tables }) => {
    list.replaceChildren(
      ...ready.map((question) => {
        const item = readyItem(question, onChange, () => {
          const empty = written.find((each) => each.sql.control.value.trim() === "");
          const into = empty ?? write("", "");
          into.fill(`my_${question.name}`.slice(0, 40), question.text);
          onChange();
        });
        ticked.set(question.name, { question, ...item });
        return item.node;
      }),
    );
    columns.replaceChildren(
      ...Object.entries(tables).map(([table, found]) =>
        h(
          "details",
          {},
          h("summary", {}, tableName(table), " ", h("code", {}, table)),
          h(
            "ul",
            {},
            found.map(({ name, kind }) => h("li", {}, h("code", {}, name), ` ${KINDS[kind] ?? kind}`)),
          ),
        ),
      ),
    );
  };
  const load = () => {
    loaded ??= json("v1/overview/questions")
      .then(show)
      .catch((error) => {
        loaded = null;
        list.replaceChildren(h("li", {}, `The questions could not be fetched: ${error.message}.`));
      });
  };
  const questions = () => [
    ...[...ticked.values()]
      .filter(({ input }) => input.checked)
      .map(({ question: { name, text } }) => ({ name, sql: text })),
    ...written.map((each) => each.question()).filter(({ sql }) => sql.trim() !== ""),
  ];
  const clear = () => written.forEach((each) => each.say(null));
  const refused = (problem) => {
    const at = written.find((each) => each.question().name === problem.body.question);
    at?.say(problem);
    return at !== undefined;
  };
  const node = h(
    "div",
    { class: "stack" },
    h("h3", {}, "Ready questions"),
    list,
    h("h3", {}, "In SQL"),
    h("div", { class: "sql" }, h("div", { class: "stack" }, editors, h("div", {}, another)), columns),
  );
  return { node, load, questions, clear, refused };
}

function readyItem({ name, title }, onChange, onEdit) {
  const id = `ready-${name}`;
  const input = h("input", { type: "checkbox", id, onchange: onChange });
  const edit = h(
    "button",
    { class: "button small", type: "button", onclick: onEdit, "aria-label": `Edit as SQL: ${title}` },
    "Edit as SQL",
  );
  const node = h("li", {}, h("div", { class: "field inline" }, input, h("label", { for: id }, title)), edit);
  return { node, input };
}
