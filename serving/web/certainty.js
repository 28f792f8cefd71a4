// How sure an answer is and why: plain remarks on one result, from what server, model and explanation say. Pure.
// What the server warns of (unusual input, grey values, a probability on the edge) is told in its words and not again.
import { isTurned } from "./orientation.js";
import { full, kTurned, percent } from "./words.js";

const kNearThePoint = 0.15; // of probability, on each side of the operating point
const kMostlyInside = 0.5; // share of the heat map inside the lungs

const caution = (text, why = "") => ({ tone: "caution", text, why });
const note = (text, why = "") => ({ tone: "note", text, why });
const good = (text, why = "") => ({ tone: "good", text, why });

function distance(probability, threshold) {
  const margin = Math.abs(probability - threshold);
  const side = probability >= threshold ? "above" : "below";
  const figures = `${(margin * 100).toFixed(1)} points ${side} the operating point of ${percent(threshold)}.`;
  if (margin < kNearThePoint) return note("Near the operating point", figures);
  return good("Clear of the operating point", figures);
}

function calibration(model) {
  if (typeof model?.temperature !== "number") return []; // the model that answered is not listed
  const error = model.metrics?.test?.sample?.ece ?? model.metrics?.validation?.sample?.ece;
  const scaled = `Scaled on validation data (temperature ${model.temperature.toFixed(2)})`;
  if (typeof error !== "number") return [note("Calibrated", `${scaled}; how well is not recorded in this model.`)];
  const text = `${scaled}; stated and observed shares differ by ${percent(error)} on average.`;
  return [error <= 0.1 ? good("Calibrated", text) : caution("Loosely calibrated", text)];
}

/** Whether the model looks for the lungs: to others the whole picture counts as lung, so that shares of it say nothing. */
export const findsLungs = (model) => model?.preprocess?.mask !== "none";

function attention(explanation, model) {
  if (!explanation) return [];
  if (typeof explanation.inside_lungs !== "number") {
    return [note("No place stands out", `Nothing in the picture speaks for ${explanation.class} more than the rest.`)];
  }
  if (!findsLungs(model)) return [];
  const text = `${percent(explanation.inside_lungs)} of the heat map lies inside the lungs.`;
  return [explanation.inside_lungs < kMostlyInside ? caution("Looks elsewhere", text) : good("Looks at the lungs", text)];
}

function outlined(explanation) {
  if (!explanation?.nodule) return [];
  const { area_px: area, largest_probability: surest } = explanation.nodule;
  const share = area / (explanation.rows * explanation.columns);
  const figures = `the surest pixel has a probability of ${percent(surest)}.`;
  if (area === 0) return [note("Outlines no nodule", `No pixel reaches 50 %: ${figures}`)];
  return [note("Outlines a nodule", `Its outline holds ${percent(share)} of what the model sees; ${figures}`)];
}

/**
 * Remarks on a result, cautions first: [{tone: "caution" | "note" | "good", text, why}].
 * `subject` is the class whose probability is compared with the threshold; `model` (an entry of /v1/models),
 * `explanation` and `orientation` (of the slice, as in orientation.js) may be missing.
 */
export function remarks({ result, subject, model, explanation, orientation }) {
  const all = [
    distance(result.probabilities[subject], result.threshold),
    ...(result.warnings ?? []).map((text) => caution(full(text))),
    ...(isTurned(orientation) ? [caution(kTurned)] : []),
    ...attention(explanation, model),
    ...outlined(explanation),
    ...calibration(model),
  ];
  const order = ["caution", "note", "good"];
  return all.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone));
}

/** The cautions of all in a few words, for the head of the panel. */
export function inShort(list) {
  const cautions = list.filter((remark) => remark.tone === "caution").length;
  if (cautions === 1) return { tone: "caution", text: "One reason for caution" };
  if (cautions > 1) return { tone: "caution", text: `${cautions} reasons for caution` };
  const near = list.some((remark) => remark.text.startsWith("Near"));
  return near ? { tone: "note", text: "Fairly clear" } : { tone: "good", text: "Nothing unusual seen" };
}
