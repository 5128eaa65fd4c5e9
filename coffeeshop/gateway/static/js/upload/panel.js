/** The upload of a session, on its page, while this page is the one that sends it. */

import { h, setText } from "../dom.js";
import { bytes, counted, duration } from "../format.js";
import { tableName } from "../names.js";
import { notice } from "../parts.js";
import { refusedRows } from "../quality/rows.js";
import { warnings } from "./chosen.js";
import { BadFile } from "./badfile.js";
import { uploadOf } from "./uploads.js";

/** The panel; nothing when the session is fed by somebody else. */
export function uploadPanel(id) {
  const upload = uploadOf(id);
  const node = h("div", { class: "stack screen" });
  if (upload === undefined) return { node, start: () => {} };
  const bars = Object.keys(upload.tables).map((table) => bar(upload, table));
  const title = h("h2", { id: "h-upload" });
  const waiting = h("p", { class: "notice warn", role: "status", hidden: true });
  const skipped = h("p", { class: "hint", hidden: true });
  const list = h(
    "ul",
    { class: "bars" },
    bars.map((each) => each.node),
  );
  const section = h(
    "section",
    { class: "panel", "aria-labelledby": "h-upload" },
    title,
    waiting,
    list,
    skipped,
  );
  const asking = question(upload);
  node.append(asking.node);
  node.append(section);
  let shown = 0;
  let complained = false;
  const update = () => {
    setText(title, titleOf(upload));
    waiting.hidden = upload.waiting === null || !upload.isUnderWay;
    setText(
      waiting,
      upload.waiting === null ? "" : `Waiting to send again: ${upload.waiting.message}.`,
    );
    list.hidden = upload.state === "sent";
    asking.update();
    const { leftOut } = upload;
    skipped.hidden = leftOut === 0;
    setText(skipped, leftOut === 0 ? "" : `${counted(leftOut, "bad row")} left out so far.`);
    for (const each of bars) each.update();
    const noticed = warnings(upload);
    if (noticed !== null && upload.warnings.length !== shown) {
      node.querySelector(".notice.warn:not(section *)")?.remove();
      node.append(noticed);
      shown = upload.warnings.length;
    }
    if (upload.error !== null && !complained) {
      complained = true;
      node.prepend(complaint(upload.error));
    }
  };
  const start = (signal) => {
    update();
    upload.addEventListener("change", update, { signal });
  };
  return { node, start };
}

/** A row that is refused: whether such rows are left out, or the session is given up. */
function question(upload) {
  const text = h("p", {});
  const rows = refusedRows("The first rows that are refused");
  const goOn = h("button", { class: "button strong", type: "button" }, "Skip bad rows and go on");
  const giveUp = h("button", { class: "button", type: "button" }, "Give up");
  goOn.addEventListener("click", () => upload.decide(true));
  giveUp.addEventListener("click", () => upload.decide(false));
  const node = h(
    "div",
    { class: "notice bad", role: "alert", hidden: true },
    text,
    rows.node,
    h("p", {}, "The upload waits. Rows that are skipped count in no answer; the page says how many they were."),
    h("div", { class: "actions" }, goOn, giveUp),
  );
  const update = () => {
    const isAsked = upload.state === "asking";
    if (node.hidden === !isAsked) return;
    node.hidden = !isAsked;
    if (!isAsked) return;
    setText(text, sentenceOf(upload.refusal));
    rows.update(upload.refusal.firstRows);
  };
  return { node, update };
}

function titleOf(upload) {
  const { state, sent, total } = upload;
  const words = { new: "Upload begins", asking: "Upload waits for you", failed: "Upload failed", stopped: "Upload stopped" };
  if (state === "sent") return `Uploaded: ${bytes(total)} of files from this page`;
  return words[state] ?? `Uploading: ${bytes(sent)} of ${bytes(total)}${timeLeft(upload)}`;
}

const ENOUGH = 3; // seconds, before which a rate says little

/** How long the rest takes at the rate of all that went out; nothing while that is not known. */
function timeLeft({ began, sent, total, waiting }) {
  const seconds = (performance.now() - began) / 1000;
  if (began === null || waiting !== null || sent === 0 || seconds < ENOUGH) return "";
  return `, about ${duration(Math.ceil(((total - sent) / sent) * seconds))} left`;
}

function bar(upload, table) {
  const name = `bar-${table}`;
  const progress = h("progress", { id: name, max: 1, value: 0 });
  const text = h("span", { class: "number" });
  const node = h("li", {}, h("label", { for: name }, tableName(table)), progress, text);
  const update = () => {
    const { total, ended } = upload.tables[table];
    progress.value = ended ? 1 : total ? Math.min(upload.sentOf(table) / total, 0.999) : 0;
    const isRefused = upload.error instanceof BadFile && upload.error.table === table;
    setText(
      text,
      ended ? "sent" : isRefused ? "refused" : `${Math.floor(progress.value * 100)} %`,
    );
  };
  return { node, update };
}

function complaint(error) {
  if (!(error instanceof BadFile)) return notice(`The upload failed: ${error.message}.`);
  return notice(
    sentenceOf(error),
    h("p", {}, "The session has failed. Fix the file and start again."),
  );
}

function sentenceOf({ path, line, row, column, value, message }) {
  const where = [
    path,
    line === null ? "" : `line ${line}`,
    row === null ? "" : `row ${row}`,
    column === null ? "" : `column ${column}`,
  ];
  return `${where.filter(Boolean).join(", ")}: ${message}${value === null ? "" : ` (found “${value}”)`}.`;
}
