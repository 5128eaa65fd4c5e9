/** A question asked again and again while somebody looks. */

import { json } from "./api.js";
import { backoff, pause, visible } from "./patience.js";

const LONGEST = 2; // seconds, between two tries at a gateway that does not answer

/**
 * Ask `path()` every `seconds` (a number, or a function that says it) until the signal aborts or
 * `onAnswer` or `onError` returns "stop". `again.now()` asks at once.
 */
export async function poll(path, { seconds, signal, onAnswer, onError = () => {}, again = {} }) {
  let failures = 0;
  let asked = false;
  let hurry = () => {};
  again.now = () => {
    asked = true;
    hurry();
  };
  while (!signal.aborted) {
    asked = false;
    try {
      const answer = await json(path(), { signal });
      failures = 0;
      if (signal.aborted || onAnswer(answer) === "stop") return;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (onError(error) === "stop") return;
    }
    const wanted = typeof seconds === "function" ? seconds() : seconds;
    const rest = failures ? Math.min(backoff(failures - 1), LONGEST) : wanted;
    const woken = new AbortController();
    hurry = () => woken.abort();
    if (!asked || failures) await pause(rest, AbortSignal.any([signal, woken.signal]));
    await visible(signal);
  }
}
