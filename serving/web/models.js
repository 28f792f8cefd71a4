// Which model answers: the list of /v1/models, or of /v2 on a server without it, and the figures of the chosen one.
import { call } from "./api.js";
import { byId, fact, make } from "./dom.js";
import { percent } from "./words.js";

const kFigures = [["roc_auc", "ROC-AUC"], ["accuracy", "Accuracy"], ["recall", "Recall"],
  ["specificity", "Specificity"], ["ece", "Calibration error"]];

async function fromProtocol() {
  const { json: server } = await call("v2", { tries: 2 });
  const models = await Promise.all(server.models.map(async (name) => {
    const { json } = await call(`v2/models/${encodeURIComponent(name)}`, { tries: 2 });
    return { name, version: json.versions?.at(-1), row: name, metrics: {}, ...json.parameters };
  }));
  return { default: server.models[0], models };
}

async function fromList() {
  const { json } = await call("v1/models", { tries: 2 });
  await Promise.all(json.models.map(async (model) => {
    if (model.preprocess) return;
    const { json: more } = await call(`v2/models/${encodeURIComponent(model.name)}`, { tries: 2 });
    model.preprocess = more.parameters?.preprocess;
  }));
  return json;
}

// Of each name the newest version, which is the one that a request by name gets; older ones stand before it.
const newest = (models) => [...new Map(models.map((model) => [model.name, model])).values()];

/**
 * {default, models: [{name, version, sha256, row, task, classes, positive_class, threshold, temperature, phantom,
 * metrics, preprocess}]}.
 */
export async function loadModels() {
  try {
    const list = await fromList();
    return { ...list, models: newest(list.models) };
  } catch (problem) {
    if (problem.status !== 404 && problem.status !== 405) throw problem;
    return fromProtocol();
  }
}

// "0.879 [0.837, 0.917]"
function figure(level, name) {
  if (typeof level?.[name] !== "number") return null;
  const interval = level.interval?.[name];
  const value = level[name].toFixed(3);
  return Array.isArray(interval) && interval.every((end) => typeof end === "number")
    ? `${value} [${interval.map((end) => end.toFixed(3)).join(", ")}]` : value;
}

/** The model's own figures as rows of a definition list; its task, operating point and measured quality. */
export function modelFacts(model) {
  const rows = [fact("Model", `${model.name}, version ${model.version}`)];
  if (model.task) rows.push(fact("Task", `${model.task}: ${model.classes.join(" or ")}`));
  if (typeof model.threshold === "number") {
    rows.push(fact("Operating point", `${percent(model.threshold)} for ${model.positive_class}`));
  }
  const level = model.metrics?.test?.sample;
  for (const [name, title] of kFigures) {
    const text = figure(level, name);
    if (text) rows.push(fact(title, text));
  }
  if (level?.n) rows.push(fact("Measured on", `${level.n} test slices${model.phantom ? " of the phantom" : ""}`));
  else rows.push(fact("Quality", model.metrics ? "not recorded in this model" : "not known of this version"));
  rows.push(fact("Model file (SHA-256)", model.sha256));
  return rows;
}

const isSame = (one, other) => one.version === other.version && one.sha256 === other.sha256;

/**
 * The choice of a model in the head of the page. `onchoose(model)` is told of the first one too, and of undefined when
 * the server lists none. `current` is the one chosen.
 */
export class ModelChoice {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.known = new Map(); // by digest, also those that a reload has replaced: their answers may still be on the page
    this.loading = Promise.resolve();
    this.select = byId("model");
    this.select.addEventListener("change", () => this.choose(this.select.value));
  }

  /** Reads the list; one reading at a time, so that the last one to begin is the one that counts. */
  load() {
    return this.inTurn(() => this.read());
  }

  inTurn(step) {
    this.loading = this.loading.catch(() => {}).then(step);
    return this.loading;
  }

  async read() {
    this.list = await loadModels();
    for (const model of this.list.models) this.known.set(model.sha256, model);
    this.show();
  }

  // A person's choice stays for as long as the server has it.
  show() {
    const { models } = this.list;
    this.select.replaceChildren(...models.map((model) =>
      make("option", { value: model.name }, `${model.name} (version ${model.version})`)));
    this.select.hidden = models.length < 2;
    byId("model-name").hidden = !this.select.hidden;
    this.choose([this.current?.name, this.list.default].find((name) => this.named(name)) ?? models[0]?.name);
  }

  /**
   * The facts of the model that gave an answer. Of one that was never listed no more than the answer says, and what
   * does no harm when it is of another version: which class is asked for, and a warning too many.
   */
  of({ name, version, sha256 }) {
    const listed = this.named(name);
    const facts = this.known.get(sha256) ?? { positive_class: listed?.positive_class, phantom: listed?.phantom };
    return { ...facts, name, version, sha256 };
  }

  isListed(model) {
    const listed = this.named(model.name);
    return Boolean(listed) && !listed.unconfirmed && isSame(listed, model);
  }

  /**
   * To be told of the model of every answer: where the list has another one of that name, as after a reload on the
   * server, reads it again. Until then, and when that fails, the answer's facts stand for the model. Resolves to whether
   * more is known of the model than before.
   */
  async confirm(model) {
    if (this.isListed(model)) return false;
    const knew = this.known.has(model.sha256);
    if (this.list) {
      const stand = { ...this.of(model), unconfirmed: true };
      this.list.models = this.list.models.map((one) => (one.name === model.name ? stand : one));
      this.show();
    }
    await this.inTurn(async () => {
      if (!this.isListed(model)) await this.read(); // else another answer of it came first
    });
    return !knew && this.known.has(model.sha256);
  }

  named(name) {
    return this.list?.models.find((model) => model.name === name);
  }

  choose(name) {
    const model = this.named(name);
    this.current = model;
    this.select.value = name;
    byId("model-name").textContent = model ? `${model.name}, version ${model.version}` : "no model";
    byId("phantom").hidden = !model?.phantom;
    this.onchoose(model);
  }
}
