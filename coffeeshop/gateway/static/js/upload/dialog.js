/** The dialog that begins an analysis: choose or drop a data folder, see what is in it, start. */

import { Problem } from "../api.js";
import { h, setText } from "../dom.js";
import { notice } from "../parts.js";
import { askPanel } from "./ask.js";
import { carePanel } from "./care.js";
import { chosenList } from "./chosen.js";
import { droppedFiles, folderOf, pickedFiles } from "./folder.js";
import { Upload } from "./upload.js";
import { newId, remember } from "./uploads.js";

const PLANS = { fused: "Fused: filters run together", staged: "Staged: one stage for each filter" };
const CONTROL = /[\u0000-\u001f\u007f/\\]/g;

/** Open the dialog; `given` are files that were dropped elsewhere. */
export function openUploadDialog(given = []) {
  const ask = askPanel(() => look());
  const care = carePanel(() => look());
  const parts = built(ask, care);
  const dialog = parts.dialog;
  let files = [];
  let folder = null;
  let looks = 0;

  const choose = (found) => {
    if (found.length === 0) return undefined;
    files = found;
    return look();
  };
  /** Look at the files, again with other questions: they need other tables. Says if all is well. */
  const look = async () => {
    if (files.length === 0) return false;
    const now = (looks += 1);
    if (folder === null) parts.start.disabled = true;
    setText(parts.status, "Looking at the files …");
    parts.trouble.replaceChildren();
    ask.refused(null);
    let found = null;
    try {
      found = await folderOf(files, ask.asked().questions, care.wanted().quality);
    } catch (error) {
      if (now !== looks) return false;
      setText(parts.status, "");
      if (!(error instanceof Problem && ask.refused(error)))
        parts.trouble.replaceChildren(
          notice(`The files could not be looked at: ${error.message}.`),
        );
      return false;
    }
    if (now !== looks) return false;
    folder = found;
    parts.chosen.show(folder);
    if (parts.name.value === "")
      parts.name.value = folder.name.replaceAll(CONTROL, "_").slice(0, 200);
    parts.start.disabled = folder.problems.length > 0;
    if (ask.isEmpty()) setText(parts.status, "Choose or write a question.");
    else setText(parts.status, folder.problems.length ? "This cannot be analysed." : "Ready to start.");
    return !ask.isEmpty() && folder.problems.length === 0;
  };
  const start = async () => {
    if (!(await look())) {
      dialog.querySelector("[aria-invalid]")?.focus();
      return;
    }
    const how = { name: parts.name.value, plan: parts.plan.value, ...ask.asked(), ...care.wanted() };
    const upload = new Upload(newId(), folder, how);
    parts.start.disabled = true;
    setText(parts.status, "Opening a session …");
    const givenUp = () => upload.stop();
    dialog.addEventListener("close", givenUp);
    try {
      await upload.open();
    } catch (error) {
      if (upload.state === "stopped") return;
      parts.start.disabled = false;
      setText(parts.status, "");
      if (error instanceof Problem && ask.refused(error)) return;
      parts.trouble.replaceChildren(notice(`The session could not be opened: ${error.message}.`));
      return;
    }
    dialog.removeEventListener("close", givenUp);
    remember(upload);
    upload.run();
    dialog.close();
    location.hash = `#/sessions/${upload.id}`;
  };
  parts.plan.addEventListener("change", () => {
    ask.usePlan(parts.plan.value);
    look();
  });
  wireChoice(parts, choose);
  parts.start.addEventListener("click", start);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  choose(given);
}

function wireChoice({ dialog, drop, folder, files, trouble }, choose) {
  for (const input of [folder, files]) {
    input.addEventListener("change", () => choose(pickedFiles(input.files)));
  }
  dialog.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  dialog.addEventListener("dragleave", () => drop.classList.remove("over"));
  dialog.addEventListener("drop", async (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    try {
      await choose(await droppedFiles(event.dataTransfer));
    } catch (error) {
      trouble.replaceChildren(notice(`The dropped files cannot be read: ${error.message}.`));
    }
  });
}

function built(ask, care) {
  const folder = h("input", {
    type: "file",
    id: "pick-folder",
    webkitdirectory: true,
    class: "unseen",
  });
  const files = h("input", {
    type: "file",
    id: "pick-files",
    multiple: true,
    class: "unseen",
  });
  const drop = h(
    "div",
    { class: "drop" },
    h("p", {}, "Drop a data folder here, or"),
    h(
      "div",
      { class: "actions" },
      folder,
      h("label", { class: "button strong", for: "pick-folder" }, "Choose a folder"),
      files,
      h("label", { class: "button", for: "pick-files" }, "Choose files"),
    ),
    h(
      "p",
      { class: "hint" },
      "With stores, users, menu items, transactions and their items: a folder or a file for each, as CSV (also packed) or Parquet.",
    ),
  );
  const name = h("input", {
    type: "text",
    id: "session-name",
    maxlength: 200,
    autocomplete: "off",
  });
  const plan = h(
    "select",
    { id: "session-plan" },
    Object.entries(PLANS).map(([value, text]) => h("option", { value }, text)),
  );
  const chosen = chosenList();
  const trouble = h("div");
  const status = h("p", { class: "hint", role: "status" });
  const start = h(
    "button",
    { class: "button strong", type: "button", disabled: true },
    "Start the analysis",
  );
  const cancel = h(
    "button",
    { class: "button", type: "button", onclick: () => dialog.close() },
    "Close",
  );
  const dialog = h(
    "dialog",
    { class: "upload", "aria-labelledby": "upload-title" },
    // Focused first: the Enter that opened the dialog is still down, and an input for folders would
    // open its chooser when it comes up.
    h("h2", { id: "upload-title", tabindex: "-1", autofocus: true }, "New analysis"),
    drop,
    chosen.node,
    ask.node,
    care.node,
    h(
      "div",
      { class: "row start" },
      h(
        "div",
        { class: "field grow" },
        h("label", { for: "session-name" }, "Name (optional)"),
        name,
      ),
      h("div", { class: "field grow" }, h("label", { for: "session-plan" }, "Plan"), plan),
    ),
    trouble,
    h("div", { class: "row" }, status, h("div", { class: "actions" }, cancel, start)),
  );
  return { dialog, drop, folder, files, name, plan, chosen, trouble, status, start };
}
