/** The top of a session's page: state, figures, what went wrong, cancel and delete. */

import { send } from "./api.js";
import { confirmed } from "./confirm.js";
import { h, setText } from "./dom.js";
import { bytes, counted, duration, moment } from "./format.js";
import { live } from "./live.js";
import { titleOf } from "./names.js";
import { facts, notice, statePill } from "./parts.js";
import { uploadOf } from "./upload/uploads.js";

const NAMES = ["Started", "Took", "Input", "Rate", "Producers", "Plan"];

/** The part under the heading; `update(session)` as it changes. */
export function sessionHead(heading, session) {
  const pill = statePill(session.state);
  const shown = facts(NAMES);
  const reason = h("div", { class: "notice bad", hidden: true });
  const trouble = h("div", {});
  const { cancel, remove } = actions(session, trouble);
  setText(heading, titleOf(session));
  const node = h(
    "div",
    { class: "panel head" },
    h(
      "div",
      { class: "row" },
      h("div", { class: "row" }, pill.node, h("code", { class: "breaking" }, session.id)),
      h("div", { class: "actions" }, cancel, remove),
    ),
    reason,
    trouble,
    shown.node,
  );
  const update = (now) => {
    pill.update(now.state);
    cancel.hidden = now.state !== "open";
    reason.hidden = now.reason === "";
    setText(reason, now.reason === "" ? "" : `${sentence(now.state)}: ${now.reason}`);
    shown.show(figures(now));
  };
  return { node, update };
}

const sentence = (state) => (state === "completed" ? "Completed" : `The session is ${state}`);

function figures(session) {
  const open = session.state === "open";
  const end = session.ended_at ?? Date.now() / 1000;
  return {
    Started: moment(session.created_at),
    Took: duration(end - session.created_at) + (open ? " so far" : ""),
    Input: bytes(session.input_bytes),
    Rate: open ? `${bytes(live.rateOf(session))}/s` : "–",
    Producers: String(session.producers),
    Plan: `${session.plan}, ${counted(session.partitions, "partition")}`,
  };
}

function actions(session, trouble) {
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
  return { cancel, remove };
}
