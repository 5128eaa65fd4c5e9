/** The list of sessions. */

import { overviewLook } from "./address.js";
import { h, Keyed, setAttribute, setText } from "./dom.js";
import { ago, bytes, counted, duration, moment, whole } from "./format.js";
import { live } from "./live.js";
import { queriesOf, STATES, tablesOf, titleOf } from "./names.js";
import { notice, statePill } from "./parts.js";
import { tableState } from "./tables.js";
import { openUploadDialog } from "./upload/dialog.js";
import { tryExample } from "./upload/example.js";

const TYPING = 250; // milliseconds

/** The list with its filter; `update(overview)` as it changes. */
export function sessionList() {
  const list = h("ul", { class: "cards" });
  const empty = emptyState();
  const keyed = new Keyed(list, (session) => session.id, card);
  const more = h("button", { class: "button", type: "button", hidden: true }, "Show more");
  const count = h("p", { class: "hint", role: "status" });
  const filter = sessionFilter();
  more.addEventListener("click", () => live.more());

  function update(now) {
    filter.update(now.counts);
    keyed.show(now.sessions);
    empty.show(now.sessions.length === 0, now.example);
    more.hidden = now.sessions_total <= now.sessions.length;
    setText(count, more.hidden ? "" : `${whole(now.sessions.length)} of ${whole(now.sessions_total)}`);
  }
  const node = h("div", { class: "stack" }, filter.node, empty.node, list, count, more);
  return { node, update };
}

/** What is looked for; the gateway finds it among all sessions. `update(counts)` by state. */
function sessionFilter() {
  const states = Object.entries(STATES);
  const options = states.map(([value, text]) => h("option", { value }, text));
  const find = () => {
    live.find(select.value, search.value.trim());
    keepInAddress();
  };
  const select = h(
    "select",
    { id: "state-filter", onchange: find },
    h("option", { value: "" }, "All states"),
    options,
  );
  const search = h("input", {
    type: "search",
    id: "session-search",
    maxlength: 200,
    autocomplete: "off",
    placeholder: "name, id, owner, reason",
  });
  let timer = 0;
  search.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(find, TYPING);
  });
  // A view that is left and opened again shows what is still looked for.
  const wanted = overviewLook();
  if (wanted !== null) live.find(wanted.get("state") ?? "", wanted.get("q") ?? "");
  else keepInAddress();
  search.value = live.text;
  select.value = live.state;
  const node = h(
    "div",
    { class: "row start" },
    h("div", { class: "field inline" }, h("label", { for: "state-filter" }, "Show"), select),
    h("div", { class: "field inline" }, h("label", { for: "session-search" }, "Search"), search),
  );
  const update = (counts) =>
    states.forEach(([state, text], i) => setText(options[i], `${text} (${whole(counts[state])})`));
  return { node, update };
}

/** The address says what is looked for, so that a link shows the same. */
function keepInAddress() {
  const wanted = { state: live.state, q: live.text };
  const query = new URLSearchParams(Object.entries(wanted).filter(([, text]) => text !== ""));
  history.replaceState(null, "", query.size === 0 ? "#/" : `#/?${query}`);
}

function emptyState() {
  const text = h("p", {});
  const button = h("button", { class: "button", type: "button" }, "Analyse a data folder");
  button.addEventListener("click", () => openUploadDialog());
  const example = exampleButton();
  const node = h(
    "div",
    { class: "empty", hidden: true },
    text,
    h("div", { class: "actions" }, example.button, button),
    example.trouble,
  );
  const show = (isEmpty, hasExample) => {
    node.hidden = !isEmpty;
    const kind = live.state === "" ? "" : `${STATES[live.state].toLowerCase()} `;
    const named = live.text === "" ? "" : ` with “${live.text}”`;
    const isAll = kind === "" && named === "";
    setText(text, `There are no ${kind}sessions${named}${isAll ? " yet" : ""}.`);
    button.hidden = !isAll;
    example.button.hidden = !isAll || !hasExample;
  };
  return { node, show };
}

function exampleButton() {
  const idle = "Try with example data";
  const button = h("button", { class: "button strong", type: "button", hidden: true }, idle);
  const trouble = h("div");
  button.addEventListener("click", async () => {
    button.disabled = true;
    setText(button, "Making example data …");
    trouble.replaceChildren();
    try {
      await tryExample();
    } catch (error) {
      trouble.replaceChildren(notice(`The example could not be started: ${error.message}.`));
    }
    button.disabled = false;
    setText(button, idle);
  });
  return { button, trouble };
}

function card(session) {
  const pill = statePill(session.state);
  const link = h(
    "a",
    { href: `#/sessions/${session.id}`, translate: session.name ? "no" : null },
    titleOf(session),
  );
  const meta = h("p", { class: "meta" });
  const reason = h("p", { class: "reason", translate: "no" });
  const tables = chips("Tables", tablesOf(session));
  const queries = chips("Results", queriesOf(session));
  const node = h(
    "li",
    { class: "card" },
    h("div", { class: "row" }, h("h3", {}, link), pill.node),
    meta,
    reason,
    tables.node,
    queries.node,
  );
  const update = (now) => {
    pill.update(now.state);
    setText(meta, metaOf(now));
    reason.hidden = now.reason === "";
    reason.className = now.state === "cancelled" ? "hint breaking" : "reason";
    setText(reason, now.reason);
    tables.show((table) => tableState(now, table).kind);
    queries.show((query) => (now.results.includes(query) ? "done" : "idle"));
    tables.node.hidden = queries.node.hidden = now.state !== "open";
  };
  return { node, update };
}

function metaOf(session) {
  const parts = [
    ago(session.created_at),
    counted(session.producers, "producer"),
    `${session.plan} plan`,
    `${bytes(session.input_bytes)} stored`,
  ];
  if (session.ended_at !== null)
    parts.push(`took ${duration(session.ended_at - session.created_at)}`);
  else if (live.rateOf(session) > 0) parts.push(`${bytes(live.rateOf(session))}/s`);
  if (session.expires_at !== null) parts.push(`kept until ${moment(session.expires_at)}`);
  return parts.join(" · ");
}

const WORDS = { done: "done", busy: "under way", idle: "waiting" };

function chips(label, names) {
  const items = Object.entries(names).map(([key, text]) => {
    const state = h("span", { class: "unseen" });
    return { key, state, node: h("li", { class: "chip" }, text, state) };
  });
  const list = h(
    "ul",
    { class: "chips", "aria-label": label },
    items.map((item) => item.node),
  );
  const node = h("div", { class: "chipline" }, h("span", { "aria-hidden": "true" }, label), list);
  const show = (kindOf) => {
    for (const item of items) {
      const kind = kindOf(item.key);
      setAttribute(item.node, "class", `chip ${kind}`);
      setText(item.state, `: ${WORDS[kind]}`);
    }
  };
  return { node, show };
}
