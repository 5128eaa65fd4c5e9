/** The top of a session's page: state, figures, what went wrong, cancel and delete. */

import { addressOf } from "./address.js";
import { announce } from "./announce.js";
import { json, send } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, setText } from "./dom.js";
import { bytes, counted, duration, moment } from "./format.js";
import { live } from "./live.js";
import { STATES, titleOf } from "./names.js";
import { facts, notice, statePill } from "./parts.js";
import { refusedRows } from "./quality/rows.js";
import { share } from "./share.js";
import { uploadOf } from "./upload/uploads.js";

const NAMES = ["Started", "Took", "Stored, compacted", "Producers", "Plan", "Kept until"];
const WEEK = 7 * 86_400; // seconds

/** The part under the heading; `update(session)` as it changes. */
export function sessionHead(heading, session) {
  const pill = statePill(session.state);
  const shown = facts(NAMES);
  const reason = h("div", { class: "notice", hidden: true });
  const refused = badRows();
  const trouble = h("div", {});
  const { cancel, keep, link, compare, remove } = actions(session, trouble, (now) => update(now));
  if (session.name) heading.setAttribute("translate", "no");
  setText(heading, titleOf(session));
  const node = h(
    "div",
    { class: "panel head" },
    h(
      "div",
      { class: "row" },
      h("div", { class: "row" }, pill.node, h("code", { class: "breaking" }, session.id)),
      h("div", { class: "actions" }, cancel, compare, keep, link, remove),
    ),
    reason,
    refused.node,
    trouble,
    shown.node,
  );
  const update = (now) => {
    pill.update(now.state);
    cancel.hidden = now.state !== "open";
    keep.hidden = now.state === "open";
    link.hidden = compare.hidden = now.state !== "completed";
    reason.hidden = now.reason === "";
    reason.className = `notice ${KINDS[now.state] ?? ""}`;
    setText(reason, sentence(now));
    refused.update(now.bad_rows ?? []);
    shown.show(figures(now));
  };
  return { node, update };
}

/** How loudly an end is told: what somebody wanted is no alarm. */
const KINDS = { failed: "bad", aborted: "warn" };

function sentence({ state, reason }) {
  if (reason === "") return "";
  const words = reason.startsWith(state)
    ? reason[0].toUpperCase() + reason.slice(1)
    : `${STATES[state]}: ${reason}`;
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

/** The rows for which a session was refused. */
function badRows() {
  const shown = refusedRows("The first rows that were refused");
  const node = h("div", { class: "stack", hidden: true });
  node.append(
    h("p", {}, "Nothing was analysed. Fix these rows and start again; the first ten at most:"),
    shown.node,
  );
  const update = (rows) => {
    node.hidden = rows.length === 0;
    shown.update(rows);
  };
  return { node, update };
}

function figures(session) {
  const open = session.state === "open";
  const end = session.ended_at ?? Date.now() / 1000;
  return {
    Started: moment(session.created_at),
    Took: duration(end - session.created_at) + (open ? " so far" : ""),
    "Stored, compacted":
      bytes(session.input_bytes) + (open ? `, ${bytes(live.rateOf(session))}/s` : ""),
    "Kept until": session.expires_at === null ? "–" : moment(session.expires_at),
    Producers: String(session.producers),
    Plan: `${session.plan}, ${counted(session.partitions, "partition")}`,
  };
}

function actions(session, trouble, onAnswer) {
  const name = titleOf(session);
  const attempt = async (button, work) => {
    button.disabled = true;
    trouble.replaceChildren();
    try {
      await work();
    } catch (error) {
      trouble.replaceChildren(notice(`The action failed: ${error.message}.`));
    }
    button.disabled = false;
  };
  const cancel = h("button", { class: "button", type: "button" }, "Cancel");
  cancel.addEventListener("click", async () => {
    const text = `“${name}” ends without results. What was sent is thrown away.`;
    if (!(await confirmed("Cancel this session?", text, "Cancel the session"))) return;
    await attempt(cancel, async () => {
      uploadOf(session.id)?.stop();
      await send("POST", `v1/sessions/${session.id}/cancel`);
    });
  });
  const keep = h(
    "button",
    { class: "button", type: "button", title: "Results are deleted when their time is over" },
    "Keep for a week",
  );
  keep.addEventListener("click", () =>
    attempt(keep, async () => {
      const path = `v1/sessions/${session.id}/keep`;
      const { expires_at: until } = await send("POST", path, { seconds: WEEK });
      onAnswer(await json(`v1/overview/sessions/${session.id}`));
      announce(`Kept until ${moment(until)}.`);
    }),
  );
  const link = h(
    "button",
    { class: "button", type: "button", title: "A read-only link that holds for a week" },
    "Share",
  );
  link.addEventListener("click", () => attempt(link, () => share(session.id)));
  const compare = h("a", { class: "button", href: addressOf("compare", [session.id]) }, "Compare");
  const remove = h("button", { class: "button", type: "button" }, "Delete");
  remove.addEventListener("click", async () => {
    const text = `“${name}” and its results are removed for everybody.`;
    if (!(await confirmed("Delete this session?", text, "Delete the session"))) return;
    await attempt(remove, async () => {
      uploadOf(session.id)?.stop();
      await send("DELETE", `v1/sessions/${session.id}`);
      location.hash = "#/";
    });
  });
  return { cancel, keep, link, compare, remove };
}
