// What can be taken away: the answers as JSON, and a page to print.
import { findsLungs, remarks } from "./certainty.js";
import { byId, download, fact, make } from "./dom.js";
import { cautionsOf, subjectOf } from "./findings.js";
import { chart } from "./profile.js";
import { modelFacts } from "./models.js";
import { count, percent, position } from "./words.js";

// Pictures are left out: they are the sender's own, and large.
function withoutPictures({ preview, picture, explanation, ...result }) {
  if (!explanation) return result;
  const { picture: seen, lungs, heat, nodule, ...figures } = explanation;
  const { outline, ...sizes } = nodule ?? {};
  return { ...result, explanation: nodule ? { ...figures, nodule: sizes } : figures };
}

/** The answers of all studies, without pictures. */
export function answersOf(studies) {
  return studies.map(({ title, answer, error }) => ({
    file: title, answer: answer && { ...answer, results: answer.results.map(withoutPictures) }, error: error ?? undefined,
  }));
}

export function saveAnswers(studies) {
  download("pulmo-results.json", "application/json", `${JSON.stringify(answersOf(studies), null, 2)}\n`);
}

function seriesRows({ summary }) {
  const { class: name, probability } = summary;
  const called = typeof probability === "number" ? `${name}, ${percent(probability)}` : "not called";
  return [fact("Series", called),
    fact("Slices", `${count(summary.slices, "slice")}, ${summary.predicted} predicted, ${summary.refused} refused`),
    fact("Suspicious positions", ...(summary.suspicious.length === 0 ? ["none"] : summary.suspicious.map((region) =>
      `${typeof region.peak_mm === "number" ? position(region.peak_mm) : "unknown"} (${percent(region.probability)})`)))];
}

function sliceRows({ result, position: mm }, subject, model) {
  return [fact("Slice called", result.class), fact(`Probability of ${subject}`, percent(result.probabilities[subject])),
    fact("Operating point", percent(result.threshold)),
    findsLungs(model) && fact("Lung in the picture", percent(result.lung_fraction)),
    typeof mm === "number" && fact("Position of the slice", position(mm))];
}

function remarkList(list) {
  return make("ul", { class: "remarks" }, list.map(({ tone, text, why }) =>
    make("li", { class: tone }, make("strong", {}, text), why && ` ${why}`)));
}

/**
 * Builds the page to print of the study shown: {study, stack, entry, model, explanation, seen, withName}; `seen` as of
 * Stage.seen(), null when the slice has no picture.
 */
export function buildReport({ study, stack, entry, model, explanation, seen, withName }) {
  const { answer } = study;
  const { orientation, result } = entry;
  const subject = result.error ? "" : subjectOf(result, model);
  const list = result.error ? [] : remarks({ result, subject, model, explanation, orientation });
  const cautions = cautionsOf(answer, stack.summary).map((text) => ({ tone: "caution", text }));
  byId("report").replaceChildren(...[
    make("h1", {}, "pulmo report"),
    make("p", { class: "report-notice" }, answer.notice),
    model.phantom && make("p", { class: "report-notice" },
      "PHANTOM MODEL: trained on synthetic pictures only; it says nothing about a real patient."),
    make("div", { class: "report-columns" },
      seen ? make("img", { src: seen.picture, alt: "The slice as it was shown" })
        : make("p", { class: "unseen" }, "No picture of this slice can be shown."),
      make("dl", { class: "facts" },
        withName && fact("File", study.title),
        stack.summary && seriesRows(stack),
        subject && sliceRows(entry, subject, model),
        seen?.facts.map((one) => fact(...one)),
        fact("Printed", new Date().toLocaleString()), fact("Request", answer.request_id))),
    stack.summary && chart(stack).svg,
    cautions.length > 0 && make("h2", {}, stack.summary ? "Of the series" : "Of what was sent"),
    cautions.length > 0 && remarkList(cautions),
    make("h2", {}, "How sure, and why"),
    remarkList(list),
    make("h2", {}, "Model"),
    make("dl", { class: "facts" }, modelFacts(model)),
  ].filter(Boolean));
}
