// The probability along a series as a chart: a curve, the operating point, suspicious stretches, the slice shown.
// To keyboards and screen readers it is a slider.
import { draw, make } from "./dom.js";
import { percent, position } from "./words.js";

const kWidth = 640; // of a report; on the page the chart is as wide as its place
const kHeight = 180;
const kNarrow = 480; // no room for a title of the axis
const kMostPoints = 80; // more than these run into each other
const kEdge = { left: 44, right: 12, top: 12, bottom: 34 };

/**
 * Where the points of a profile lie: {x: [per point], y(p), nearest(x)}. Along the body by position when every point
 * has one, else evenly by order. Pure.
 */
export function layOut(entries, width = kWidth, height = kHeight) {
  const n = entries.length;
  const placed = n > 1 && entries.every(({ position: mm }) => typeof mm === "number");
  const low = placed ? Math.min(...entries.map((entry) => entry.position)) : 0;
  const high = placed ? Math.max(...entries.map((entry) => entry.position)) : Math.max(1, n - 1);
  const span = width - kEdge.left - kEdge.right;
  const x = entries.map((entry, i) => kEdge.left + (((placed ? entry.position : i) - low) / (high - low || 1)) * span);
  const y = (p) => kEdge.top + (1 - p) * (height - kEdge.top - kEdge.bottom);
  const nearest = (at) => x.reduce((best, value, i) => (Math.abs(value - at) < Math.abs(x[best] - at) ? i : best), 0);
  return { x, y, nearest, placed, low, high };
}

/** The SVG path of the curve, broken where slices were refused. Pure. */
export function curve(entries, { x, y }) {
  let path = "";
  let broken = true;
  entries.forEach(({ probability }, i) => {
    if (typeof probability !== "number") {
      broken = true;
      return;
    }
    path += `${broken ? "M" : "L"}${x[i].toFixed(1)} ${y(probability).toFixed(1)}`;
    broken = false;
  });
  return path;
}

/** A slice's share in the verdict on its stack, of a model that weighs slices; undefined of others. */
export const attentionOf = (entry) => entry.result?.attention;

/**
 * The stack with what its chart needs: a series as it is; pictures that a model of volumes judged together, in the order
 * of their names, in which it stacked them, and into which they are brought. null of others.
 */
export function charted(stack, subject) {
  if (stack.summary) return stack;
  const entries = stack.entries.filter((entry) => typeof attentionOf(entry) === "number");
  if (entries.length < 2) return null;
  stack.entries.sort((a, b) => (a.result.name < b.result.name ? -1 : 1));
  for (const entry of stack.entries) entry.probability = entry.result.probabilities?.[subject] ?? null;
  return { entries: stack.entries, summary: { threshold: entries[0].result.threshold, suspicious: [] } };
}

/** What a screen reader says of the slice at the cursor. */
export function spoken(entry, index, total) {
  const where = typeof entry.position === "number" ? `, ${position(entry.position)}` : "";
  const what = typeof entry.probability === "number" ? `: probability ${percent(entry.probability)}`
    : entry.probability === null ? ": not predicted" : "";
  const share = attentionOf(entry);
  return `Slice ${index + 1} of ${total}${where}${what}${share > 0 ? `, ${percent(share)} of the verdict` : ""}`;
}

function scale(plan, threshold, width) {
  const lines = [0, 0.5, 1].flatMap((p) => [
    draw("line", { class: "grid", x1: kEdge.left, x2: width - kEdge.right, y1: plan.y(p), y2: plan.y(p) }),
    draw("text", { class: "tick", x: kEdge.left - 6, y: plan.y(p) + 4, "text-anchor": "end" }, `${p * 100} %`),
  ]);
  const ends = plan.placed ? [position(plan.low), position(plan.high)] : ["first slice", "last slice"];
  const bottom = kHeight - 14;
  const right = width - kEdge.right;
  const at = plan.y(threshold);
  return [...lines,
    draw("text", { class: "tick", x: kEdge.left, y: bottom }, ends[0]),
    draw("text", { class: "tick", x: right, y: bottom, "text-anchor": "end" }, ends[1]),
    draw("text", { class: "tick", x: (right + kEdge.left) / 2, y: bottom, "text-anchor": "middle" },
      width < kNarrow ? "" : plan.placed ? "position along the body" : "order of the slices"),
    draw("line", { class: "operating", x1: kEdge.left, x2: right, y1: at, y2: at }),
    draw("text", { class: "tick operating-word", x: right - 2, y: at - 5, "text-anchor": "end" },
      `operating point ${percent(threshold)}`)];
}

// The stretch of a suspicious region; a region without positions is marked at its peak.
function stretch({ from_mm: from, to_mm: to, peak_result: peak }, entries, plan, width) {
  const { x, placed, low, high } = plan;
  const along = (mm) => kEdge.left + ((mm - low) / (high - low || 1)) * (width - kEdge.left - kEdge.right);
  const at = entries.findIndex(({ index }) => index === peak);
  const known = placed && typeof from === "number";
  const [a, b] = (known ? [along(from), along(to)] : [x[at] ?? 0, x[at] ?? 0]).sort((one, other) => one - other);
  const height = kHeight - kEdge.top - kEdge.bottom;
  return draw("rect", { class: "stretch", x: a - 3, width: b - a + 6, y: kEdge.top, height, rx: 3 });
}

