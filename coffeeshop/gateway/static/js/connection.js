/** How things are with the gateway, and who wants to know. */

import { anyUnderWay } from "./upload/uploads.js";

const listeners = new Set();
let state = "well"; // or "silent", or "stranger": it does not know who asks

/** Call `listener(state)` at every change; returns how to stop that. */
export function onConnection(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The gateway answered. */
export const answered = () => change("well");

/** The gateway did not answer. */
export const silent = () => change("silent");

/**
 * The gateway wants to know who asks. The page that asks for that comes at once, and leads back
 * here; but an upload stays, and goes on when its user signed in elsewhere.
 */
export function stranger() {
  if (anyUnderWay()) change("stranger");
  else location.replace(wayIn());
}

/** Where one signs in again, to come back to what is shown now. */
export const wayIn = () => `login?again${location.hash}`;

function change(now) {
  if (now === state) return;
  state = now;
  for (const listener of [...listeners]) listener(state);
}
