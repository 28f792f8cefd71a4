// Predictions, as a job where that pays, and explanations.
import { ApiError, call, pause } from "./api.js";

const kFirstPoll = 0.25; // seconds, growing
const kSlowestPoll = 2;
const kGone = [404, 405, 501]; // an address that this server does not have

const query = (parameters) => {
  const text = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value)).toString();
  return text && `?${text}`;
};

// Forgets the job, also when the page is told to go on at once.
function drop(address) {
  call(address, { method: "DELETE", tries: 1 }).catch(() => {});
}

async function follow(address, { onprogress, onwait, signal }) {
  let wait = kFirstPoll;
  try {
    for (;;) {
      const { json } = await call(address, { onwait, signal });
      const { job, result, error } = json;
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

/** The answer for many files, as a job: `onprogress(done, total, state)`. A signal cancels it. */
export async function predictAsJob(upload, { model, onprogress, onwait, signal }) {
  const { status, json, headers } = await call(`v1/predict${query({ async: "1", model })}`, {
    method: "POST", ...upload, headers: { Prefer: "respond-async" }, onwait, signal,
  });
  if (status !== 202) return json;
  const address = (headers.get("Location") ?? `/v1/jobs/${json.job.id}`).replace(/^\//, "");
  onprogress(json.job.done, json.job.total, json.job.state);
  return follow(address, { onprogress, onwait, signal });
}

const explaining = { missing: false };

/** Whether this server explains; false once it said that it does not. */
export const explains = () => !explaining.missing;

/**
 * The result of one slice with its `explanation`, by exactly this model ({name, version, sha256}); null when the server has
 * none to give, or no longer has this model.
 */
export async function explain(upload, { model, method, signal }) {
  if (explaining.missing) return null;
  try {
    const address = `v1/explain${query({ model: model?.name, version: model?.version, method })}`;
    const { json } = await call(address, { method: "POST", ...upload, signal, tries: 3 });
    return model?.sha256 && json.model.sha256 !== model.sha256 ? null : json.results[0];
  } catch (problem) {
    if (problem.code === "unknown_model") return null;
    if (!kGone.includes(problem.status)) throw problem;
    explaining.missing = true;
    return null;
  }
}
