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
    return { name, version: json.versions?.[0], row: name, metrics: {}, ...json.parameters };
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
  rows.push(fact("Operating point", `${percent(model.threshold)} for ${model.positive_class}`));
  const level = model.metrics?.test?.sample;
  for (const [name, title] of kFigures) {
    const text = figure(level, name);
    if (text) rows.push(fact(title, text));
  }
  if (level?.n) rows.push(fact("Measured on", `${level.n} test slices${model.phantom ? " of the phantom" : ""}`));
  else rows.push(fact("Quality", "not recorded in this model"));
  rows.push(fact("Model file (SHA-256)", model.sha256));
  return rows;
}

/** The choice of a model in the head of the page. `onchoose(model)` is told of the first one too. */
export class ModelChoice {
  constructor(onchoose) {
    this.onchoose = onchoose;
    this.select = byId("model");
    this.select.addEventListener("change", () => this.choose(this.select.value));
  }

  async load() {
    this.list = await loadModels();
    this.select.replaceChildren(...this.list.models.map((model) =>
      make("option", { value: model.name }, `${model.name} (version ${model.version})`)));
    this.select.hidden = this.list.models.length < 2;
    byId("model-name").hidden = !this.select.hidden;
    this.choose(this.list.default ?? this.list.models[0].name);
  }

  named(name) {
    return this.list?.models.find((model) => model.name === name);
  }

  choose(name) {
    this.current = this.named(name);
    this.select.value = name;
    byId("model-name").textContent = `${this.current.name}, version ${this.current.version}`;
    byId("phantom").hidden = !this.current.phantom;
    this.onchoose(this.current);
  }
}
