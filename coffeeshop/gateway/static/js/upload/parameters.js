/** The parameters of the four questions, as a form. */

import { h } from "../dom.js";
import { field } from "./editor.js";

const PARAMETERS = {
  years: { title: "Years", hint: "2024 or 2023-2025", said: "years" },
  hours: { title: "Hours", hint: "07:00-22:00", said: "hours" },
  min_amount: { title: "Least amount of large purchases", hint: "75", said: "the least amount" },
  top: { title: "Customers per store", hint: "3", said: "top" },
};

/** `values()` are those that are filled in; `refused(problem)` as `askPanel` has it. */
export function parametersForm() {
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
  const node = h("div", { class: "parameters" }, fields.map((each) => each.node));
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
