/** One data folder on its way to the gateway. */

import { NoAnswer, Problem, send } from "../api.js";
import { pause } from "../patience.js";
import { stay } from "./resend.js";
import { insist, Window } from "./send.js";

const TABLES_AT_ONCE = 2;
const JSON_TYPE = { "Content-Type": "application/json" };
const FILE_TYPE = { "Content-Type": "application/octet-stream" };

/** What is wrong with a file, and where; what is not known is null. */
export class BadFile extends Error {
  constructor(
    reason,
    { path, line = null, row = null, column = null, value = null, bad_rows: found = [] },
  ) {
    super(reason);
    const rows = found.map((each) => ({ ...each, file: path }));
    Object.assign(this, { path, line, row, column, value, rows });
  }

  /** What a gateway is told: why its session cannot go on, with the first bad rows. */
  get why() {
    const { path: file, line, row, column, value, message: reason } = this;
    const places = [line && `line ${line}`, row && `row ${row}`, column && `column ${column}`];
    const where = [file, ...places].filter(Boolean).join(", ");
    const found = value === null ? "" : `, value “${value}”`;
    const own = { file, line, column, value, reason };
    const rows = this.rows.length > 0 ? this.rows : line === null ? [] : [own];
    return {
      kind: "bad_data",
      reason: `${where}${found}: ${reason}`.slice(0, 1000),
      bad_rows: rows.slice(0, 10).map(bounded),
    };
  }
}

/**
 * The upload of a folder as `folderOf` gives it. `state` is new, sending, sent, failed or stopped;
 * listeners of `change` hear of every step. The folder's smaller tables go first.
 */
export class Upload extends EventTarget {
  constructor(id, folder, { name, plan, questions = [], parameters = {} }) {
    super();
    this.id = id;
    this.name = name;
    this.plan = plan;
    this.asked = { questions, parameters };
    this.folder = folder;
    this.state = "new";
    this.error = null;
    this.waiting = null;
    this.began = null; // milliseconds, on the clock of performance.now()
    this.warnings = [...folder.warnings];
    this.tables = Object.fromEntries(
      Object.keys(folder.tables).map((table) => {
        const total = folder.tables[table].reduce((all, { size }) => all + size, 0);
        return [table, { total, done: 0, underWay: 0, batches: 0, ended: false }];
      }),
    );
    this.parts = Object.fromEntries(Object.keys(folder.tables).map((table) => [table, []]));
    this.aborter = new AbortController();
  }

  get isUnderWay() {
    return this.state === "new" || this.state === "sending";
  }

  /** Bytes of the files that went out. */
  get sent() {
    return Object.keys(this.tables).reduce((all, table) => all + this.sentOf(table), 0);
  }

  sentOf(table) {
    const { done, underWay } = this.tables[table];
    return done + underWay;
  }

  get total() {
    return Object.values(this.tables).reduce((all, table) => all + table.total, 0);
  }

  /** Open the session; raises what the gateway says to that. */
  async open() {
    const { questions, parameters } = this.asked;
    const asked = questions.length > 0 ? { questions } : { parameters };
    const body = JSON.stringify({ id: this.id, name: this.name, plan: this.plan, ...asked });
    const response = await this.insist("v1/sessions", { method: "POST", headers: JSON_TYPE, body });
    this.heartbeat = (await response.json()).heartbeat_seconds;
  }

  /**
   * Send everything, and stay until the session ends: some of it may be asked for again. Never
   * raises: `state` and `error` say how it went.
   */
  async run() {
    this.began = performance.now();
    this.change("sending");
    this.beat();
    try {
      const window = new Window(TABLES_AT_ONCE);
      for (const table of Object.keys(this.tables)) await window.add(() => this.sendTable(table));
      await window.drain();
      this.change("sent");
      await stay(this);
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
      const before = progress.done;
      await readable(each);
      for (let { step } = each; step !== null; ) {
        const answer = await this.sendPart(table, each, step, progress.batches);
        const { batches: batch } = progress;
        this.parts[table].push({ file: each, step, batch, batches: answer.batches });
        progress.batches += answer.batches;
        this.warnings.push(...answer.warnings);
        step = answer.step;
        // The last of the ranges is the one that is new; the first may be the header again.
        progress.done = before + (step === null ? each.size : step.ranges.at(-1)[0]);
        progress.underWay = 0;
        this.change();
      }
    }
    const body = JSON.stringify({ batches: progress.batches });
    await this.insist(this.path(`${table}/eof`), { method: "PUT", headers: JSON_TYPE, body });
    progress.ended = true;
    progress.done = progress.total;
    this.change();
  }

  /** Send the bytes that a step asks for, and give what the gateway answers. */
  async sendPart(table, { file, path, size }, step, batch) {
    const query = new URLSearchParams({ path, size, step: step.text, batch });
    const body = new Blob(step.ranges.map(([start, length]) => file.slice(start, start + length)));
    const onProgress = (share) => {
      if (this.tables[table].ended) return; // sent again
      this.tables[table].underWay = share * step.ranges.at(-1)[1];
      this.change();
    };
    const options = { method: "PUT", headers: FILE_TYPE, body, onProgress };
    try {
      const response = await this.insist(this.path(`${table}/files?${query}`), options);
      return await response.json();
    } catch (error) {
      throw Object.assign(refused(error, path), { table });
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
    const why =
      error instanceof BadFile
        ? error.why
        : { kind: "client_failed", reason: `the upload failed: ${error.message}`.slice(0, 1000) };
    await send("POST", `v1/sessions/${this.id}/cancel`, why).catch((failure) => {
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

/** A row within what a gateway takes. */
const bounded = ({ file, line, column, value, reason }) => ({
  file: file.slice(-300),
  line,
  column: column?.slice(0, 100) ?? null,
  value: value?.slice(0, 200) ?? null,
  reason: reason.slice(0, 500),
});
