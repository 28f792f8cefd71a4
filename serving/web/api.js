// Talks to the server: errors as ApiError, the API key when one is asked for, and patience when the server is busy.
import { seconds } from "./words.js";

const kTries = 5; // of a request that meets a busy server
const kLongestWait = 60; // seconds

/** A refusal, by the code of the server's error reply, or "unreachable" and "cancelled". */
export class ApiError extends Error {
  constructor(code, message, status = 0) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const access = { key: "", ask: null, asking: null };

/** `ask(wrong)` shows a form and resolves to a key or null. The key is kept in this page's memory and nowhere else. */
export function askForKeyWith(ask) {
  access.ask = ask;
}

// One question at a time, however many requests wait for its answer. Whether there is a new key to try.
async function newKey(tried) {
  if (access.key !== tried) return true; // another request got one meanwhile
  access.asking ??= access.ask(tried !== "").finally(() => { access.asking = null; });
  const key = await access.asking;
  if (key) access.key = key;
  return Boolean(key);
}

/** Waits; throws ApiError "cancelled" when the signal is given. `ontick` gets the seconds left, each second. */
export async function pause(wait, signal, ontick = () => {}) {
  for (let left = wait; left > 0; left -= 1) {
    if (signal?.aborted) break;
    ontick(Math.ceil(left));
    await new Promise((resolve) => {
      const timer = setTimeout(done, Math.min(left, 1) * 1000);
      function done() {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
      signal?.addEventListener("abort", done);
    });
  }
  if (signal?.aborted) throw new ApiError("cancelled", "");
}

const kGateways = [502, 504]; // said by what stands before the server

const lost = (signal) =>
  (signal?.aborted ? new ApiError("cancelled", "") : new ApiError("unreachable", "No answer came back."));

async function once(path, { method = "GET", body, type, headers = {}, signal }) {
  const all = { Accept: "application/json", ...headers };
  if (type) all["Content-Type"] = type;
  if (access.key) all.Authorization = `Bearer ${access.key}`;
  try {
    return await fetch(path, { method, body, headers: all, signal, cache: "no-store" });
  } catch {
    throw lost(signal);
  }
}

// The document of a reply; {} when it is none.
async function read(reply, signal) {
  const text = await reply.text().catch(() => { throw lost(signal); });
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Seconds to wait before try number `tries` + 1: what the server says, longer from try to try. */
export function backoff(retryAfter, tries) {
  const told = Number.parseFloat(retryAfter ?? "");
  return Math.min(kLongestWait, Math.max(Number.isFinite(told) && told > 0 ? told : 1, 1) * tries);
}

/**
 * One request: {status, json, headers}. Asks for a key at 401; at 429 and 503 waits as Retry-After says and tries
 * again, up to kTries times, telling `onwait(text)`; then throws the ApiError. Throws ApiError for every other refusal.
 */
export async function call(path, options = {}) {
  for (let tries = 1; ; ++tries) {
    const tried = access.key;
    const reply = await once(path, options);
    const json = await read(reply, options.signal);
    if (reply.ok) return { status: reply.status, json, headers: reply.headers };
    const unknown = kGateways.includes(reply.status) ? "unreachable" : "internal";
    const { code = unknown, message = `Status ${reply.status} without an explanation.` } = json.error ?? {};
    if (reply.status === 401 && access.ask && await newKey(tried)) {
      --tries;
      continue;
    }
    const busy = reply.status === 503 || reply.status === 429;
    const most = options.tries ?? kTries;
    if (!busy || tries >= most) {
      const after = busy && tries > 1 ? ` Tried ${tries} times.` : "";
      throw new ApiError(code, message + after, reply.status);
    }
    const wait = backoff(reply.headers.get("Retry-After"), tries);
    await pause(wait, options.signal, (left) => {
      options.onwait?.(`The server is busy. Trying again in ${seconds(left)} (try ${tries + 1} of ${most})`);
    });
  }
}
