// The picture on its canvas: window, zoom, overlays, marks of the patient's sides. Draws at most once a frame.
import { edgesOf } from "./orientation.js";
import { shades } from "./picture.js";
import { draggedWindow, kWholeView, moved, pixelAt, placed, sourceSquare, zoomed } from "./view.js";

const kLayers = ["heat", "lungs", "nodule"]; // from below
const kLeastLetter = 15; // px of a mark
const kRange = { HU: 2000, grey: 255 }; // values that a drag over the whole frame changes the window by

export class Viewer {
  /** `onchange(viewer)` is called when window or view change. */
  constructor(canvas, onchange) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.onchange = onchange;
    this.view = kWholeView;
    this.opacity = { lungs: 0.9, heat: 0.5, nodule: 0.9 };
    this.inverted = false;
    this.overlays = null;
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  get frame() {
    return { width: this.canvas.clientWidth || 1, height: this.canvas.clientHeight || 1 };
  }

  fit() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { width, height } = this.frame;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.ratio = this.canvas.width / width;
    this.paint();
  }

  /**
   * Shows {rows, columns, values, unit, orientation?}, or nothing. `overlays`: {lungs, heat, nodule: ImageBitmap, cropPx, whole} of an
   * explanation; `whole` when the picture is the model's view itself.
   */
  show(picture, overlays = null) {
    this.picture = picture;
    this.overlays = overlays;
    this.edges = edgesOf(picture?.orientation);
    this.shaded = null;
    this.later();
  }

  setWindow(window) {
    this.window = window;
    this.shaded = null;
    this.changed();
  }

  setInverted(inverted) {
    this.inverted = inverted;
    this.later();
  }

  setOpacity(layer, value) {
    this.opacity[layer] = value;
    this.later();
  }

  dragWindow(dx, dy) {
    if (this.picture) this.setWindow(draggedWindow(this.window, dx, dy, kRange[this.picture.unit], this.frame));
  }

  zoom(factor, point) {
    if (!this.picture) return;
    this.view = zoomed(this.view, this.picture, this.frame, factor, point);
    this.changed();
  }

  move(dx, dy) {
    if (!this.picture) return;
    this.view = moved(this.view, this.picture, this.frame, dx, dy);
    this.changed();
  }

  reset() {
    this.view = kWholeView;
    this.changed();
  }

  changed() {
    this.later();
    this.onchange(this);
  }

  /** The value under a point of the frame, or undefined outside of the picture. */
  valueAt(point) {
    if (!this.picture || !point) return undefined;
    const { row, column } = pixelAt(this.view, this.picture, this.frame, point);
    const { rows, columns, values } = this.picture;
    if (row < 0 || column < 0 || row >= rows || column >= columns) return undefined;
    return values[Math.floor(row) * columns + Math.floor(column)];
  }

  later() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
    });
  }

  shadedPicture() {
    const { rows, columns, values } = this.picture;
    const canvas = new OffscreenCanvas(columns, rows);
    canvas.getContext("2d").putImageData(new ImageData(shades(values, this.window), columns, rows), 0, 0);
    return canvas;
  }

  paint(context = this.context, frame = this.frame, ratio = this.ratio ?? 1, view = this.view) {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    if (!this.picture || !this.window) return;
    this.shaded ??= this.shadedPicture();
    const { scale, left, top } = placed(view, this.picture, frame);
    context.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * left, ratio * top);
    context.imageSmoothingEnabled = scale * ratio < 6; // far in, pixels are shown as pixels
    context.filter = this.inverted ? "invert(1)" : "none";
    context.drawImage(this.shaded, 0, 0);
    context.filter = "none";
    context.imageSmoothingEnabled = true;
    this.paintOverlays(context);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paintMarks(context, frame);
  }

  paintOverlays(context) {
    if (!this.overlays) return;
    const { rows, columns } = this.picture;
    const { whole, cropPx } = this.overlays;
    const { left, top, side } = sourceSquare(this.picture, whole ? rows : cropPx);
    context.save();
    context.beginPath();
    context.rect(0, 0, columns, rows);
    context.clip();
    for (const layer of this.layers) {
      context.globalAlpha = this.opacity[layer];
      context.drawImage(this.overlays[layer], left, top, side, side);
    }
    context.restore();
  }

  /** The overlays that are seen, by name. */
  get layers() {
    return kLayers.filter((layer) => this.overlays?.[layer] && this.opacity[layer] > 0);
  }

  // Letters at the middle of each edge of the frame, clear of what its corners tell.
  paintMarks(context, { width, height }) {
    if (!this.edges) return;
    const size = Math.max(kLeastLetter, Math.min(width, height) / 30);
    const places = {
      left: [size, height / 2], right: [width - size, height / 2], top: [width / 2, 2.2 * size],
      bottom: [width / 2, height - 2.2 * size],
    };
    Object.assign(context, {
      font: `700 ${size}px system-ui, "DejaVu Sans", sans-serif`, textAlign: "center", textBaseline: "middle",
      lineJoin: "round", lineWidth: size / 4, strokeStyle: "#000", fillStyle: "#fff",
    });
    for (const [edge, place] of Object.entries(places)) {
      context.strokeText(this.edges[edge], ...place);
      context.fillText(this.edges[edge], ...place);
    }
  }

  /** The whole picture as it is windowed now, with its overlays and marks, as a PNG data: URL, for the report. */
  snapshot(side = 640) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = side;
    this.paint(canvas.getContext("2d"), { width: side, height: side }, 1, kWholeView);
    return canvas.toDataURL("image/png");
  }
}
