// The panel beside the picture: what was found, how sure and why.
import { findsLungs, inShort, remarks } from "./certainty.js";
import { byId, fact, make, refill } from "./dom.js";
import { count, full, milliseconds, passing, percent, position, sentence, skippedFiles } from "./words.js";

/** The class whose probability is told: the model's positive one where the result has it. */
export const subjectOf = (result, model) =>
  (model?.positive_class && model.positive_class in result.probabilities ? model.positive_class : result.class);

/** A bar from 0 to 100 % with the operating point marked. */
export function meter(value, threshold, subject) {
  const fill = make("div", { class: "fill" });
  fill.style.setProperty("--value", value * 100);
  const mark = make("div", { class: "mark" });
  mark.style.setProperty("--at", threshold * 100);
  const label = make("span", { class: "threshold" }, `operating point ${percent(threshold)}`);
  label.style.setProperty("--at", threshold * 100);
  return make("div", { class: "scale" },
    make("div", {
      class: "meter", role: "meter", "aria-valuemin": 0, "aria-valuemax": 100,
      "aria-valuenow": (value * 100).toFixed(1),
      "aria-label": `Probability of ${subject}; operating point ${percent(threshold)}`,
    }, fill, mark),
    make("div", { class: "ticks", "aria-hidden": "true" }, make("span", {}, "0 %"), label, make("span", {}, "100 %")));
}

/** Class, probability and bar, of a slice or a series. */
export function verdict({ called, value, threshold, subject, positive }) {
  return make("div", { class: called === positive ? "verdict positive" : "verdict" },
    make("p", { class: "call" },
      make("span", { class: "badge" }, called), make("span", { class: "percent" }, percent(value)),
      make("span", { class: "muted of" }, `probability of ${subject}`)),
    meter(value, threshold, subject));
}

const reasons = { open: true }; // as the person left them, from slice to slice

/** The remarks on a result as a list that opens. */
export function certainty(list) {
  const head = inShort(list);
  const ontoggle = (event) => { reasons.open = event.target.open; };
  return make("details", { class: "certainty", open: reasons.open, ontoggle },
    make("summary", {}, "How sure, and why: ", make("span", { class: `tone ${head.tone}` }, head.text)),
    make("ul", { class: "remarks" }, list.map(({ tone, text, why }) =>
      make("li", { class: tone }, make("strong", {}, text), why && ` ${why}`))));
}

function sliceFacts(result, answer, model, explanation) {
  const times = result.timings_ms;
  const total = Object.values(times).reduce((sum, ms) => sum + ms, 0);
  return make("dl", { class: "facts" },
    fact("All classes", ...Object.entries(result.probabilities).map(([name, p]) => `${name} ${percent(p)}`)),
    typeof result.attention === "number" && fact("Share in the verdict", `${percent(result.attention)} of its stack`),
    typeof explanation?.share === "number" && fact("Share of the heat map", `${percent(explanation.share)} of its stack's`),
    findsLungs(model) && fact("Lung in the picture", percent(result.lung_fraction)),
    fact("Pixels", result.kind === "hounsfield" ? "Hounsfield units" : "grey values"),
    fact("Time", milliseconds(total)),
    fact("Model", `${answer.model.name}, version ${answer.model.version}`),
    fact("Request", answer.request_id));
}

/** What was found on one slice. */
export function sliceFindings({ entry, answer, model, explanation, heading }) {
  const { result } = entry;
  if (result.error) {
    return [make("h3", {}, heading), failureBox(result.error.code, result.error.message)];
  }
  const subject = subjectOf(result, model);
  return [heading && make("h3", {}, heading),
    verdict({
      called: result.class, value: result.probabilities[subject], threshold: result.threshold, subject,
      positive: model?.positive_class,
    }),
    certainty(remarks({ result, subject, model, explanation, orientation: entry.orientation })),
    sliceFacts(result, answer, model, explanation)];
}

function suspiciousList(summary, subject, onpick) {
  if (summary.suspicious.length === 0) {
    return make("p", { class: "muted" }, `No position reaches the operating point for ${subject}.`);
  }
  return make("ol", { class: "suspicious" }, summary.suspicious.map((region) => {
    const placed = typeof region.from_mm === "number";
    const stretch = placed ? `${position(region.from_mm)} to ${position(region.to_mm)}` : "position unknown";
    return make("li", {}, make("button", { type: "button", onclick: () => onpick(region.peak_result) },
      make("span", {}, stretch), make("strong", {}, percent(region.probability)),
      placed && make("span", { class: "muted" }, `peak at ${position(region.peak_mm)}`)));
  }));
}

/** What is to be known of everything that was sent and of the series shown, which may be none: sentences. Pure. */
export function cautionsOf(answer, summary) {
  return [skippedFiles(answer.summary?.skipped ?? 0), ...(summary?.warnings ?? []).map(full)].filter(Boolean);
}

/** The same, as lines of the panel. */
export function cautionLines(answer, summary) {
  return cautionsOf(answer, summary).map((text) => make("p", { class: "caution-line" }, text));
}

/** What was found in a series; `onpick(result index)` when a suspicious position is chosen. */
export function seriesFindings({ summary, model, cautions, onpick }) {
  const subject = model?.positive_class ?? summary.class;
  const { class: called, probability: value, threshold, slices, predicted, refused } = summary;
  const spacing = typeof summary.spacing_mm === "number" ? ` every ${summary.spacing_mm.toFixed(2)} mm` : "";
  return [make("h3", {}, "The series"),
    typeof value === "number" ? verdict({ called, value, threshold, subject, positive: model?.positive_class })
      : make("p", {}, "No slice of it could be used."),
    make("p", { class: "muted small" },
      `${count(slices, "slice")}${spacing}: ${predicted} predicted, ${refused} refused`),
    cautions,
    make("h4", {}, "Suspicious positions"), suspiciousList(summary, subject, onpick),
    summary.rule && make("details", {}, make("summary", {}, "How a series is judged"),
      make("p", { class: "muted small" }, full(summary.rule)))];
}

/** A refusal in plain words; `onretry` where trying again may help. The server's name for a nameless file is left out. */
export function failureBox(code, message, onretry) {
  const why = full((message ?? "").replace(/^file-1: /, ""));
  return make("div", { class: "failure", role: "alert" },
    make("p", { class: "what" }, sentence(code)), why && make("p", { class: "muted why" }, why),
    onretry && passing(code) && make("button", { type: "button", class: "again", onclick: onretry }, "Try again"));
}

/** A study on its way: words, progress, and a way to end it. One box a study, so that its button keeps the focus. */
export function waitingBox(study) {
  const words = make("span", { class: "state" });
  const figures = make("span", { class: "muted" });
  const bar = make("progress", { max: 1, value: 0, "aria-label": "Progress" });
  const element = make("div", { class: "waiting" },
    make("p", {}, make("span", { class: "spinner", "aria-hidden": "true" }), words, figures), bar,
    make("button", { type: "button", class: "cancel", onclick: () => study.cancel() }, "Cancel"));
  const update = () => {
    words.textContent = study.words;
    figures.textContent = study.progress ? `${study.progress.done} of ${study.progress.total}` : "";
    bar.hidden = !study.progress;
    Object.assign(bar, study.progress ? { max: study.progress.total, value: study.progress.done } : {});
  };
  update();
  return { element, update };
}

/** Fills the upper part of the panel, on the series or the whole study, or the lower part, on the slice shown. */
export function showFindings(part, ...content) {
  refill(byId(`${part}-findings`), ...content.flat(2).filter(Boolean));
}
