/** One data folder on its way to the gateway. */

import { NoAnswer, Problem, send } from "../api.js";
import { TABLES } from "../names.js";
import { pause } from "../patience.js";
import { cut, CutError } from "./cut.js";
import { insist, Window } from "./send.js";
import { opened } from "./source.js";

const SENDERS = 3;
const JSON_TYPE = { "Content-Type": "application/json" };
const CSV_TYPE = { "Content-Type": "text/csv" };

/** What is wrong with a file, and where; what is not known is null. */
export class BadFile extends Error {
  constructor(reason, { path, line = null, column = null, value = null }) {
    super(reason);
    Object.assign(this, { path, line, column, value });
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
    this.tables = Object.fromEntries(
      Object.keys(TABLES).map((table) => {
        const total = folder.tables[table].reduce((all, { file }) => all + file.size, 0);
        return [table, { total, sent: 0, parts: 0, ended: false }];
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
      for (const table of Object.keys(TABLES)) await this.sendTable(table);
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
    const window = new Window(SENDERS);
    for (const { file, path } of this.folder.tables[table]) {
      const { stream, read } = opened(file, path);
      let before = 0;
      try {
        for await (const part of cut(stream)) {
          const [number, size] = [progress.parts, read() - before];
          before = read();
          progress.parts += 1;
          await window.add(() => this.sendPart(table, number, path, part, size));
        }
      } catch (error) {
        throw broken(error, path);
      }
    }
    await window.drain();
    const body = JSON.stringify({ batches: progress.parts });
    await this.insist(this.path(`${table}/eof`), { method: "PUT", headers: JSON_TYPE, body });
    progress.ended = true;
    progress.sent = progress.total;
    this.change();
  }

  async sendPart(table, number, path, part, size) {
    const body = new Blob(part.body);
    try {
      await this.insist(this.path(`${table}/batches/${number}`), {
        method: "PUT",
        headers: CSV_TYPE,
        body,
      });
    } catch (error) {
      throw refused(error, path, part);
    }
    this.tables[table].sent += size;
    this.change();
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

function broken(error, path) {
  if (error instanceof CutError) return new BadFile(error.message, { path, line: error.line });
  if (error instanceof BadFile || error instanceof Problem || error instanceof NoAnswer)
    return error;
  const reason = path.endsWith(".gz") ? "damaged gzip file" : "cannot be read";
  return new BadFile(`${reason}: ${error.message}`, { path });
}

/** A refused part's complaint, with the line in the file: line 1 of a part is the header. */
function refused(error, path, part) {
  if (!(error instanceof Problem) || ![413, 422].includes(error.status)) return error;
  const { line = null, column = null, value = null } = error.body;
  const inFile = line === null ? null : line === 1 ? 1 : part.line + line - 2;
  return new BadFile(error.message, { path, line: inFile, column, value });
}
