// The viewer with its tools: which slice of which stack is shown, through which window, with which overlays.
import { findsLungs } from "./certainty.js";
import { NotShown } from "./dicom.js";
import { byId, make } from "./dom.js";
import { listenToGestures } from "./gestures.js";
import { windowsFor } from "./picture.js";
import { charted, Profile, profileTable, spoken } from "./profile.js";
import { isTurned } from "./orientation.js";
import { canExplain, explanationFor, judgedWith, modelPictureFor, pictureFor } from "./sources.js";
import { kWholeView } from "./view.js";
import { Viewer } from "./viewer.js";
import { percent, position } from "./words.js";

const kDwell = 300; // ms on a slice before its explanation is asked for
const kCorners = ["where", "windowed", "zoomed", "value"];
const kLayers = { heat: "heat map", nodule: "nodule outline" };
const kTools = [["window", "Window"], ["move", "Move"], ["scroll", "Scroll"]];

export class Stage {
  /**
   * `onslice(entry)` is told of the slice chosen, and again of what is learned of it; `onsettled(settled)` of whether its
   * picture is there, or known not to come.
   */
  constructor({ modelOf, onslice, onsettled }) {
    Object.assign(this, { modelOf, onslice, onsettled, index: 0, turn: 0, settled: null, tool: "window", side: "upload" });
    this.viewer = new Viewer(byId("canvas"), () => this.tell());
    this.profile = new Profile(byId("profile"), (index) => this.go(index));
    this.viewport = byId("viewport");
    listenToGestures(this.viewport, {
      onwindow: (dx, dy) => this.viewer.dragWindow(dx, dy), onmove: (dx, dy) => this.viewer.move(dx, dy),
      onstep: (steps) => this.step(steps), onzoom: (factor, point) => this.viewer.zoom(factor, point),
      onreset: () => this.reset(), onhover: (point) => this.hover(point),
      tool: () => this.tool, steps: () => this.entries.length > 1,
    });
    this.connect();
  }

  get entries() {
    return this.stack?.entries ?? [];
  }

  get entry() {
    return this.entries[this.index];
  }

  connect() {
    byId("tools").append(...kTools.map(([tool, name]) => make("button", {
      type: "button", "data-tool": tool, "aria-pressed": tool === this.tool, onclick: () => this.choose(tool),
    }, name)));
    byId("zoom-in").addEventListener("click", () => this.viewer.zoom(1.4));
    byId("zoom-out").addEventListener("click", () => this.viewer.zoom(1 / 1.4));
    byId("reset").addEventListener("click", () => this.reset());
    byId("invert").addEventListener("click", () => this.invert());
    byId("slice").addEventListener("input", (event) => this.go(Number(event.target.value) - 1));
    for (const part of ["level", "width"]) {
      byId(part).addEventListener("input", (event) =>
        this.viewer.setWindow({ ...this.viewer.window, [part]: Number(event.target.value) }));
    }
    byId("preset").addEventListener("change", (event) =>
      this.viewer.setWindow(this.windows[Number(event.target.value)]));
    for (const layer of ["lungs", "heat", "nodule"]) {
      byId(layer).addEventListener("input", (event) => this.viewer.setOpacity(layer, Number(event.target.value) / 100));
      this.viewer.setOpacity(layer, Number(byId(layer).value) / 100);
    }
    for (const button of document.querySelectorAll("[data-view]")) {
      button.addEventListener("click", () => this.look(button.dataset.view));
    }
  }

  choose(tool) {
    this.tool = tool;
    for (const button of byId("tools").children) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
  }

  invert() {
    this.viewer.setInverted(!this.viewer.inverted);
    byId("invert").setAttribute("aria-pressed", String(this.viewer.inverted));
  }

  reset() {
    this.viewer.reset();
    if (this.windows) this.viewer.setWindow(this.windows[0]);
  }

  /** Shows a stack of a study from slice `index` on; the window stays when the same study gets its answer. */
  show(stack, index, subject) {
    this.stack = stack;
    this.charted = charted(stack, subject);
    byId("profile-box").hidden = !this.charted;
    if (this.charted) {
      this.profile.show(this.charted, subject);
      byId("profile-table").replaceChildren(profileTable(stack.entries, subject));
    }
    byId("slice-row").hidden = stack.entries.length < 2;
    byId("slice").max = Math.max(1, stack.entries.length);
    this.go(index);
  }

