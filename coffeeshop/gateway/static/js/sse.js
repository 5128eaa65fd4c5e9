/**
 * Server-sent events over fetch: unlike EventSource it can begin after an event id at any time, and
 * it sees why a gateway refuses.
 */

import { request, Problem } from "./api.js";
import { backoff, pause, visible, whenHidden } from "./patience.js";

/**
 * Call `onEvent({name, id, data})` for every event until one of `ends` came, the signal aborts, or
 * the gateway says that there is nothing to follow (then it raises the `Problem`). Goes on after
 * the last event id whenever the connection ends before.
 */
export async function follow(path, { ends, signal, onEvent, after = null }) {
  let last = after;
  for (let tries = 0; !signal.aborted; tries += 1) {
    // A browser has few connections to one server: only the page that is looked at keeps one.
    await visible(signal);
    const hiding = whenHidden(signal);
    try {
      const headers = last === null ? {} : { "Last-Event-ID": last };
      const response = await request(path, { headers, signal: hiding });
      for await (const event of eventsOf(response.body)) {
        tries = 0;
        if (event.id !== null) last = event.id;
        onEvent(event);
        if (ends.has(event.name)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status < 500 && error.status !== 429) throw error;
    }
    await pause(backoff(tries), signal);
  }
}

async function* eventsOf(body) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunksOf(body)) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event !== null) yield event;
    }
  }
}

async function* chunksOf(body) {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One block of lines as an event; null for comments and retry times. */
export function parsed(block) {
  const event = { name: "message", id: null, data: "" };
  let found = false;
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).trimStart()];
    if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
    else if (field === "data") {
      event.data += value;
      found = true;
    }
  }
  return found ? { ...event, data: JSON.parse(event.data) } : null;
}
