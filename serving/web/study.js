// One thing that was sent: a slice, a series, an archive. Its way from waiting to an answer, slice by slice.
import { ApiError } from "./api.js";
import { drop, follow, isStillKnown, predictAsJob, predictNow } from "./predict.js";
import { sentence } from "./words.js";
import { makeZip } from "./zip.js";

/** The Content-Type that a file is sent with; the server looks at the bytes, the type says what was meant. */
export function contentType(name) {
  if (/\.png$/i.test(name)) return "image/png";
  if (/\.jpe?g$/i.test(name)) return "image/jpeg";
  if (/\.(dcm|dicom)$/i.test(name)) return "application/dicom";
  if (/\.zip$/i.test(name)) return "application/zip";
  return "application/octet-stream";
}

const kToldBytes = 255;

// A file's name as the server tells it: its end when it is long, without control characters (uploads.cpp, shown_name).
function toldName(name) {
  const bytes = new TextEncoder().encode(name);
  return new TextDecoder().decode(bytes.subarray(-kToldBytes)).replace(/[\0-\x1f\x7f]/g, "");
}

/** Names made different, since an archive's results are found by name. */
export function differentNames(names) {
  const seen = new Map();
  return names.map((name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${times}-${name}`;
  });
}

/**
 * The stacks of an answer: [{label, summary, entries: [{slice, result, position, probability}]}]. One per series in
 * the order along the body, and one of the pictures that belong to none. Before the answer: one of all slices.
 */
export function stacksOf(slices, answer) {
  if (!answer) return [{ label: "", summary: null, entries: slices.map((slice) => ({ slice })) }];
  const byName = new Map(slices.map((slice) => [toldName(slice.name), slice]));
  const only = slices.length === 1 ? slices[0] : undefined;
  const entryOf = (index) => {
    const result = answer.results[index];
    return { index, result, slice: byName.get(result.name) ?? only };
  };
  const taken = new Set();
  const series = answer.summary?.series ?? [];
  const stacks = series.map((summary, k) => ({
    label: series.length > 1 ? `Series ${k + 1}` : "Series",
    summary,
    entries: summary.profile.map((point) => {
      taken.add(point.result);
      return { ...entryOf(point.result), position: point.position_mm, probability: point.probability };
    }),
  }));
  const rest = [...answer.results.keys()].filter((index) => !taken.has(index)).map(entryOf);
  if (rest.length > 0) stacks.push({ label: series.length > 0 ? "Other pictures" : "", summary: null, entries: rest });
  return stacks;
}

export class Study {
  /** `group` is one of groupsOf(); `onchange(study)` is called at every step. */
  constructor(group, onchange) {
    Object.assign(this, group);
    this.onchange = onchange;
    this.job = null; // {address, model} of one that was lost sight of
    this.reset();
  }

  reset() {
    this.control = new AbortController();
    this.answer = null;
    this.error = null;
    this.stacks = stacksOf(this.slices);
    this.set("waiting", "Waiting");
  }

  set(state, words, progress = null) {
    Object.assign(this, { state, words, progress });
    this.onchange(this);
  }

  get open() {
    return this.state === "waiting" || this.state === "running";
  }

  /** Ends it wherever it is; the server is told. */
  cancel() {
    if (!this.open) return this.leaveJob();
    this.control.abort();
    this.fail(new ApiError("cancelled", ""));
  }

  leaveJob() {
    if (this.job) drop(this.job.address);
    this.job = null;
  }

  fail(error) {
    if (!isStillKnown(error)) this.job = null;
    this.error = { code: error.code ?? "unreadable", message: error.message };
    this.set(this.error.code === "cancelled" ? "cancelled" : "failed", sentence(this.error.code));
  }

  async archive() {
    if (this.zip) return this.zip;
    const names = differentNames(this.slices.map(({ name }) => name));
    names.forEach((name, i) => { this.slices[i].name = name; });
    return makeZip(this.slices, (done, total) => this.set("running", "Packing", { done, total }));
  }

  async ask(model) {
    const { signal } = this.control;
    const onwait = (words) => this.set("running", words);
    if (!this.many) {
      const [slice] = this.slices;
      return predictNow({ body: slice.blob, type: contentType(slice.name) }, { model, onwait, signal });
    }
    const onprogress = (done, total, state) => {
      const words = state === "queued" ? "Waiting at the server" : "Reading the slices";
      this.set("running", words, total > 0 ? { done, total } : null);
    };
    const found = await this.resume({ model, onprogress, onwait, signal });
    if (found) return found;
    const body = await this.archive();
    if (signal.aborted) throw new ApiError("cancelled", "");
    this.set("running", "Sending");
    const onjob = (address) => { this.job = { address, model }; };
    return predictAsJob({ body, type: "application/zip" }, { model, onjob, onprogress, onwait, signal });
  }

  // The answer of the job of an earlier try, if it is of this model and the server still knows it; else null.
  async resume({ model, onprogress, onwait, signal }) {
    if (this.job && this.job.model !== model) this.leaveJob();
    if (!this.job) return null;
    try {
      return await follow(this.job.address, { onprogress, onwait, signal });
    } catch (problem) {
      if (problem.status !== 404) throw problem;
      this.job = null;
      return null;
    }
  }

  /** Asks the server; never throws. */
  async run(model) {
    const { signal } = this.control;
    this.set("running", "Reading the slice");
    try {
      if (this.slices.length === 1 && this.slices[0].size === 0) throw new ApiError("empty_body", "It holds no bytes.");
      const answer = await this.ask(model);
      if (signal.aborted) return;
      this.answer = answer;
      this.job = null;
      this.stacks = stacksOf(this.slices, answer);
      this.set("done", "");
    } catch (error) {
      if (!signal.aborted) this.fail(error);
    }
  }
}

/** Runs studies, `atOnce` at the same time, in the order they came. */
export class Runner {
  constructor(atOnce, modelName) {
    Object.assign(this, { atOnce, modelName, running: 0, queue: [] });
  }

  add(study) {
    this.queue.push(study);
    this.next();
  }

  next() {
    while (this.running < this.atOnce && this.queue.length > 0) {
      const study = this.queue.shift();
      if (study.state !== "waiting") continue; // cancelled meanwhile
      ++this.running;
      study.run(this.modelName()).finally(() => {
        --this.running;
        this.next();
      });
    }
  }
}
