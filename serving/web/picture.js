// Pictures as the viewer shows them: values (HU, or grey 0 to 255) that a window turns into shades.
import { isDicom, NotShown, readSlice } from "./dicom.js";

/** The windows on offer for CT, beside the model's own. Usual values of reading rooms. */
export const kWindows = [
  { name: "Lung", level: -600, width: 1500 },
  { name: "Mediastinum", level: 40, width: 400 },
  { name: "Bone", level: 400, width: 1800 },
];
/** Grey pictures as they came. */
export const kGreyWindow = { name: "As sent", level: 127.5, width: 255 };

/** The shade, 0 to 255, of a value in a window. */
export function shade(value, { level, width }) {
  return Math.min(255, Math.max(0, ((value - level) / width + 0.5) * 255));
}

/** RGBA of the values, row by row. */
export function shades(values, window) {
  const scale = 255 / window.width;
  const shift = 127.5 - window.level * scale;
  const out = new Uint8ClampedArray(values.length * 4);
  const pixels = new Uint32Array(out.buffer);
  for (let i = 0; i < values.length; ++i) {
    const grey = Math.min(255, Math.max(0, values[i] * scale + shift)) + 0.5 | 0;
    pixels[i] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return out;
}

const kLargestSide = 4096;

/** A PNG or JPEG, from a blob: {rows, columns, values, unit: "grey"}. Throws NotShown. */
export async function greyPicture(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new NotShown("not a picture");
  }
  const { width, height } = bitmap;
  if (Math.max(width, height) > kLargestSide) throw new NotShown("too large");
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const values = new Float32Array(width * height);
  for (let i = 0; i < values.length; ++i) {
    values[i] = 0.299 * rgba[4 * i] + 0.587 * rgba[4 * i + 1] + 0.114 * rgba[4 * i + 2];
  }
  return { rows: height, columns: width, values, unit: "grey" };
}

/** The picture of a data: URL of the server's. */
export async function pictureOfUrl(url) {
  const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0));
  return greyPicture(new Blob([bytes], { type: "image/png" }));
}

/** The picture of a file's bytes: CT in HU (unit "HU"), or grey. Throws NotShown for what the server alone decodes. */
export async function pictureOf(bytes) {
  if (isDicom(bytes)) return { ...readSlice(bytes), unit: "HU" };
  return greyPicture(new Blob([bytes]));
}

/** The window that the model sees CT through; `spec` is the preprocess of its metadata. */
export function modelWindow(spec) {
  const [low, high] = [spec?.window_low_hu ?? -1000, spec?.window_high_hu ?? 400];
  return { name: "As the model", level: (low + high) / 2, width: high - low };
}

/** Every window on offer for a picture; the first is the one to begin with. */
export function windowsFor(picture, spec) {
  if (picture.unit !== "HU") return [kGreyWindow];
  return [modelWindow(spec), ...kWindows, ...(picture.window ? [{ name: "Of the file", ...picture.window }] : [])];
}
