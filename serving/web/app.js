// The page: takes files, posts each to /v1/predict, shows what comes back. No library, no outside resource.
import { ResultCard } from "./result.js";

const kAtOnce = 3; // uploads at the same time
const kTries = 4; // when the server is busy
const byId = (id) => document.getElementById(id);
const page = { cards: [], queue: [], running: 0, positiveClass: "" };

function contentType(file) {
  if (/^image\/(png|jpeg)$/.test(file.type)) return file.type;
  if (/\.(dcm|dicom)$/i.test(file.name)) return "application/dicom";
  return "application/octet-stream"; // the server looks at the bytes
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// The server's answer, or {error: {code, message}}.
async function post(card) {
  for (let tries = 1; ; ++tries) {
    let reply;
    try {
      reply = await fetch("v1/predict?preview=1", {
        method: "POST", body: card.file, headers: { "Content-Type": contentType(card.file) },
      });
    } catch {
      return { error: { code: "unreachable", message: "No answer came back." } };
    }
    let answer;
    try {
      answer = await reply.json();
    } catch {
      return { error: { code: "internal", message: `Status ${reply.status} without an explanation.` } };
    }
    if (reply.status !== 503 || tries === kTries) return answer;
    card.wait("The server is busy, trying again");
    await pause(Number(reply.headers.get("Retry-After") ?? 1) * tries);
  }
}

async function predict(card) {
  card.wait("Reading the slice");
  if (card.file.size === 0) return card.fail("empty_body", "It holds no bytes.");
  const answer = await post(card);
  return answer.error ? card.fail(answer.error.code, answer.error.message) : card.succeed(answer, page.positiveClass);
}

function showProgress() {
  const left = page.queue.length + page.running;
  byId("progress").textContent = left > 0 ? `${page.cards.length - left} of ${page.cards.length}` : "";
  byId("results-section").hidden = page.cards.length === 0;
}

async function work() {
  while (page.queue.length > 0 && page.running < kAtOnce) {
    const card = page.queue.shift();
    ++page.running;
    predict(card).then((words) => {
      byId("announce").textContent = words;
    }).finally(() => {
      --page.running;
      showProgress();
      work();
    });
  }
  showProgress();
}

function enqueue(card) {
  card.wait("Waiting");
  page.queue.push(card);
  work();
}

function addFiles(files) {
  const template = byId("card");
  let first = true;
  for (const file of files) {
    const card = new ResultCard(file, template, enqueue);
    page.cards.push(card);
    byId("results").append(card.element);
    enqueue(card);
    if (first) {
      card.element.scrollIntoView({ behavior: "auto", block: "nearest" });
      first = false;
    }
  }
}

function clearResults() {
  for (const card of page.cards) card.release();
  page.cards = [];
  page.queue = [];
  byId("results").replaceChildren();
  showProgress();
  byId("choose").focus();
}

function saveResults() {
  const answers = page.cards.map((card) => ({ file: card.file.name, answer: card.answer ?? null }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(answers, null, 2)], { type: "application/json" }));
  link.download = "pulmo-results.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function listenForDrops() {
  const drop = byId("drop");
  let depth = 0;
  const light = (change) => {
    depth = Math.max(0, depth + change);
    drop.classList.toggle("over", depth > 0);
  };
  window.addEventListener("dragenter", (event) => { event.preventDefault(); light(1); });
  window.addEventListener("dragleave", () => light(-1));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    light(-depth);
    addFiles(event.dataTransfer.files);
  });
}

async function showStatus() {
  let ready = false;
  try {
    ready = (await fetch("v2/health/ready")).ok;
  } catch { /* shown as not reachable */ }
  byId("status-dot").className = ready ? "dot good" : "dot bad";
  byId("status-text").textContent = ready ? "ready" : "not ready";
}

async function showModel() {
  const server = await (await fetch("v2")).json();
  const model = await (await fetch(`v2/models/${encodeURIComponent(server.models[0])}`)).json();
  page.positiveClass = model.parameters.positive_class;
  byId("model-name").textContent = model.name;
  byId("model-version").textContent = `version ${model.versions[0]}`;
  byId("build").textContent = `pulmo ${server.version}`;
  if (model.parameters.preprocess.mask === "none") byId("mask-note").textContent = "This model sees the whole picture.";
  byId("phantom").hidden = !model.parameters.phantom;
  byId("served").hidden = false;
}

byId("choose").addEventListener("click", () => byId("files").click());
byId("files").addEventListener("change", (event) => {
  addFiles(event.target.files);
  event.target.value = "";
});
byId("clear").addEventListener("click", clearResults);
byId("save").addEventListener("click", saveResults);
listenForDrops();
showModel().catch(() => {}).then(showStatus);
setInterval(showStatus, 15000);