function spots(entries, { x, y }, threshold) {
  const dots = entries.length <= kMostPoints;
  return entries.map(({ probability: p }, i) => {
    if (typeof p !== "number") return draw("line", { class: "refused", x1: x[i], x2: x[i], y1: y(0) + 2, y2: y(0) + 7 });
    return dots && draw("circle", { class: p >= threshold ? "point high" : "point", cx: x[i], cy: y(p), r: 2.2 });
  });
}

// Bars from below: how much each slice counted.
function shares(entries, { x, y }) {
  if (!entries.some((entry) => attentionOf(entry) > 0)) return [];
  const wide = Math.max(3, Math.min(14, 0.6 * ((x[x.length - 1] - x[0]) / Math.max(1, x.length - 1))));
  return [...entries.map((entry, i) => {
    const share = attentionOf(entry);
    return share > 0 && draw("rect", { class: "share", x: x[i] - wide / 2, width: wide, y: y(share), height: y(0) - y(share) });
  }), draw("text", { class: "tick", x: kEdge.left + 4, y: kEdge.top + 24 }, "bars: share in the verdict")];
}

/** The chart of a stack of a series as SVG: {svg, plan}. */
export function chart({ summary, entries }, width = kWidth) {
  const plan = layOut(entries, width);
  const svg = draw("svg", { class: "chart", viewBox: `0 0 ${width} ${kHeight}`, "aria-hidden": "true" },
    summary.suspicious.map((region) => stretch(region, entries, plan, width)), scale(plan, summary.threshold, width),
    shares(entries, plan),
    draw("path", { class: "curve", d: curve(entries, plan) }), spots(entries, plan, summary.threshold));
  return { svg, plan };
}

export class Profile {
  /** `onpick(index)` is called when a slice is chosen on the chart. */
  constructor(root, onpick) {
    this.root = root;
    this.onpick = onpick;
    root.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(root);
    root.addEventListener("pointerdown", (event) => this.pick(event));
    root.addEventListener("pointermove", (event) => event.buttons === 1 && this.pick(event));
  }

  /** Draws a stack of a series; `subject` is the positive class. */
  show(stack, subject) {
    this.shown = [stack, subject];
    this.entries = stack.entries;
    this.width = Math.max(280, this.root.clientWidth || kWidth);
    const { svg, plan } = chart(stack, this.width);
    this.plan = plan;
    this.cursor = draw("line", { class: "cursor", y1: kEdge.top, y2: kHeight - kEdge.bottom });
    this.spot = draw("circle", { class: "spot", r: 5 });
    svg.append(this.cursor, this.spot);
    this.root.setAttribute("aria-label", `Probability of ${subject} along the series`);
    this.root.setAttribute("aria-valuemin", 1);
    this.root.setAttribute("aria-valuemax", this.entries.length);
    this.root.replaceChildren(svg);
  }

  // Drawn anew where another place makes another width, so that its letters keep their size.
  fit() {
    if (!this.shown || !this.root.clientWidth || Math.abs(this.root.clientWidth - this.width) < 8) return;
    this.show(...this.shown);
    this.mark(this.index);
  }

  /** Moves the cursor. */
  mark(index) {
    const { x, y } = this.plan;
    const entry = this.entries[index];
    this.index = index;
    this.cursor.setAttribute("x1", x[index]);
    this.cursor.setAttribute("x2", x[index]);
    this.spot.setAttribute("cx", x[index]);
    this.spot.setAttribute("cy", y(entry.probability ?? 0));
    this.root.setAttribute("aria-valuenow", index + 1);
    this.root.setAttribute("aria-valuetext", spoken(entry, index, this.entries.length));
  }

  pick(event) {
    if (event.button > 0) return;
    const box = this.root.querySelector("svg").getBoundingClientRect();
    this.onpick(this.plan.nearest(((event.clientX - box.left) / box.width) * this.width));
  }

  key(event) {
    const steps = {
      ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity,
    }[event.key];
    if (!steps) return;
    event.preventDefault();
    this.onpick(Math.min(this.entries.length - 1, Math.max(0, this.index + steps)));
  }
}

/** The profile as a table, for those who cannot see a chart. */
export function profileTable(entries, subject) {
  const weighed = entries.some((entry) => typeof attentionOf(entry) === "number");
  return make("table", {},
    make("thead", {}, make("tr", {}, ["Slice", "Position", `Probability of ${subject}`, weighed && "Share in the verdict"]
      .filter(Boolean).map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, entries.map((entry, i) => make("tr", {},
      make("th", { scope: "row" }, String(i + 1)),
      make("td", {}, typeof entry.position === "number" ? position(entry.position) : "unknown"),
      make("td", {}, typeof entry.probability === "number" ? percent(entry.probability) : "not predicted"),
      weighed && make("td", {}, typeof attentionOf(entry) === "number" ? percent(attentionOf(entry)) : "")))));
}
