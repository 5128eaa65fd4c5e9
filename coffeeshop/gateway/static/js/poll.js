/** A question asked again and again while somebody looks. */

import { json } from "./api.js";
import { backoff, pause, visible } from "./patience.js";

/**
 * Ask `path()` every `seconds`, until the signal aborts or `onAnswer` returns "stop". `onError` is
 * told what went wrong; a lost gateway is asked again sooner and sooner not at all.
 */
export async function poll(path, { seconds, signal, onAnswer, onError = () => {} }) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      const answer = await json(path(), { signal });
      failures = 0;
      if (signal.aborted || onAnswer(answer) === "stop") return;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (onError(error) === "stop") return;
    }
    await pause(failures ? Math.min(backoff(failures - 1), 2) : seconds, signal);
    await visible(signal);
  }
}
