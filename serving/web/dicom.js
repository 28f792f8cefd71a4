// Reads what the viewer needs of a DICOM file: the header, and the pixels of uncompressed little endian 16 bit CT in
// HU. Everything else is left to the server. DICOM PS3.5 section 7 (encoding), PS3.3 C.7.6.3 and C.11.1 (pixels).

const kImplicit = "1.2.840.10008.1.2";
const kExplicit = "1.2.840.10008.1.2.1";
const kOtherOrders = ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]; // big endian, deflated: not even the header
const kLongForms = new Set(["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]);
const kUndefined = 0xffffffff;
const kPixelData = 0x7fe00010;
const kItem = 0xfffee000;
const kItemEnd = 0xfffee00d;
const kSequenceEnd = 0xfffee0dd;
const kDepth = 16; // of nested sequences
const kWanted = new Map([
  [0x00020010, "syntax"], [0x00080060, "modality"], [0x0020000e, "series"], [0x00200013, "instance"],
  [0x00200032, "position"], [0x00200037, "orientation"], [0x00280002, "samples"], [0x00280004, "photometric"],
  [0x00280010, "rows"], [0x00280011, "columns"], [0x00280030, "spacing"], [0x00280100, "allocated"],
  [0x00280101, "stored"], [0x00280102, "high"], [0x00280103, "signed"], [0x00280120, "padding"],
  [0x00281050, "level"], [0x00281051, "width"], [0x00281052, "intercept"], [0x00281053, "slope"],
]);
const kShorts = new Set(["samples", "rows", "columns", "allocated", "stored", "high", "signed", "padding"]);

/** Why the browser cannot show it; the server may. */
export class NotShown extends Error {}

/** Whether the bytes begin as DICOM Part 10. */
export function isDicom(bytes) {
  return bytes.length >= 132 && String.fromCharCode(...bytes.subarray(128, 132)) === "DICM";
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  // The element at `at`: {tag, at: of its value, length}.
  element(at, explicit) {
    if (at + 8 > this.bytes.length) throw new NotShown("cut off");
    const tag = (this.view.getUint16(at, true) * 0x10000 + this.view.getUint16(at + 2, true)) >>> 0;
    if (tag >>> 16 === 0xfffe || !explicit) return { tag, at: at + 8, length: this.view.getUint32(at + 4, true) };
    const form = String.fromCharCode(this.bytes[at + 4], this.bytes[at + 5]);
    if (!kLongForms.has(form)) return { tag, form, at: at + 8, length: this.view.getUint16(at + 6, true) };
    if (at + 12 > this.bytes.length) throw new NotShown("cut off");
    return { tag, form, at: at + 12, length: this.view.getUint32(at + 8, true) };
  }

  // Where a value of undefined length ends: a sequence of items, each of them of either kind.
  afterSequence(at, explicit, depth = 0) {
    if (depth > kDepth) throw new NotShown("nested too deeply");
    for (;;) {
      const item = this.element(at, explicit);
      if (item.tag === kSequenceEnd) return item.at;
      if (item.tag !== kItem) throw new NotShown("a broken sequence");
      at = item.length === kUndefined ? this.afterItem(item.at, explicit, depth) : item.at + item.length;
    }
  }

  afterItem(at, explicit, depth) {
    for (;;) {
      const inner = this.element(at, explicit);
      if (inner.tag === kItemEnd) return inner.at;
      at = this.after(inner, explicit, depth + 1);
    }
  }

  after(element, explicit, depth = 0) {
    if (element.length !== kUndefined) return element.at + element.length;
    return this.afterSequence(element.at, explicit && element.form !== "UN", depth); // PS3.5 6.2.2: UN is implicit
  }

  value(name, { at, length }) {
    if (at + length > this.bytes.length) throw new NotShown("cut off");
    if (kShorts.has(name)) return length >= 2 ? this.view.getUint16(at, true) : undefined;
    return String.fromCharCode(...this.bytes.subarray(at, at + Math.min(length, 256))).replace(/[\0 ]+$/, "").trim();
  }
}

const numbers = (text) => (text ?? "").split("\\").map(Number.parseFloat).filter(Number.isFinite);

/**
 * The header, up to the pixel data: the fields of kWanted, and `pixels` {at, length} when the bytes reach so far.
 * Enough bytes of the beginning do. Throws NotShown.
 */
export function readHeader(bytes) {
  if (!isDicom(bytes)) throw new NotShown("not DICOM");
  const reader = new Reader(bytes);
  const header = { syntax: kImplicit };
  let at = 132;
  while (at + 8 <= bytes.length) {
    const meta = reader.view.getUint16(at, true) === 2;
    if (!meta && kOtherOrders.includes(header.syntax)) throw new NotShown("big endian or deflated");
    const explicit = meta || header.syntax !== kImplicit;
    const element = reader.element(at, explicit);
    if (element.tag === kPixelData) {
      header.pixels = { at: element.at, length: element.length };
      break;
    }
    const name = kWanted.get(element.tag);
    if (name) header[name] = reader.value(name, element);
    at = reader.after(element, explicit);
  }
  return header;
}

/** The six cosines of Image Orientation (Patient), or undefined. */
export function orientationOf(header) {
  const cosines = numbers(header.orientation);
  return cosines.length === 6 ? cosines : undefined;
}

/** Position along the normal of the image plane in mm (PS3.3 C.7.6.2), or undefined. */
export function alongNormal(header) {
  const p = numbers(header.position);
  if (p.length !== 3) return undefined;
  const [a, b, c, d, e, f] = orientationOf(header) ?? [1, 0, 0, 0, 1, 0];
  return (b * f - c * e) * p[0] + (c * d - a * f) * p[1] + (a * e - b * d) * p[2];
}

function checkPixels(header, size) {
  if (header.syntax !== kExplicit && header.syntax !== kImplicit) throw new NotShown("compressed");
  if (!header.pixels) throw new NotShown("no pixel data");
  if (header.allocated !== 16 || (header.samples ?? 1) !== 1) throw new NotShown("not 16 bit of one sample");
  if (!/^MONOCHROME[12]$/.test(header.photometric ?? "")) throw new NotShown("not grey");
  if (header.pixels.at + header.rows * header.columns * 2 > size || !(header.rows * header.columns > 0)) {
    throw new NotShown("cut off");
  }
}

/**
 * A CT slice in HU: {rows, columns, values: Float32Array, orientation?, window?: {level, width}}, as decode_dicom() of the
 * server gives it: padding at most -1000 HU, MONOCHROME1 as MONOCHROME2. Throws NotShown.
 */
export function readSlice(bytes) {
  const header = readHeader(bytes);
  checkPixels(header, bytes.length);
  const { rows, columns } = header;
  const stored = header.stored ?? 16;
  const up = 31 - (header.high ?? stored - 1);
  const signed = header.signed === 1;
  const slope = numbers(header.slope)[0] ?? 1;
  const intercept = numbers(header.intercept)[0] ?? 0;
  const padding = header.padding === undefined ? NaN : (signed ? (header.padding << 16) >> 16 : header.padding);
  const view = new DataView(bytes.buffer, bytes.byteOffset + header.pixels.at);
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < values.length; ++i) {
    const top = view.getUint16(i * 2, true) << up;
    const value = signed ? top >> (32 - stored) : top >>> (32 - stored);
    const hu = value * slope + intercept;
    values[i] = value === padding ? Math.min(hu, -1000) : hu;
  }
  const [level] = numbers(header.level);
  const [width] = numbers(header.width);
  const window = width > 0 && level !== undefined ? { level, width } : undefined;
  return { rows, columns, values, window, orientation: orientationOf(header) };
}
