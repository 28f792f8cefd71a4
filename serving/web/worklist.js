// The list of what was sent, each with its state; one of them is shown.
import { byId, make } from "./dom.js";
import { subjectOf } from "./findings.js";
import { count, percent } from "./words.js";

const kStates = { waiting: "Waiting", running: "Reading", done: "", failed: "Not usable", cancelled: "Cancelled" };

/** The one figure of a study: {called, value, positive} of its first series or its only slice, or null. Pure. */
export function headline(study, model) {
  const summary = study.answer?.summary?.series?.[0];
  if (summary && typeof summary.probability === "number") {
    return { called: summary.class, value: summary.probability, positive: summary.class === model?.positive_class };
  }
  const results = (study.answer?.results ?? []).filter((result) => !result.error);
  if (results.length === 0) return null;
  const most = (result) => result.probabilities[subjectOf(result, model)];
  const top = results.reduce((best, result) => (most(result) > most(best) ? result : best));
  return { called: top.class, value: most(top), positive: top.class === model?.positive_class };
}

function state(study, model) {
  const { words, progress } = study;
  if (study.state === "running") return progress ? `${words} ${progress.done} of ${progress.total}` : words;
  const head = headline(study, model);
  if (study.state !== "done" || !head) return kStates[study.state];
  return make("span", { class: head.positive ? "chip positive" : "chip" },
    head.called, " ", make("b", {}, percent(head.value)));
}

export class Worklist {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.rows = new Map();
  }

  add(study) {
    const files = study.slices.length;
    const kind = study.many ? count(files || 1, files ? "file" : "archive") : "one slice";
    const button = make("button", { type: "button", class: "study", onclick: () => this.onchoose(study) },
      make("span", { class: "name" }, study.title), make("span", { class: "muted small kind" }, kind),
      make("span", { class: "small line" }));
    const row = make("li", {}, button);
    this.rows.set(study, { row, button });
    byId("studies").append(row);
  }

  update(study, model) {
    const { row, button } = this.rows.get(study) ?? {};
    if (!row) return;
    row.dataset.state = study.state;
    button.querySelector(".line").replaceChildren(state(study, model));
  }

  mark(study) {
    for (const [one, { button }] of this.rows) {
      if (one === study) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  clear() {
    this.rows.clear();
    byId("studies").replaceChildren();
  }
}
