/** Requests that are repeated until the gateway took them, a few under way at once. */

import { NoAnswer, Problem, request } from "../api.js";
import { backoff, pause } from "../patience.js";

const PASSING = new Set([401, 408, 425, 429, 502, 503, 504]); // one can sign in again meanwhile
const PATIENCE = 600; // seconds without a word

/** Whether the same request may go through later. */
const isPassing = (error) =>
  error instanceof NoAnswer || (error instanceof Problem && PASSING.has(error.status));

/**
 * Send until it is taken. Raises the `Problem` that no repeat would mend, or the last error when
 * the patience is over. `onWait(error)` is told why it waits, `onWait(null)` that it goes on.
 */
export async function insist(path, options, { signal, onWait = () => {} }) {
  const deadline = performance.now() / 1000 + PATIENCE;
  for (let tries = 0; ; tries += 1) {
    try {
      const response = await request(path, { ...options, signal });
      if (tries > 0) onWait(null);
      return response;
    } catch (error) {
      if (signal.aborted || !isPassing(error) || performance.now() / 1000 > deadline) throw error;
      onWait(error);
      await pause(backoff(tries, error.retryAfter ?? 0), signal);
    }
  }
}

/** At most `size` pieces of work at once; the first that fails ends it all. */
export class Window {
  constructor(size) {
    this.size = size;
    this.open = new Set();
    this.failure = null;
  }

  /** Begin `work()` as soon as there is room. Raises what an earlier one failed with. */
  async add(work) {
    while (this.open.size >= this.size && this.failure === null) await Promise.race(this.open);
    if (this.failure !== null) throw this.failure;
    const running = work()
      .catch((error) => (this.failure ??= error))
      .finally(() => this.open.delete(running));
    this.open.add(running);
  }

  /** Wait for all of them. Raises what one of them failed with. */
  async drain() {
    await Promise.all(this.open);
    if (this.failure !== null) throw this.failure;
  }
}
