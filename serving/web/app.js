// The page: takes files, has them predicted, shows what comes back. No library, no outside resource.
import { askForKey } from "./access.js";
import { askForKeyWith, call } from "./api.js";
import { findsLungs } from "./certainty.js";
import { announce, byId, make, refill } from "./dom.js";
import { cautionLines, failureBox, seriesFindings, showFindings, sliceFindings, subjectOf, waitingBox } from "./findings.js";
import { groupsOf } from "./intake.js";
import { ModelChoice, modelFacts } from "./models.js";
import { buildReport, saveAnswers } from "./report.js";
import { Stage } from "./stage.js";
import { Runner, Study } from "./study.js";
import { filesOfPicker, listenForDrops, missing } from "./upload.js";
import { headline, Worklist } from "./worklist.js";
import { percent, position, sentence, skippedFiles } from "./words.js";

const kAtOnce = 3; // studies on their way at the same time
const kHealth = 15000; // ms from one look at the server's health to the next

const page = { studies: [], shown: null, stack: 0 };
const kLungNote = byId("lung-note").textContent; // of models that see the lungs alone
const models = new ModelChoice(showModel);
const worklist = new Worklist(select);
const stage = new Stage({
  modelOf: modelOfShown, onslice: showEntry, onsettled: (settled) => { byId("print").disabled = !settled; },
});
const runner = new Runner(kAtOnce, () => models.current?.name);

// The model that answered the study, which may not be the one chosen for the next.
function modelOf(study) {
  return study?.answer ? models.of(study.answer.model) : models.current;
}

function modelOfShown() {
  return modelOf(page.shown);
}

function showModel(model) {
  if (page.shown) showWhole();
  byId("model-facts").replaceChildren(...(model ? modelFacts(model) : []));
  byId("lung-note").textContent = findsLungs(model) ? kLungNote : "This model looks for no lungs: it sees all of its view.";
}

function showProgress() {
  const open = page.studies.filter((study) => study.open).length;
  byId("progress").textContent = open > 0 ? `${page.studies.length - open} of ${page.studies.length}` : "";
  const any = page.studies.length > 0;
  byId("main").classList.toggle("working", any);
  byId("workspace").hidden = !any;
}

function tell(study) {
  const model = modelOf(study);
  const head = headline(study, model);
  if (study.state === "failed") announce(`${study.title}: ${sentence(study.error.code)}`);
  if (study.state !== "done" || !head) return;
  const subject = model?.positive_class ?? head.called;
  announce(`${study.title}: ${head.called}, probability of ${subject} ${percent(head.value)}. ` +
    [skippedFiles(study.answer.summary?.skipped ?? 0), study.answer.notice].filter(Boolean).join(" "));
}

function changed(study) {
  worklist.update(study, modelOf(study));
  showProgress();
  if (!study.open) tell(study);
  if (page.shown === study) showStudy();
  if (study.state === "done") confirmModel(study.answer.model);
}

/** Makes sure that the page knows the model of an answer, and draws anew what that model said when it did not. */
async function confirmModel(model) {
  const learned = await models.confirm(model).catch(() => false); // a later answer is another occasion
  if (!learned) return;
  for (const study of page.studies) worklist.update(study, modelOf(study));
  if (page.shown?.answer?.model.sha256 !== model.sha256) return;
  stage.renew(modelOfShown().positive_class ?? "");
  showWhole();
}

// The slice of a stack to begin with: where suspicion is highest.
function firstOf(stack) {
  const peak = stack.summary?.suspicious[0]?.peak_result;
  const at = stack.entries.findIndex(({ index }) => index === peak);
  if (at >= 0) return at;
  return stack.summary ? Math.floor(stack.entries.length / 2) : 0;
}

function showStacks() {
  const { stacks } = page.shown;
  byId("stacks").hidden = stacks.length < 2;
  refill(byId("stacks"), ...(stacks.length < 2 ? [] : stacks.map(({ label }, i) => make("button", {
    type: "button", "aria-pressed": i === page.stack, onclick: () => { page.stack = i; showStudy(true); },
  }, label))));
}

/** Everything of the study shown. The slice stays unless its stack is another than before. */
function showStudy(fresh = false) {
  const study = page.shown;
  byId("title").textContent = study.title;
  byId("reportable").hidden = study.state !== "done";
  if (study.drawn !== study.stacks) {
    page.stack = 0;
    fresh = true;
    study.drawn = study.stacks;
  }
  showStacks();
  const stack = study.stacks[page.stack];
  byId("stage").dataset.state = study.state;
  if (fresh && stack.entries.length > 0) {
    const model = modelOfShown();
    stage.show(stack, firstOf(stack), model?.positive_class ?? "");
  } else {
    showEntry(stage.entry);
  }
  showWhole();
}

