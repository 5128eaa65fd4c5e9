/** Waiting. */

const FIRST = 0.25;
const LONGEST = 5;

/** Seconds before the next try, after that many; no two pages try at the same moment. */
export const backoff = (tries, wanted = 0) =>
  Math.max(wanted, Math.min(LONGEST, FIRST * 2 ** Math.min(tries, 10))) * (1 + Math.random() / 4);

/** Resolve after the seconds, or at once when the signal aborts. */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(ended, seconds * 1000);
    function ended() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", ended);
      resolve();
    }
    signal?.addEventListener("abort", ended);
  });
}

/** A signal that aborts with the other one, or as soon as nobody looks at the page. */
export function whenHidden(signal) {
  const hidden = new AbortController();
  document.addEventListener("visibilitychange", () => hidden.abort(), {
    once: true,
    signal: hidden.signal,
  });
  return AbortSignal.any([signal, hidden.signal]);
}

/** Resolve as soon as somebody looks at the page, or the signal aborts. */
export function visible(signal) {
  return new Promise((resolve) => {
    if (!document.hidden || signal?.aborted) return resolve();
    function changed() {
      if (document.hidden && !signal?.aborted) return;
      document.removeEventListener("visibilitychange", changed);
      signal?.removeEventListener("abort", changed);
      resolve();
    }
    document.addEventListener("visibilitychange", changed);
    signal?.addEventListener("abort", changed);
  });
}
