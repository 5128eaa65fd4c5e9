/** Whether the gateway answers, and who wants to know. */

const listeners = new Set();
let lost = false;

/** Call `listener(lost)` at every change; returns how to stop that. */
export function onConnection(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The gateway answered. */
export const answered = () => change(false);

/** The gateway did not answer. */
export const silent = () => change(true);

export const isLost = () => lost;

function change(now) {
  if (now === lost) return;
  lost = now;
  for (const listener of [...listeners]) listener(lost);
}
