/** One data folder on its way to the gateway. */

import { NoAnswer, Problem, send } from "../api.js";
import { TABLES } from "../names.js";
import { pause } from "../patience.js";
import { insist, Window } from "./send.js";

const TABLES_AT_ONCE = 2;
const JSON_TYPE = { "Content-Type": "application/json" };
const FILE_TYPE = { "Content-Type": "application/octet-stream" };

/** What is wrong with a file, and where; what is not known is null. */
export class BadFile extends Error {
  constructor(reason, { path, line = null, row = null, column = null, value = null }) {
    super(reason);
    Object.assign(this, { path, line, row, column, value });
  }
}

/**
 * The upload of a folder as `folderOf` gives it. `state` is new, sending, sent, failed or stopped;
 * listeners of `change` hear of every step. The folder's smaller tables go first.
 */
export class Upload extends EventTarget {
  constructor(id, folder, { name, plan }) {
    super();
    this.id = id;
    this.name = name;
    this.plan = plan;
    this.folder = folder;
    this.state = "new";
    this.error = null;
    this.waiting = null;
    this.warnings = [...folder.warnings];
    this.tables = Object.fromEntries(
      Object.keys(TABLES).map((table) => {
        const total = folder.tables[table].reduce((all, { size }) => all + size, 0);
        return [table, { total, sent: 0, batches: 0, ended: false }];
      }),
    );
    this.aborter = new AbortController();
  }

  get isUnderWay() {
    return this.state === "new" || this.state === "sending";
  }

  get sent() {
    return Object.values(this.tables).reduce((all, table) => all + table.sent, 0);
  }

  get total() {
    return Object.values(this.tables).reduce((all, table) => all + table.total, 0);
  }

  /** Open the session; raises what the gateway says to that. */
  async open() {
    const body = JSON.stringify({ id: this.id, name: this.name, plan: this.plan });
    const response = await this.insist("v1/sessions", { method: "POST", headers: JSON_TYPE, body });
    this.heartbeat = (await response.json()).heartbeat_seconds;
  }

  /** Send everything. Never raises: `state` and `error` say how it went. */
  async run() {
    this.change("sending");
    this.beat();
    try {
      const window = new Window(TABLES_AT_ONCE);
      for (const table of Object.keys(TABLES)) await window.add(() => this.sendTable(table));
      await window.drain();
      this.change("sent");
    } catch (error) {
      if (this.state === "stopped") return;
      this.error = error;
      this.change("failed");
      this.aborter.abort();
      await this.giveUp(error);
    }
  }

  /** Send nothing more. */
  stop() {
    if (!this.isUnderWay) return;
    this.change("stopped");
    this.aborter.abort();
  }

  async sendTable(table) {
    const progress = this.tables[table];
    for (const each of this.folder.tables[table]) {
      const before = progress.sent;
      await readable(each);
      for (let { step } = each; step !== null; ) {
        const answer = await this.sendPart(table, each, step, progress.batches);
        progress.batches += answer.batches;
        this.warnings.push(...answer.warnings);
        step = answer.step;
        // The last of the ranges is the one that is new; the first may be the header again.
        progress.sent = before + (step === null ? each.size : step.ranges.at(-1)[0]);
        this.change();
      }
    }
    const body = JSON.stringify({ batches: progress.batches });
    await this.insist(this.path(`${table}/eof`), { method: "PUT", headers: JSON_TYPE, body });
    progress.ended = true;
    progress.sent = progress.total;
    this.change();
  }

  /** Send the bytes that a step asks for, and give what the gateway answers. */
  async sendPart(table, { file, path, size }, step, batch) {
    const query = new URLSearchParams({ path, size, step: step.text, batch });
    const body = new Blob(step.ranges.map(([start, length]) => file.slice(start, start + length)));
    const options = { method: "PUT", headers: FILE_TYPE, body };
    try {
      const response = await this.insist(this.path(`${table}/files?${query}`), options);
      return await response.json();
    } catch (error) {
      throw refused(error, path);
    }
  }

  path(rest) {
    return `v1/sessions/${this.id}/tables/${rest}`;
  }

  insist(path, options) {
    const onWait = (error) => {
      this.waiting = error;
      this.change();
    };
    return insist(path, options, { signal: this.aborter.signal, onWait });
  }

  async beat() {
    for (;;) {
      await pause(this.heartbeat, this.aborter.signal);
      if (!this.isUnderWay) return;
      const answer = await send("POST", `v1/sessions/${this.id}/heartbeat`).catch((error) => error);
      if (answer instanceof Problem && answer.status === 410) return; // the next part says why
    }
  }

  /** Nobody else would complete the session. */
  async giveUp(error) {
    if (error instanceof Problem && error.status === 410) return; // it is over already
    if (error instanceof NoAnswer) return; // then the gateway gives it up by itself
    await send("POST", `v1/sessions/${this.id}/cancel`).catch((failure) => {
      console.warn("the session could not be cancelled:", failure.message);
    });
  }

  change(state = this.state) {
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }
}

/** Raise what is wrong with a file that the browser cannot read: no request would say it. */
async function readable({ file, path }) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    throw new BadFile(`cannot be read: ${error.message}`, { path });
  }
}

/** What is wrong with the file, when that is why a part was refused. */
function refused(error, path) {
  if (!(error instanceof Problem) || error.status !== 422) return error;
  return new BadFile(error.message, { path, ...error.body });
}
