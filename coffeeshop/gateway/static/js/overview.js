/** The first page: sessions, the pipeline, nodes, resources. */

import { h } from "./dom.js";
import { bytes, whole } from "./format.js";
import { live } from "./live.js";
import { nodesPanel } from "./nodes.js";
import { facts, loading, notice, section } from "./parts.js";
import { overviewPipelines } from "./flow.js";
import { resourcesPanel } from "./resources.js";
import { sessionList } from "./sessions.js";

/** The view. */
export function overviewView() {
  const node = h(
    "div",
    { class: "stack" },
    h("h1", { tabindex: "-1" }, "Overview"),
    loading("Asking the gateway …"),
  );
  return { title: "Overview", node, start: (signal) => begin(node, signal) };
}

function begin(node, signal) {
  let parts = null;
  live.listen(({ latest, error }) => {
    if (latest === null) {
      showTrouble(node, error);
      return;
    }
    parts ??= built(node, signal);
    for (const part of parts) part.update(latest);
  }, signal);
}

function showTrouble(node, error) {
  const heading = node.firstElementChild;
  if (node.querySelector(".notice") === null) {
    node.replaceChildren(
      heading,
      notice(`Nothing to show yet: ${error.message}. This page tries again by itself.`),
    );
  }
}

function built(node, signal) {
  const figures = summary();
  const sessions = sessionList();
  const pipelines = overviewPipelines(signal);
  const nodes = nodesPanel();
  const resources = resourcesPanel(signal);
  const machines = section("Nodes", { class: "panel" }, nodes.node);
  // Who may not see the nodes is not told that there are none.
  const hiding = { update: ({ you }) => (machines.hidden = !you.admin) };
  node.replaceChildren(
    node.firstElementChild,
    section("At a glance", { class: "panel" }, figures.node),
    section("Sessions", { class: "panel" }, sessions.node),
    section("Pipeline", { class: "panel screen" }, pipelines.node),
    machines,
    section("Resources over time", { class: "panel" }, resources.node),
  );
  return [figures, sessions, pipelines, nodes, hiding, resources];
}

function summary() {
  const shown = facts(["Open", "Completed", "Ended otherwise", "Nodes", "Stored input", "Stored now"]);
  const node = h("div", {}, shown.node);
  const update = ({ status, nodes, you }) => {
    shown.show({
      Open: whole(status.sessions_open),
      Completed: whole(status.sessions_completed),
      "Ended otherwise": whole(
        status.sessions_failed + status.sessions_cancelled + status.sessions_aborted,
      ),
      Nodes: you.admin ? whole(nodes.length) : "–",
      "Stored input": bytes(status.journal_bytes),
      "Stored now": `${bytes(live.samples.at(-1)?.rate ?? 0)}/s`,
    });
  };
  return { node, update };
}
