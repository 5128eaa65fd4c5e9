/** What tasks miss of an upload that was sent: the broker may lose what it confirmed. */

import { NoAnswer, Problem, request, send } from "../api.js";
import { pause } from "../patience.js";

const LOOK = 3; // seconds

/**
 * Stay until the session ends: say that its client is there, and send the parts again of which it
 * misses a batch. Raises what no repeat would mend.
 *
 * Asks now and then instead of following the events: each stream would take one of the few
 * connections that a browser has to one server.
 */
export async function stay(upload) {
  const answered = new Map();
  let beaten = performance.now();
  for (;;) {
    await pause(LOOK, upload.aborter.signal);
    if (upload.aborter.signal.aborted) return;
    const session = await look(upload.id);
    if (session === null) continue;
    if (session.state !== "open") return;
    if (performance.now() - beaten > upload.heartbeat * 1000) {
      beaten = performance.now();
      await send("POST", `v1/sessions/${upload.id}/heartbeat`).catch(() => {});
    }
    const due = new Map(); // several tasks may miss batches of one part
    for (const asked of session.missing ?? []) {
      const key = `${asked.task} ${asked.table}`;
      const what = JSON.stringify(asked);
      if (asked.producer !== "0" || answered.get(key) === what) continue;
      answered.set(key, what);
      for (const part of partsOf(upload.parts[asked.table], asked)) due.set(part, asked.table);
    }
    try {
      for (const [{ file, step, batch }, table] of due)
        await upload.sendPart(table, file, step, batch);
    } catch (error) {
      if (error instanceof Problem && error.status === 410) return; // it ended meanwhile
      throw error;
    }
  }
}

/** The session as it is now; null when that is not known, and `{state: "gone"}` after its end. */
async function look(id) {
  try {
    const response = await request(`v1/sessions/${id}`);
    return await response.json();
  } catch (error) {
    if (error instanceof Problem && (error.status === 404 || error.status === 410))
      return { state: "gone" };
    if (error instanceof Problem || error instanceof NoAnswer) return null;
    throw error;
  }
}

/** The parts that hold a batch that is asked for. */
export function partsOf(parts, { ranges, step }) {
  return parts.filter(({ batch, batches }) =>
    ranges.some(([first, last]) => {
      const next = first + Math.max(0, Math.ceil((batch - first) / step)) * step;
      return next <= last && next < batch + batches;
    }),
  );
}
