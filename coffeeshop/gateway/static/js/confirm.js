/** A question before something that cannot be undone. */

import { h } from "./dom.js";

/** Ask; resolves to whether the answer was yes. Escape and the other button say no. */
export function confirmed(title, text, yes) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { class: "small", "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
      h("h2", { id: "confirm-title" }, title),
      h("p", { id: "confirm-text" }, text),
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { class: "button", type: "button", onclick: () => dialog.close("") },
          "Go back",
        ),
        h(
          "button",
          { class: "button danger", type: "button", onclick: () => dialog.close("yes") },
          yes,
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