function pick(index) {
  const at = stage.entries.findIndex((entry) => entry.index === index);
  if (at >= 0) stage.go(at);
  byId("viewport").focus({ preventScroll: false });
}

/** The upper part of the panel: how far the study is, what went wrong, or what was found in a series. */
function showWhole() {
  const study = page.shown;
  if (study.open) {
    study.box ??= waitingBox(study);
    study.box.update();
    if (!study.box.element.isConnected) showFindings("study", study.box.element);
    return;
  }
  study.box = null;
  if (study.error) return showFindings("study", failureBox(study.error.code, study.error.message, () => again(study)));
  const { summary } = study.stacks[page.stack];
  const cautions = cautionLines(study.answer, summary);
  const { current } = models;
  const another = current && current.name !== study.answer.model.name;
  showFindings("study",
    another && make("button", { type: "button", class: "another", onclick: () => again(study) }, `Ask ${current.name}`),
    summary ? seriesFindings({ summary, model: modelOfShown(), cautions, onpick: pick }) : cautions);
}

/** The lower part: the slice that the viewer shows. */
function showEntry(entry) {
  const study = page.shown;
  if (!entry?.result) return showFindings("slice");
  const where = typeof entry.position === "number" ? ` at ${position(entry.position)}` : "";
  const heading = stage.entries.length > 1 ? `Slice ${stage.index + 1}${where}` : "";
  const explanation = entry.explained?.explanation;
  showFindings("slice", sliceFindings({ entry, answer: study.answer, model: modelOfShown(), explanation, heading }));
}

function select(study) {
  page.shown = study;
  page.stack = 0;
  study.drawn = null;
  stage.clear();
  worklist.mark(study);
  showStudy();
}

function again(study) {
  study.reset();
  runner.add(study);
  select(study);
}

/** Says what of an upload is not looked at, to eyes and to screen readers, until the next upload. */
function showMissing(found) {
  byId("missing").replaceChildren(...missing(found).map((text) => make("p", { class: "caution-line" }, text)));
}

async function addFiles({ files, unread, left }) {
  showMissing({ unread, left });
  if (files.length === 0) return;
  announce("Looking at the files");
  const groups = await groupsOf(files);
  const studies = groups.map((group) => new Study(group, changed));
  for (const study of studies) {
    page.studies.push(study);
    worklist.add(study);
    worklist.update(study, models.current);
  }
  showProgress();
  select(studies[0]);
  for (const study of studies) runner.add(study);
}

function clearAll() {
  for (const study of page.studies) study.cancel();
  page.studies = [];
  page.shown = null;
  stage.clear();
  worklist.clear();
  showMissing({ unread: 0, left: 0 });
  showProgress();
  byId("choose").focus();
}

function printReport() {
  const { entry, stack } = stage;
  buildReport({
    study: page.shown, stack, entry, model: modelOfShown(), explanation: entry.explained?.explanation,
    seen: stage.seen(), withName: byId("with-name").checked,
  });
  const image = byId("report").querySelector("img");
  Promise.resolve(image?.decode()).catch(() => {}).finally(() => window.print());
}

async function showStatus() {
  const ready = await call("v2/health/ready", { tries: 1 }).then(() => true, () => false);
  byId("status-dot").className = ready ? "dot good" : "dot bad";
  byId("status-text").textContent = ready ? "ready" : "not ready";
}

for (const [button, input] of [["choose", "files"], ["choose-folder", "folder"]]) {
  byId(button).addEventListener("click", () => byId(input).click());
  byId(input).addEventListener("change", (event) => {
    addFiles(filesOfPicker(event.target));
    event.target.value = "";
  });
}
byId("clear").addEventListener("click", clearAll);
byId("save").addEventListener("click", () => saveAnswers(page.studies));
byId("print").addEventListener("click", printReport);
listenForDrops(byId("drop"), addFiles);
askForKeyWith(askForKey);
models.load().catch(() => {}).then(() => {
  byId("served").hidden = false;
  return showStatus();
});
call("v2", { tries: 1 }).then(({ json }) => { byId("build").textContent = `pulmo ${json.version}`; }, () => {});
setInterval(showStatus, kHealth);
