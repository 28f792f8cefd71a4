// What to do with files: which are slices of one series, which are archives, which stand alone.
import { isDicom, readHeader } from "./dicom.js";
import { isZip, listZip, readEntry } from "./zip.js";
import { isLitter } from "./upload.js";

const kHeadBytes = 64 * 1024; // of a DICOM file, enough up to its pixels
const kMostAlone = 12; // more loose files than this go as one job
const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

/** A slice that can be read when it is wanted. */
const sliceOfFile = ({ name, file }) => ({ name, size: file.size, blob: file, read: () => bytesOf(file) });
const sliceOfEntry = (archive, entry) =>
  ({ name: entry.name, size: entry.size, read: () => readEntry(archive, entry) });

async function look(file) {
  const head = await bytesOf(file.slice(0, kHeadBytes));
  if (isZip(head)) return { zip: true };
  if (!isDicom(head)) return {};
  try {
    return { series: readHeader(head).series };
  } catch {
    return {}; // the server will say what is wrong
  }
}

const title = (files) => {
  const folder = files[0].name.includes("/") ? files[0].name.slice(0, files[0].name.lastIndexOf("/")) : "";
  return folder && files.every(({ name }) => name.startsWith(`${folder}/`)) ? folder : `${files.length} files`;
};

/** The slices in an archive, or none when the browser cannot look into it. */
export async function slicesOfZip(file) {
  try {
    const entries = (await listZip(file)).filter((entry) => entry.size > 0 && !isLitter(entry.name));
    return entries.map((entry) => sliceOfEntry(file, entry));
  } catch {
    return [];
  }
}

function alone(file) {
  return { title: file.name, slices: [sliceOfFile(file)], many: false };
}

function together(files, name = title(files)) {
  return { title: name, slices: files.map(sliceOfFile), many: true };
}

/**
 * Groups of files that are answered together: [{title, slices, many, zip?}]. Slices of a series, and everything when
 * there are very many files, make one group; an archive is one as it stands (`zip`).
 */
export async function groupsOf(files) {
  const series = new Map();
  const loose = [];
  const groups = [];
  for (const one of files) {
    const seen = await look(one.file).catch(() => ({}));
    if (seen.zip) groups.push({ title: one.name, slices: await slicesOfZip(one.file), many: true, zip: one.file });
    else if (seen.series) series.set(seen.series, [...(series.get(seen.series) ?? []), one]);
    else loose.push(one);
  }
  for (const slices of series.values()) {
    if (slices.length > 1) groups.push(together(slices, `Series: ${title(slices)}`));
    else loose.push(slices[0]);
  }
  if (loose.length > kMostAlone) groups.push(together(loose));
  else groups.push(...loose.map(alone));
  return groups;
}
