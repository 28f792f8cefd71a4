// Pictures and explanations of slices, fetched when they are first looked at, and kept for a while.
import { NotShown, orientationOf, readHeader } from "./dicom.js";
import { pictureOf, pictureOfUrl } from "./picture.js";
import { explain, explains, predictNow } from "./predict.js";
import { contentType } from "./study.js";
import { makeZip } from "./zip.js";

const kPictures = 24; // kept at the same time: a megabyte each
const kVolumes = 4; // explanations of whole volumes: some megabytes each
const kSame = 1e-3; // between probabilities of one verdict: batches round otherwise

/** A map that forgets what was not used for longest. */
export class Recent {
  constructor(most) {
    this.most = most;
    this.kept = new Map();
  }

  /** The value of a key, made by `make()` when it is not there; a promise that fails is forgotten. */
  get(key, make) {
    const value = this.kept.get(key) ?? make();
    this.kept.delete(key);
    this.kept.set(key, value);
    Promise.resolve(value).catch(() => this.kept.delete(key));
    if (this.kept.size > this.most) this.kept.delete(this.kept.keys().next().value);
    return value;
  }
}

const pictures = new Recent(kPictures);
const previews = new Recent(kPictures);
const explanations = new Recent(kPictures);
const volumes = new Recent(kVolumes);

const uploadOf = async (slice) => ({ body: await slice.read(), type: contentType(slice.name) });

// The server's picture of a slice that the browser cannot decode: in the answer already, or asked for.
async function fromServer(entry, model) {
  const given = entry.result?.picture;
  if (given) return pictureOfUrl(given);
  const answer = await predictNow(await uploadOf(entry.slice), { model });
  if (!answer.results[0].picture) throw new NotShown("the server has no picture of it");
  return pictureOfUrl(answer.results[0].picture);
}

// The orientation of a DICOM file whose pixels the browser cannot decode; undefined of others.
function orientationIn(bytes) {
  try {
    return orientationOf(readHeader(bytes));
  } catch {
    return undefined;
  }
}

/** The picture of an entry of a stack, with its `orientation` where known. Throws NotShown, or what the server says. */
export function pictureFor(entry, model) {
  if (!entry.slice) return Promise.reject(new NotShown("it is not in the archive under this name"));
  return pictures.get(entry.slice, async () => {
    let bytes;
    try {
      bytes = await entry.slice.read();
      return await pictureOf(bytes);
    } catch (problem) {
      if (!(problem instanceof NotShown) && !entry.result?.picture) throw problem;
      if (!entry.result || entry.result.error) throw problem;
      return { ...await fromServer(entry, model), orientation: bytes && orientationIn(bytes) };
    }
  });
}

/** The picture as the model sees it, or null: from the explanation or the prediction. */
export function modelPictureFor(entry, explanation) {
  const url = explanation?.picture ?? entry.result?.preview;
  return url ? previews.get(url, () => pictureOfUrl(url)) : null;
}

const bitmapOf = async (url) => {
  const bytes = Uint8Array.from(atob(url.slice(url.indexOf(",") + 1)), (c) => c.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
};

/** Whether an entry can have an explanation. */
export const canExplain = (entry) => explains() && Boolean(entry?.slice && entry.result && !entry.result.error);

/**
 * The entries of a stack that the model judged this one with, in their order and itself among them; null when the page has
 * not all of them. Pure.
 */
export function judgedWith(entry, stack) {
  const together = (entry.result.judged_with ?? [entry.index])
    .map((index) => stack.entries.find((one) => one.index === index));
  return together.every((one) => one?.slice) ? together : null;
}

// In the archive a slice is called by its place.
const nameAt = (place) => String(place).padStart(4, "0");

async function packed(entries) {
  const contents = await Promise.all(entries.map(({ slice }) => slice.read()));
  const files = contents.map((content, place) => ({ name: nameAt(place), blob: new Blob([content]) }));
  return { body: await makeZip(files), type: "application/zip" };
}

// The results of slices that were judged together, by their places; null as of explain().
async function explainedTogether(together, model, method) {
  if (together.length === 1) return explain(await uploadOf(together[0].slice), { model, method });
  return volumes.get(`${model?.name} ${model?.sha256} ${method} ${together.map(({ slice }) => keyOf(slice))}`, async () => {
    const results = await explain(await packed(together), { model, method });
    return results && together.map((_, place) => results.find(({ name }) => name === nameAt(place)));
  });
}

// Another verdict is on other slices, or their other order: its map says nothing of the one that is shown.
const isSameVerdict = (one, other) => one.class === other.class &&
  Object.entries(one.probabilities).every(([name, p]) => Math.abs(p - other.probabilities[name]) <= kSame);

/**
 * {explanation, lungs, heat, nodule} of an entry, explained with those that it was judged with; the layers as bitmaps, nodule
 * only of a model that outlines it; null as of explain(). Throws NotShown when the explanation is not of the entry's verdict.
 */
export function explanationFor(entry, together, model, method) {
  const key = `${model?.name} ${model?.sha256} ${method} ${together.map(({ slice }) => keyOf(slice))} ${keyOf(entry.slice)}`;
  return explanations.get(key, async () => {
    const result = (await explainedTogether(together, model, method))?.[together.indexOf(entry)];
    if (!result) return null;
    if (result.error) throw new NotShown(result.error.message);
    if (!isSameVerdict(entry.result, result)) throw new NotShown("it was judged otherwise this time");
    const { lungs, heat, nodule } = result.explanation;
    const maps = await Promise.all([lungs, heat, nodule?.outline].map((url) => url && bitmapOf(url)));
    return { explanation: result.explanation, lungs: maps[0], heat: maps[1], nodule: maps[2] };
  });
}

const keys = new WeakMap();
let nextKey = 0;
function keyOf(slice) {
  if (!keys.has(slice)) keys.set(slice, ++nextKey);
  return keys.get(slice);
}
