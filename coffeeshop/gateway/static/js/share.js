/** A read-only link to a session, made and shown to be copied. */

import { announce } from "./announce.js";
import { json, send } from "./api.js";
import { h, setText } from "./dom.js";
import { moment } from "./format.js";

const WEEK = 7 * 86_400; // seconds

/** Make a link that holds for a week and show it until the dialog is closed. */
export async function share(id) {
  const made = await send("POST", `v1/sessions/${id}/links`, { seconds: WEEK });
  const url = new URL(made.path.replace(/^\//, ""), document.baseURI).href;
  document.body.append(dialogOf(id, url, made.until));
  const dialog = document.body.lastElementChild;
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  dialog.querySelector("input").select();
}

function dialogOf(id, url, until) {
  const field = h("input", {
    type: "text",
    readonly: true,
    value: url,
    translate: "no",
    "aria-labelledby": "share-title",
    "aria-describedby": "share-text",
  });
  const said = h("p", { class: "hint", role: "status" });
  const dialog = h(
    "dialog",
    { "aria-labelledby": "share-title", "aria-describedby": "share-text" },
    h("h2", { id: "share-title" }, "A link to these results"),
    h(
      "p",
      { id: "share-text" },
      `Whoever has this link sees the results, without a token, until ${moment(until)}. It is shown only now.`,
    ),
    field,
    said,
    h("div", { class: "actions" }, ended(id, said), copied(field, said), closed()),
  );
  return dialog;
}

function copied(field, said) {
  const button = h("button", { class: "button primary", type: "button" }, "Copy the link");
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      setText(said, "Copied.");
    } catch {
      // Browsers keep the clipboard from a page by plain HTTP.
      setText(said, "The browser does not allow that here: copy the marked text.");
    }
  });
  return button;
}

function ended(id, said) {
  const button = h("button", { class: "button danger", type: "button" }, "End all links");
  button.addEventListener("click", async () => {
    try {
      await json(`v1/sessions/${id}/links`, { method: "DELETE" });
      button.closest("dialog").close();
      announce("No link to this session holds any more.");
    } catch (error) {
      setText(said, `The action failed: ${error.message}.`);
    }
  });
  return button;
}

const closed = () =>
  h(
    "button",
    { class: "button", type: "button", onclick: ({ target }) => target.closest("dialog").close() },
    "Close",
  );
