/** What a new session is asked: the summary, the four questions with their parameters, others. */

import { h } from "../dom.js";
import { ownForm } from "./own.js";
import { parametersForm } from "./parameters.js";
import { asking, four, summary } from "./usual.js";

/**
 * The part of the dialog. `asked()` is what the gateway takes, `{questions, parameters}`;
 * `refused(problem)` shows what is wrong where it is, and says whether it found the place;
 * `usePlan(plan)` says in which plan it is asked; `onChange()` is called when other tables may be
 * needed.
 */
export function askPanel(onChange) {
  const parameters = parametersForm();
  const own = ownForm(onChange);
  const ticks = {
    summary: tick("ask-summary", "Summary at a glance", true),
    four: tick("ask-four", "The four questions", true),
    own: tick("ask-own", "Other questions", false),
  };
  const fused = h("p", { class: "hint", hidden: true }, "The staged plan answers the four questions only.");
  let plan = "fused";
  const isAsked = (name) => ticks[name].input.checked && (name === "four" || plan === "fused");
  const show = () => {
    parameters.node.hidden = !isAsked("four");
    own.node.hidden = !isAsked("own");
    fused.hidden = plan === "fused";
    for (const name of ["summary", "own"]) ticks[name].input.disabled = plan !== "fused";
    if (isAsked("own")) own.load();
  };
  for (const { input } of Object.values(ticks))
    input.addEventListener("change", () => {
      show();
      onChange();
    });
  show();
  const node = h(
    "fieldset",
    { class: "ask" },
    h("legend", {}, "What to ask"),
    h("div", { class: "row start" }, Object.values(ticks).map((each) => each.node)),
    fused,
    parameters.node,
    own.node,
  );
  const names = () => [...(isAsked("four") ? four() : []), ...(isAsked("summary") ? summary() : [])];
  const written = () => (isAsked("own") ? own.questions() : []);
  return {
    node,
    asked: () => ({
      questions: asking(names(), written()),
      parameters: isAsked("four") ? parameters.values() : {},
    }),
    isEmpty: () => names().length + written().length === 0,
    usePlan: (chosen) => {
      plan = chosen;
      show();
    },
    refused: (problem) => {
      parameters.clear();
      own.clear();
      if (problem === null) return false;
      return (isAsked("own") && own.refused(problem)) || (isAsked("four") && parameters.refused(problem));
    },
  };
}

function tick(id, text, checked) {
  const input = h("input", { type: "checkbox", id, checked });
  return { input, node: h("div", { class: "field inline" }, input, h("label", { for: id }, text)) };
}
