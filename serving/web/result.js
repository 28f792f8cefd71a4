// One card of the result list: waiting, then a verdict or a failure.
import { milliseconds, passing, percent, sentence } from "./words.js";

function addFact(list, name, ...values) {
  const row = document.createElement("div");
  const term = document.createElement("dt");
  term.textContent = name;
  const detail = document.createElement("dd");
  detail.className = "bits";
  for (const value of values) {
    const bit = document.createElement("span");
    bit.textContent = value;
    detail.append(bit);
  }
  row.append(term, detail);
  list.append(row);
}

export class ResultCard {
  constructor(file, template, onRetry) {
    this.file = file;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.find(".name").textContent = file.name;
    this.image = this.find("img");
    this.pictures = {};
    this.find(".again").addEventListener("click", () => onRetry(this));
    for (const button of this.element.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.show(button.dataset.view));
    }
    if (/\.(png|jpe?g)$/i.test(file.name) || /^image\/(png|jpeg)$/.test(file.type)) {
      this.pictures.upload = URL.createObjectURL(file);
      this.show("upload");
    }
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  show(view) {
    this.image.src = this.pictures[view];
    this.image.alt = view === "model" ? `${this.file.name}, prepared for the model` : this.file.name;
    for (const button of this.element.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === view));
    }
  }

  wait(text) {
    this.find(".state").textContent = text;
    this.find(".waiting").hidden = false;
    this.find(".failure").hidden = true;
    this.find(".verdict").hidden = true;
  }

  fail(code, message) {
    this.find(".waiting").hidden = true;
    this.find(".what").textContent = sentence(code);
    this.find(".why").textContent = message;
    this.find(".again").hidden = !passing(code);
    this.find(".failure").hidden = false;
    this.element.dataset.state = "failed";
    return `${this.file.name}: ${sentence(code)}`;
  }

  succeed(answer, positiveClass) {
    const result = answer.results[0];
    const called = result.class;
    const subject = positiveClass in result.probabilities ? positiveClass : called;
    const value = result.probabilities[subject];
    this.element.classList.toggle("positive", called === positiveClass);
    this.find(".badge").textContent = called;
    this.find(".percent").textContent = percent(value);
    this.find(".of").textContent = `probability of ${subject}`;
    this.drawMeter(value, result.threshold, subject);
    const warnings = this.find(".warnings");
    warnings.replaceChildren(...result.warnings.map((text) => {
      const item = document.createElement("li");
      item.textContent = text.charAt(0).toUpperCase() + text.slice(1) + ".";
      return item;
    }));
    this.listFacts(answer, result);
    if (result.preview) {
      this.pictures.model = result.preview;
      this.pictures.upload ??= result.picture;
      this.show(this.pictures.upload ? "upload" : "model");
      this.find(".views").hidden = !this.pictures.upload;
    }
    this.find(".waiting").hidden = true;
    this.find(".verdict").hidden = false;
    this.element.dataset.state = "done";
    return `${this.file.name}: ${called}, probability of ${subject} ${percent(value)}. ${answer.notice}`;
  }

  drawMeter(value, threshold, subject) {
    const meter = this.find(".meter");
    meter.setAttribute("aria-valuenow", (value * 100).toFixed(1));
    meter.setAttribute("aria-label", `Probability of ${subject}; operating point ${percent(threshold)}`);
    this.find(".fill").style.setProperty("--value", value * 100);
    this.find(".meter .mark").style.setProperty("--at", threshold * 100);
    const label = this.find(".threshold");
    label.style.setProperty("--at", threshold * 100);
    label.textContent = `operating point ${percent(threshold)}`;
  }

  listFacts(answer, result) {
    const facts = this.find(".facts");
    facts.replaceChildren();
    addFact(facts, "All classes", ...Object.entries(result.probabilities).map(([name, p]) => `${name} ${percent(p)}`));
    addFact(facts, "Lung in the picture", percent(result.lung_fraction));
    addFact(facts, "Pixels", result.kind === "hounsfield" ? "Hounsfield units" : "grey values");
    const times = result.timings_ms;
    addFact(facts, "Time", milliseconds(times.decode + times.preprocess + times.queue + times.infer));
    const more = this.find(".more");
    more.replaceChildren();
    addFact(more, "Model", `${answer.model.name}, version ${answer.model.version}`);
    addFact(more, "Model file (SHA-256)", answer.model.sha256);
    addFact(more, "Request", answer.request_id);
    addFact(more, "Stages", ...Object.entries(times).map(([stage, ms]) => `${stage} ${milliseconds(ms)}`));
    const { preview, picture, ...shown } = result;
    this.find("pre").textContent = JSON.stringify({ ...answer, results: [shown] }, null, 2);
    this.answer = { ...answer, results: [shown] };
  }

  release() {
    if (this.pictures.upload?.startsWith("blob:")) URL.revokeObjectURL(this.pictures.upload);
  }
}