  /** Shows the same slice again, with what is known of its model by now. */
  renew(subject) {
    if (!this.stack) return;
    this.windows = null; // the first one is the model's own
    this.show(this.stack, this.index, subject);
  }

  clear() {
    clearTimeout(this.dwell);
    ++this.turn;
    this.stack = null;
    this.windows = null;
    this.viewer.view = kWholeView;
    this.blank();
    for (const id of ["profile-box", "slice-row", "overlays", "nodule-row", "views", "loading"]) byId(id).hidden = true;
    this.viewport.removeAttribute("aria-busy");
    this.viewport.setAttribute("aria-label", "Slice viewer");
  }

  // Nothing of the slice before stays beside the words on another one.
  blank() {
    this.settled = null;
    this.viewer.show(null);
    delete this.viewport.dataset.shown;
    for (const id of kCorners) byId(id).textContent = "";
    byId("unseen").hidden = true;
    byId("loading").hidden = false;
    this.viewport.setAttribute("aria-busy", "true");
    this.viewport.setAttribute("aria-label", "Slice viewer: loading");
    this.onsettled(false);
  }

  // The picture of an entry is there, or will not come.
  settle(entry, seen) {
    this.settled = entry;
    if (seen) this.viewport.dataset.shown = entry.slice?.name ?? "";
    byId("unseen").hidden = seen;
    byId("loading").hidden = true;
    this.viewport.removeAttribute("aria-busy");
    this.tell();
    this.onsettled(true);
  }

  step(steps) {
    this.go(Math.min(this.entries.length - 1, Math.max(0, this.index + steps)));
  }

  go(index) {
    if (!this.stack || !this.entries[index]) return;
    this.index = index;
    const entry = this.entry;
    byId("slice").value = index + 1;
    byId("slice").setAttribute("aria-valuetext", spoken(entry, index, this.entries.length));
    if (this.charted) this.profile.mark(index);
    if (this.settled !== entry) this.blank();
    this.onslice(entry);
    this.load(entry);
    clearTimeout(this.dwell);
    this.dwell = setTimeout(() => this.explain(entry), kDwell);
  }

  look(side) {
    this.side = side;
    for (const button of document.querySelectorAll("[data-view]")) {
      button.setAttribute("aria-pressed", String(button.dataset.view === side));
    }
    if (this.entry) this.load(this.entry);
  }

  // Draws the entry's picture once it is there, unless another one is asked for by then.
  async load(entry) {
    const turn = ++this.turn;
    const explained = entry.explained ?? null;
    const preview = modelPictureFor(entry, explained?.explanation);
    byId("views").hidden = !preview;
    const whole = this.side === "model" && preview !== null;
    try {
      const picture = await (whole ? this.modelView(entry, preview) : pictureFor(entry, this.modelOf()?.name));
      if (turn !== this.turn) return;
      this.fitWindow(picture);
      const cropPx = this.modelOf()?.preprocess?.crop_px ?? 0;
      this.viewer.show(picture, explained && { ...explained, cropPx, whole });
      this.whole = whole;
      if (explained) byId("nodule-row").hidden = !explained.nodule; // until then as of the slice before
      this.settle(entry, true);
      this.learn(entry, picture.orientation);
    } catch {
      if (turn !== this.turn) return;
      this.viewer.show(null);
      delete this.viewport.dataset.shown;
      this.settle(entry, false);
    }
  }

  // The picture as the model sees it lies as the one that was sent.
  async modelView(entry, preview) {
    const sent = await pictureFor(entry, this.modelOf()?.name).catch(() => null);
    return { ...await preview, orientation: sent?.orientation };
  }

  learn(entry, orientation) {
    const first = entry.orientation === undefined;
    entry.orientation = orientation ?? null;
    if (first && isTurned(orientation)) this.onslice(entry);
  }

