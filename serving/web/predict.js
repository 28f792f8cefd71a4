// Predictions, as a job where that pays, and explanations.
import { ApiError, call, pause } from "./api.js";
import { seconds } from "./words.js";

const kFirstPoll = 0.25; // seconds, growing
const kSlowestPoll = 2;
const kLooks = 12; // at a job in a row that come to nothing: six minutes, while the server goes on and then keeps its result
const kLongestWait = 60; // seconds, between two of them
const kPassing = [429, 502, 503, 504];
const kGone = [404, 405, 501]; // an address that this server does not have

const query = (parameters) => {
  const text = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();
  return text && `?${text}`;
};

/** Cancels or forgets a job, also when the page is told to go on at once. */
export function drop(address) {
  call(address, { method: "DELETE", tries: 1 }).catch(() => {});
}

const isPassing = ({ code, status }) => code === "unreachable" || kPassing.includes(status);

/** Whether the server may still know a job that a look at it failed for. */
export const isStillKnown = (problem) => isPassing(problem) || problem.status === 401;

/** Seconds to wait after look number `tries` that came to nothing. */
export const patience = (tries) => Math.min(kLongestWait, 2 ** (tries - 1));

// What the server says of a job. Looks that come to nothing end no job: it is looked at again, longer after each.
async function lookAt(address, { onwait, signal }) {
  for (let tries = 1; ; ++tries) {
    try {
      const { json } = await call(address, { onwait, signal });
      if (!json.job) throw new ApiError("unreachable", "What came back is not of this server.");
      return json;
    } catch (problem) {
      if (!isPassing(problem) || tries >= kLooks) throw problem;
    }
    await pause(patience(tries), signal, (left) =>
      onwait(`No word from the server. Trying again in ${seconds(left)} (try ${tries + 1} of ${kLooks})`));
  }
}

/** The answer of a job, once it is there. A signal cancels it; what else fails leaves the job as it is. */
export async function follow(address, { onprogress, onwait, signal }) {
  let wait = kFirstPoll;
  try {
    for (;;) {
      const { job, result, error } = await lookAt(address, { onwait, signal });
      onprogress(job.done, job.total, job.state);
      if (job.state === "done") return result;
      if (job.state === "failed") throw new ApiError(error?.code ?? "internal", error?.message ?? "The job failed.");
      if (job.state === "cancelled") throw new ApiError("cancelled", "");
      await pause(wait, signal);
      wait = Math.min(wait * 1.3, kSlowestPoll);
    }
  } catch (problem) {
    if (problem.code === "cancelled") drop(address);
    throw problem;
  }
}

/** The answer for one file, at once. `upload` is {body, type}. */
export async function predictNow(upload, { model, onwait, signal }) {
  const address = `v1/predict${query({ preview: "1", model })}`;
  const { json } = await call(address, { method: "POST", ...upload, onwait, signal });
  return json;
}

/**
 * The answer for many files, as a job: `onjob(address)` when there is one, then `onprogress(done, total, state)`. A signal
 * cancels it.
 */
export async function predictAsJob(upload, { model, onjob, onprogress, onwait, signal }) {
  const { status, json, headers } = await call(`v1/predict${query({ async: "1", model })}`, {
    method: "POST", ...upload, headers: { Prefer: "respond-async" }, onwait, signal,
  });
  if (status !== 202) return json;
  const address = (headers.get("Location") ?? `/v1/jobs/${json.job.id}`).replace(/^\//, "");
  onjob(address);
  onprogress(json.job.done, json.job.total, json.job.state);
  return follow(address, { onprogress, onwait, signal });
}

const explaining = { missing: false };

/** Whether this server explains; false once it said that it does not. */
export const explains = () => !explaining.missing;

/**
 * The results of one slice, or of the slices of one volume in an archive, each with its `explanation`, by exactly this model
 * ({name, version, sha256}); null when the server has none to give, or no longer has this model.
 */
export async function explain(upload, { model, method, signal }) {
  if (explaining.missing) return null;
  try {
    const address = `v1/explain${query({ model: model?.name, version: model?.version, method })}`;
    const { json } = await call(address, { method: "POST", ...upload, signal, tries: 3 });
    return model?.sha256 && json.model.sha256 !== model.sha256 ? null : json.results;
  } catch (problem) {
    if (problem.code === "unknown_model") return null;
    if (!kGone.includes(problem.status)) throw problem;
    explaining.missing = true;
    return null;
  }
}
