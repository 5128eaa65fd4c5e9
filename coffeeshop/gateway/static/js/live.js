/** The overview as it is now and how it was lately, for whoever shows part of it. */

import { poll } from "./poll.js";

const PERIOD = 2; // seconds
const KEPT = 150; // samples
const FIRST = 12; // sessions that are listed at first
const MORE = 50; // and as many more each time

class Live {
  constructor() {
    this.latest = null;
    this.samples = [];
    this.limit = FIRST;
    this.state = "";
    this.text = "";
    this.again = { now: () => {} };
    this.error = null;
    this.listeners = new Set();
    this.before = new Map();
    this.rates = new Map();
  }

  start() {
    poll(() => this.path(), {
      again: this.again,
      seconds: PERIOD,
      signal: new AbortController().signal,
      onAnswer: (answer) => this.take(answer, performance.now() / 1000),
      onError: (error) => this.failed(error),
    });
  }

  /** Call `listener(live)` now, if there is something, and at every answer, until the signal. */
  listen(listener, signal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
    if (this.latest !== null || this.error !== null) listener(this);
  }

  /** Bytes a second that came in for a session since the answer before. */
  rateOf(session) {
    return this.rates.get(session.id) ?? 0;
  }

  more() {
    this.limit = Math.min(1000, this.limit + MORE);
    this.again.now();
  }

  /** Show the sessions of that state with that text; empty is all. The gateway looks for them. */
  find(state, text) {
    Object.assign(this, { state, text, limit: FIRST });
    this.again.now();
  }

  path() {
    const wanted = new URLSearchParams({ limit: this.limit });
    if (this.state !== "") wanted.set("state", this.state);
    if (this.text !== "") wanted.set("q", this.text);
    return `v1/overview?${wanted}`;
  }

  take(answer, now) {
    this.error = null;
    this.latest = answer;
    this.measure(answer.open, now);
    this.sample(answer);
    this.tell();
  }

  failed(error) {
    this.error = error;
    this.tell();
  }

  tell() {
    for (const listener of [...this.listeners]) listener(this);
  }

  measure(sessions, now) {
    const before = this.before;
    this.before = new Map(sessions.map((each) => [each.id, { bytes: each.input_bytes, now }]));
    this.rates = new Map();
    for (const { id, input_bytes: size, state } of sessions) {
      const old = before.get(id);
      if (state !== "open" || old === undefined || now <= old.now) continue;
      this.rates.set(id, Math.max(0, size - old.bytes) / (now - old.now));
    }
  }

  sample({ status, nodes }) {
    const sum = (numbers) => numbers.reduce((all, each) => all + each, 0);
    this.samples.push({
      at: Date.now() / 1000,
      memory: sum(nodes.map((node) => node.resident_bytes ?? 0)),
      rate: sum([...this.rates.values()]),
      waiting: status.journal_bytes,
    });
    if (this.samples.length > KEPT) this.samples.shift();
  }
}

export const live = new Live();