  // The first picture of another unit gets its own window.
  fitWindow(picture) {
    if (this.windows && this.unit === picture.unit) return;
    this.unit = picture.unit;
    this.windows = windowsFor(picture, this.modelOf()?.preprocess);
    byId("preset").replaceChildren(...this.windows.map(({ name }, i) => make("option", { value: i }, name)));
    const [low, high, most] = picture.unit === "HU" ? [-1200, 1200, 4000] : [0, 255, 510];
    Object.assign(byId("level"), { min: low, max: high });
    Object.assign(byId("width"), { min: 1, max: most });
    this.viewer.setWindow(this.windows[0]);
  }

  async explain(entry) {
    const asked = canExplain(entry) && entry.explained === undefined;
    this.tellExplaining(entry, asked);
    if (!asked) return;
    const together = judgedWith(entry, this.stack);
    try {
      if (!together) throw new NotShown("slices that it was judged with are not on the page");
      entry.explained = await explanationFor(entry, together, this.modelOf(), "auto");
    } catch (problem) {
      entry.explained = undefined; // asked for again when the slice is looked at again
      if (problem instanceof NotShown) entry.unexplained = `Where the model looked cannot be shown: ${problem.message}`;
    }
    if (this.entry !== entry) return;
    this.tellExplaining(entry, false);
    if (!entry.explained) return;
    this.onslice(entry);
    this.load(entry);
  }

  // What the outline of the model's lung mask is; without a mask it is the edge of its view.
  maskName() {
    return findsLungs(this.modelOf()) ? "Lung outline" : "Model's view";
  }

  // The sliders, and below them why there is no map.
  tellExplaining(entry, asked) {
    byId("lungs-name").textContent = this.maskName();
    byId("overlays").hidden = !canExplain(entry);
    const why = entry.explained === undefined ? entry.unexplained
      : entry.explained === null && "The model that gave this answer is no longer on the server: where it looked cannot be shown";
    byId("explaining").hidden = !asked && !why;
    byId("explaining").textContent = asked ? "Asking where the model looks" : (why || "");
  }

  hover(point) {
    const value = this.viewer.valueAt(point);
    byId("value").textContent = value === undefined ? "" : `${Math.round(value)} ${this.unit === "HU" ? "HU" : "grey"}`;
  }

  // Window, zoom, place and sides, in the corners and to screen readers.
  tell() {
    const { entry } = this;
    if (!entry || this.settled !== entry) return;
    const many = this.entries.length > 1;
    const where = typeof entry.position === "number" ? ` · ${position(entry.position)}` : "";
    byId("where").textContent = many ? `${this.index + 1} / ${this.entries.length}${where}` : "";
    const label = `Slice viewer: ${spoken(entry, this.index, this.entries.length)}`;
    const { window, view, edges, picture } = this.viewer;
    if (!picture) this.viewport.setAttribute("aria-label", `${label}; no picture`);
    if (!picture || !this.windows) return;
    const [width, level, zoom] = [window.width, window.level, view.zoom * 100].map(Math.round);
    byId("windowed").textContent = `W ${width}  L ${level}`;
    byId("zoomed").textContent = `${zoom} %`;
    byId("level").value = window.level;
    byId("width").value = window.width;
    byId("preset").value = this.windows.findIndex((one) => one.level === window.level && one.width === window.width);
    const sides = edges ? `; edges: left ${edges.left}, right ${edges.right}, top ${edges.top}, bottom ${edges.bottom}` : "";
    this.viewport.setAttribute("aria-label", `${label}; window ${width} at level ${level}, zoom ${zoom} percent${sides}`);
  }

  /** What is seen of the slice, for the report: {picture: data: URL, facts: [[name, words...]]}; null without a picture. */
  seen() {
    if (!this.viewer.picture) return null;
    const { window: { width, level }, inverted, layers, opacity } = this.viewer;
    const shown = `width ${Math.round(width)}, level ${Math.round(level)}${this.unit === "HU" ? " HU" : ""}`;
    const overlays = layers.map((layer) => `${kLayers[layer] ?? this.maskName().toLowerCase()} (${percent(opacity[layer])})`);
    return {
      picture: this.viewer.snapshot(),
      facts: [["Picture", this.whole ? "as the model sees it" : "as sent"],
        ["Window", shown, ...(inverted ? ["inverted"] : [])],
        ["Overlays", ...(overlays.length > 0 ? overlays : ["none"])]],
    };
  }
}
