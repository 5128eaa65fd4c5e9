/** What a new session is asked: the four questions with their parameters, or others in SQL. */

import { json } from "../api.js";
import { h } from "../dom.js";
import { tableName } from "../names.js";
import { editor, field } from "./editor.js";

const PARAMETERS = {
  years: { title: "Years", hint: "2024 or 2023-2025", said: "years" },
  hours: { title: "Hours", hint: "07:00-22:00", said: "hours" },
  min_amount: { title: "Least amount of large purchases", hint: "75", said: "the least amount" },
  top: { title: "Customers per store", hint: "3", said: "top" },
};
const KINDS = {
  text: "text",
  id: "whole number",
  count: "whole number",
  amount: "amount",
  instant: "date and time",
  date: "date",
};

/**
 * The part of the dialog. `asked()` is what the gateway takes, `{questions, parameters}`;
 * `refused(problem)` shows what is wrong where it is, and says whether it found the place;
 * `onChange()` is called when other tables may be needed.
 */
export function askPanel(onChange) {
  const four = parametersForm();
  const own = ownForm(onChange);
  const radios = { four: radio("ask-four", "The four questions"), own: radio("ask-own", "Other questions") };
  radios.four.input.checked = true;
  const mode = () => (radios.own.input.checked ? "own" : "four");
  const show = () => {
    four.node.hidden = mode() !== "four";
    own.node.hidden = mode() !== "own";
    if (mode() === "own") own.load();
  };
  for (const { input } of Object.values(radios))
    input.addEventListener("change", () => {
      show();
      onChange();
    });
  show();
  const node = h(
    "fieldset",
    { class: "ask" },
    h("legend", {}, "What to ask"),
    h("div", { class: "row start" }, radios.four.node, radios.own.node),
    four.node,
    own.node,
  );
  return {
    node,
    asked: () =>
      mode() === "own"
        ? { questions: own.questions(), parameters: {} }
        : { questions: [], parameters: four.values() },
    isEmpty: () => mode() === "own" && own.questions().length === 0,
    refused: (problem) => {
      four.clear();
      own.clear();
      return problem !== null && (mode() === "own" ? own.refused(problem) : four.refused(problem));
    },
  };
}

function radio(id, text) {
  const input = h("input", { type: "radio", name: "ask", id });
  return { input, node: h("div", { class: "field inline" }, input, h("label", { for: id }, text)) };
}

function parametersForm() {
  const fields = Object.entries(PARAMETERS).map(([name, { title, hint, said }]) => {
    const control = h("input", {
      type: "text",
      placeholder: hint,
      autocomplete: "off",
      maxlength: 20,
      inputmode: name === "top" ? "numeric" : null,
    });
    return { name, said, ...field(`parameter-${name}`, title, control) };
  });
  const node = h("div", { class: "row start top" }, fields.map((each) => each.node));
  const values = () =>
    Object.fromEntries(
      fields
        .map(({ name, control }) => [name, control.value.trim()])
        .filter(([, text]) => text !== "")
        .map(([name, text]) => [name, name === "top" ? Number(text) : text]),
    );
  const clear = () => fields.forEach(({ say }) => say(""));
  const refused = ({ message, body }) => {
    const wrong = body.errors?.at(0)?.location ?? "";
    const found = fields.find(
      ({ name, said }) => message.startsWith(said) || message.includes(`parameters.${name}`) || wrong.includes(name),
    );
    found?.say(`${message}.`);
    found?.control.focus();
    return found !== undefined;
  };
  return { node, values, clear, refused };
}

function ownForm(onChange) {
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
