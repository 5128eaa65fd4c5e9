/** One data folder on its way to the gateway. */

import { NoAnswer, Problem, request, send } from "../api.js";
import { pause } from "../patience.js";
import { add, BadFile, nothing } from "./badfile.js";
import { stay } from "./resend.js";
import { insist, Window } from "./send.js";

const TABLES_AT_ONCE = 2;
const JSON_TYPE = { "Content-Type": "application/json" };
const FILE_TYPE = { "Content-Type": "application/octet-stream" };

/**
 * The upload of a folder as `folderOf` gives it. `state` is new, sending, asking, sent, failed or
 * stopped; listeners of `change` hear of every step. While it is asking, `refusal` is a row that the
 * gateway refuses, and `decide(whether to leave such rows out)` goes on. The folder's smaller tables
 * go first.
 */
export class Upload extends EventTarget {
  constructor(id, folder, { name, plan, questions = [], parameters = {}, quality = false, skipBadRows = false }) {
    super();
    this.id = id;
    this.name = name;
    this.plan = plan;
    this.asked = { questions, parameters, quality };
    this.skipBadRows = skipBadRows;
    this.refusal = null;
    this.decision = null;
    this.decide = () => {};
    this.folder = folder;
    this.state = "new";
    this.error = null;
    this.waiting = null;
    this.began = null; // milliseconds, on the clock of performance.now()
    this.warnings = [...folder.warnings];
    this.tables = Object.fromEntries(
      Object.keys(folder.tables).map((table) => {
        const total = folder.tables[table].reduce((all, { size }) => all + size, 0);
        return [table, { total, done: 0, underWay: 0, batches: 0, ended: false, leftOut: nothing() }];
      }),
    );
    this.parts = Object.fromEntries(Object.keys(folder.tables).map((table) => [table, []]));
    this.aborter = new AbortController();
  }

  get isUnderWay() {
    return this.state === "new" || this.state === "sending" || this.state === "asking";
  }

  /** Bytes of the files that went out. */
  get sent() {
    return Object.keys(this.tables).reduce((all, table) => all + this.sentOf(table), 0);
  }

  /** Rows that were left out. */
  get leftOut() {
    return Object.values(this.tables).reduce((all, { leftOut }) => all + leftOut.rows, 0);
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
    const { questions, parameters, quality } = this.asked;
    const asked = {
      parameters,
      ...(questions.length > 0 ? { questions } : {}),
      ...(quality ? { quality } : {}),
    };
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
        const answer = await this.sendOrAsk(table, each, step, progress.batches);
        if (answer === null) continue; // once more, without the bad rows
        const { batches: batch } = progress;
        add(progress.leftOut, answer, each.path);
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
    const told = progress.leftOut.rows > 0 ? { left_out: progress.leftOut } : {};
    const body = JSON.stringify({ batches: progress.batches, ...told });
    await this.insist(this.path(`${table}/eof`), { method: "PUT", headers: JSON_TYPE, body });
    progress.ended = true;
    progress.done = progress.total;
    this.change();
  }

  /** The same; null when a row is refused, and from now on such rows are left out. */
  async sendOrAsk(table, file, step, batch) {
    const skipped = this.skipBadRows;
    try {
      return await this.sendPart(table, file, step, batch);
    } catch (error) {
      const isRow = error instanceof BadFile && error.isRow;
      if (!isRow || skipped || !(this.skipBadRows || (await this.mayLeaveOut(error)))) throw error;
      return null;
    }
  }

  /** Ask whether rows like this one may be left out. The session stays open meanwhile. */
  async mayLeaveOut(refusal) {
    this.refusal ??= refusal;
    this.decision ??= new Promise((resolve) => {
      this.decide = resolve;
      this.aborter.signal.addEventListener("abort", () => resolve(false));
    });
    // Who leaves the page decides as well: others are to know why the session ended.
    const leave = () => void this.giveUp(refusal);
    addEventListener("pagehide", leave);
    this.change("asking");
    this.skipBadRows = await this.decision;
    removeEventListener("pagehide", leave);
    if (this.state === "asking") this.change("sending");
    return this.skipBadRows;
  }

  /** Send the bytes that a step asks for, and give what the gateway answers. */
  async sendPart(table, { file, path, size }, step, batch) {
    const skip = this.skipBadRows ? { skip_bad_rows: true } : {};
    const query = new URLSearchParams({ path, size, step: step.text, batch, ...skip });
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
    const body = JSON.stringify(why);
    const how = { method: "POST", headers: JSON_TYPE, body, keepalive: true };
    await request(`v1/sessions/${this.id}/cancel`, how).catch((failure) => {
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
