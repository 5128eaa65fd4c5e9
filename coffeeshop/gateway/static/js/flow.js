/** What the pipeline's drawing shows: of all open sessions by plan, or of one session. */

import { drawing } from "./drawing.js";
import { h, Keyed } from "./dom.js";
import { bytes, counted } from "./format.js";
import { perhapsTranslated, translated } from "./language/language.js";
import { live } from "./live.js";
import { words } from "./names.js";

/** The stages as the gateway tells them: what each reads, and which results it makes. */
const stagesOf = (session) => session.topology ?? live.latest?.plans[session.plan] ?? [];
const makesResults = (each) => each.results.length > 0;
const resultsOf = (session) => stagesOf(session).flatMap((each) => each.results);
const OWN = "own questions";
/** Sessions of one drawing: those of a plan, and those with questions of their own. */
const groupOf = (session) => (session.topology ? OWN : session.plan);

/** A stage as its box says it: there is little room. */
const shortOf = (stage) => words(stage).replace("aggregator query", "query ");

/** Whether a stage of a session has done all it had to. */
function isDone(session, stage) {
  const stages = stagesOf(session);
  const results = stages.find((each) => each.stage === stage)?.results ?? [];
  if (results.length > 0) return results.every((query) => session.results.includes(query));
  const readers = stages.filter((each) => makesResults(each) && each.reads.includes(stage));
  return (
    readers.some((each) => isDone(session, each.stage)) ||
    session.results.length === resultsOf(session).length
  );
}

/** The drawings of the plans that open sessions have. */
export function overviewPipelines(signal) {
  const list = h("div", { class: "stack" });
  const keyed = new Keyed(
    list,
    (group) => group,
    (group) => {
      const drawn = drawing(signal);
      const node = h("div", {}, h("h3", {}, group === OWN ? "Own questions" : `Plan: ${group}`), drawn.node);
      return { node, update: () => drawn.update(overviewModel(group, live.latest)) };
    },
  );
  const update = ({ open }) => {
    const groups = [...new Set(open.filter((each) => stagesOf(each).length > 0).map(groupOf))];
    keyed.show(groups.length ? groups.sort() : ["fused"]);
  };
  return { node: list, update };
}

function overviewModel(group, { open: all, nodes, you, plans }) {
  const open = all.filter((each) => groupOf(each) === group);
  const stages = open.length ? stagesOf(open[0]) : (plans[group] ?? []);
  const rate = open.reduce((all, each) => all + live.rateOf(each), 0);
  const kept = open.reduce((all, each) => all + each.journal_bytes, 0);
  const stageBox = (stage) => {
    const hosted = nodes.reduce((all, node) => all + (node.stages?.[stage] ?? 0), 0);
    const wanting = open.filter((each) => !isDone(each, stage));
    const due = wanting.reduce((sum, each) => sum + each.stages[stage], 0);
    // Who may not see the nodes sees what is due, and whether somebody is there to do it.
    const served = wanting
      .filter((each) => !each.waits_for.includes(stage))
      .reduce((sum, each) => sum + each.stages[stage], 0);
    const working = you.admin ? Math.min(hosted, due) : served;
    const waiting = due - working;
    const state = waiting > 0 ? "waiting" : due > 0 ? "working" : "idle";
    const detail =
      waiting > 0
        ? `${counted(waiting, "task")} waiting`
        : due > 0
          ? `${counted(working, "task")} at work`
          : "idle";
    return { id: stage, title: shortOf(stage), detail, state };
  };
  const ready = open.reduce((all, each) => all + each.results.length, 0);
  const due = open.reduce((all, each) => all + resultsOf(each).length, 0);
  return shape(stages, {
    clients: {
      detail: open.length ? counted(open.length, "session") : "no session",
      state: rate > 0 ? "working" : "idle",
    },
    gateway: { detail: `${bytes(kept)} kept`, state: open.length ? "working" : "idle" },
    stageBox,
    results: {
      detail: open.length ? `${ready} of ${due} ready` : "idle",
      state: ready ? "working" : "idle",
    },
    rate,
  });
}

/** The drawing of one session. */
export function sessionPipeline(signal) {
  const drawn = drawing(signal);
  return {
    node: h("div", {}, drawn.node),
    update: (session) => drawn.update(sessionModel(session)),
  };
}

function sessionModel(session) {
  const open = session.state === "open";
  const rate = open ? live.rateOf(session) : 0;
  const stageBox = (stage) => {
    const done = isDone(session, stage);
    const all = session.stages[stage];
    const waits = session.waits_for.includes(stage);
    // Nodes of an older release do not tell which sessions they work on.
    const hosted = session.tasks === null ? (waits ? 0 : all) : (session.tasks[stage] ?? 0);
    const state = done
      ? "done"
      : !open
        ? "stopped"
        : waits
          ? "waiting"
          : hosted > 0 && session.input_bytes > 0
            ? "working"
            : "idle";
    const detail = {
      done: "done",
      stopped: "stopped",
      waiting: `${counted(all, "task")} waiting`,
      working: `${counted(hosted, "task")} at work`,
      idle: `${counted(all, "task")}, ${session.input_bytes > 0 ? "none at work" : "no input"}`,
    }[state];
    return { id: stage, title: shortOf(stage), detail, state };
  };
  const ready = session.results.length;
  const all = resultsOf(session).length;
  return shape(stagesOf(session), {
    clients: {
      detail: session.uploaded ? "all sent" : counted(session.producers, "producer"),
      state: session.uploaded ? "done" : open ? "working" : "stopped",
    },
    gateway: {
      detail: `${bytes(session.input_bytes)} stored`,
      state: session.uploaded ? "done" : open ? "working" : "stopped",
    },
    stageBox,
    results: {
      detail: `${ready} of ${all} ready`,
      state: ready === all ? "done" : open ? "idle" : "stopped",
    },
    rate,
  });
}

function shape(stages, { clients, gateway, stageBox, results, rate }) {
  const first = stages.filter((each) => !makesResults(each)).map((each) => each.stage);
  const chain = first.map(stageBox);
  const last = stages
    .filter(makesResults)
    .map((each) => ({ ...stageBox(each.stage), reads: each.reads }));
  const columns = [
    [{ id: "clients", title: "clients", ...clients }],
    [{ id: "gateway", title: "gateway", ...gateway }],
    ...chain.map((box) => [box]),
    last,
    [{ id: "results", title: "results", ...results }],
  ];
  const ids = ["clients", "gateway", ...first];
  const weight = rate > 0 ? Math.min(5, Math.log10(1 + rate / 10_000)) : 0;
  const flowing = rate > 0;
  const lines = ids.slice(1).map((to, i) => ({
    from: ids[i],
    to,
    flowing,
    weight,
    label: i === 0 && flowing ? `${bytes(rate)}/s` : "",
  }));
  for (const box of last) {
    for (const from of box.reads) {
      lines.push({ from, to: box.id, flowing: flowing && box.state === "working" });
    }
    lines.push({ from: box.id, to: "results", flowing: false });
  }
  const told = columns
    .flat()
    .map((box) => `${translated(box.title)}: ${translated(box.detail)}`)
    .join("; ");
  const summary = perhapsTranslated(`${translated("The pipeline.")} ${told}.`);
  return { columns, lines, summary };
}
