/** Fields that say what is wrong with them, and the one for a question in SQL. */

import { h, setText } from "../dom.js";

/** A field with a place for what is wrong with it. */
export function field(id, title, control) {
  const error = h("p", { class: "wrong", id: `${id}-error`, role: "alert", hidden: true });
  control.setAttribute("id", id);
  const node = h("div", { class: "field grow" }, h("label", { for: id }, title), control, error);
  const say = (text) => {
    error.hidden = text === "";
    setText(error, text);
    if (text === "") {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    } else {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", error.id);
    }
  };
  return { node, control, say };
}

/** A question in SQL: its name, its text, and what is not understood of it, where it is. */
export function editor(number, name, text, onChange) {
  const named = field(
    `sql-name-${number}`,
    "Name of its result",
    h("input", { type: "text", maxlength: 40, autocomplete: "off", spellcheck: "false" }),
  );
  const sql = field(
    `sql-${number}`,
    "SQL",
    h("textarea", { rows: 6, spellcheck: "false", translate: "no", placeholder: EXAMPLE }),
  );
  named.control.value = name;
  sql.control.value = text;
  const changed = () => {
    named.say("");
    sql.say("");
  };
  for (const { control } of [named, sql]) {
    control.addEventListener("input", changed);
    control.addEventListener("change", onChange);
  }
  const fill = (newName, newText) => {
    named.control.value = newName;
    sql.control.value = newText;
    changed();
    sql.control.focus();
  };
  const say = (problem) => {
    changed();
    if (problem === null) return;
    const { line, column, hint } = problem.body;
    const what = problem.message.replace(/^[^:]*: /, "");
    const where = line ? `Line ${line}, column ${column}: ` : "";
    (line || !what.includes("name of the question") ? sql : named).say(
      `${where}${what}.${hint ? ` ${hint[0].toUpperCase()}${hint.slice(1)}.` : ""}`,
    );
    if (line) mark(sql.control, line, column);
  };
  const question = () => ({ name: named.control.value.trim(), sql: sql.control.value });
  return { node: h("div", { class: "stack editor" }, named.node, sql.node), sql, question, say, fill };
}

const EXAMPLE = "SELECT hour(created_at) AS hour, count(*) AS sales FROM transactions GROUP BY hour ORDER BY hour";

/** Put the cursor on the word that is not understood. */
function mark(area, line, column) {
  const before = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  const start = before + column - 1;
  const word = /^\S[\w.]*/.exec(area.value.slice(start))?.[0].length ?? 1;
  area.setSelectionRange(start, start + word);
}
