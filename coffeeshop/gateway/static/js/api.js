/** Requests to the gateway: answers, its problems, or that it does not answer. */

import { answered, silent, stranger } from "./connection.js";

const AWAY = new Set([502, 503, 504]);

/** The gateway said no. `retryAfter` is in seconds, null when it does not say. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail || body.title || `the gateway answered ${status}`);
    this.status = status;
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

/** The gateway did not answer. */
export class NoAnswer extends Error {}

/** A response whose status is 2xx; raises `Problem` or `NoAnswer`. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await (options.onProgress ? sent(path, options) : fetched(path, options));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    silent();
    throw new NoAnswer("the gateway does not answer");
  }
  // A 503 with a word of ours comes from a gateway that is there.
  if (response.status === 401) stranger();
  else if (response.ok || !AWAY.has(response.status) || isProblem(response)) answered();
  else silent();
  if (!response.ok) throw await problemOf(response);
  return response;
}

const fetched = (path, options) =>
  fetch(path, { cache: "no-store", credentials: "same-origin", ...options });

/** The same, telling `onProgress(share of the body that was sent)`, which fetch cannot. */
function sent(path, { method, headers = {}, body, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const stop = () => xhr.abort();
    const settled = (settle, value) => {
      signal?.removeEventListener("abort", stop);
      settle(value);
    };
    xhr.open(method, path);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.responseType = "blob";
    xhr.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    xhr.onload = () => settled(resolve, responseOf(xhr));
    xhr.onerror = () => settled(reject, new TypeError("the request failed"));
    xhr.onabort = () => settled(reject, new DOMException("aborted", "AbortError"));
    if (signal?.aborted) return settled(reject, new DOMException("aborted", "AbortError"));
    signal?.addEventListener("abort", stop);
    xhr.send(body);
  });
}

function responseOf(xhr) {
  const headers = ["Content-Type", "Retry-After"]
    .map((name) => [name, xhr.getResponseHeader(name)])
    .filter(([, value]) => value !== null);
  return new Response(xhr.status === 204 ? null : xhr.response, { status: xhr.status, headers });
}

/** The JSON of an answer. */
export async function json(path, options) {
  const response = await request(path, options);
  try {
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new NoAnswer("the gateway's answer was cut off");
  }
}

/** Send JSON, return JSON. */
export const send = (method, path, body) =>
  json(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

const isProblem = (response) =>
  (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");

async function problemOf(response) {
  const text = response.headers.get("Retry-After");
  const seconds = text === null ? Number.NaN : Number(text);
  let body = {};
  try {
    if (isProblem(response)) body = await response.json();
  } catch {
    body = { title: "the gateway's answer was cut off" };
  }
  return new Problem(response.status, body, Number.isFinite(seconds) ? seconds : null);
}
