// Files out of drops, pickers and folders, as {files: [{name, file}], unread, left}. Names of files in folders carry
// their path; `unread` counts what the browser could not read, `left` the files beyond kMost.
import { count } from "./words.js";

const kMost = 4096;
const kNoPicture = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini|dicomdir|__macosx\/.*)$/i;

/** Whether a path is one of the companions that systems leave in folders. */
export const isLitter = (path) => kNoPicture.test(path);

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
const some = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

// Never throws: what cannot be read costs no more than itself.
async function walk(entry, prefix, found) {
  const name = prefix + entry.name;
  if (entry.isFile && isLitter(name)) return;
  if (entry.isFile && found.files.length >= kMost) {
    ++found.left;
    return;
  }
  try {
    if (entry.isFile) {
      found.files.push({ name, file: await fileOf(entry) });
      return;
    }
    const reader = entry.createReader();
    // A browser gives a hundred at a time.
    for (let entries = await some(reader); entries.length > 0; entries = await some(reader)) {
      for (const inner of entries) await walk(inner, `${name}/`, found);
    }
  } catch {
    ++found.unread;
  }
}

/** What is to be said of the files that are not looked at: a sentence each, none when every file is. Pure. */
export function missing({ unread, left }) {
  return [unread > 0 && `${count(unread, "file or folder", "files or folders")} could not be read.`,
    left > 0 && `${count(left, "file")} left out: no more than ${kMost} are taken at a time.`].filter(Boolean);
}

/** What was dropped, folders walked through. Must be called within the drop event. */
export async function filesOfDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (entries.length === 0 || entries.includes(null)) return taken(plain.map((file) => ({ name: file.name, file })));
  const found = { files: [], unread: 0, left: 0 };
  for (const entry of entries) await walk(entry, "", found);
  byName(found.files);
  return found;
}

const taken = (files) => ({ files: files.slice(0, kMost), unread: 0, left: Math.max(0, files.length - kMost) });

/** What a picker of files or of a folder gave. */
export function filesOfPicker(input) {
  const files = [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
  const found = taken(files.filter(({ name }) => !isLitter(name)));
  byName(found.files);
  return found;
}

const order = new Intl.Collator("en", { numeric: true });
const byName = (files) => files.sort((a, b) => order.compare(a.name, b.name));

/** Lets files be dropped anywhere on the page, and shows where. */
export function listenForDrops(target, onfiles) {
  let depth = 0;
  const light = (change) => {
    depth = Math.max(0, depth + change);
    target.classList.toggle("over", depth > 0);
  };
  window.addEventListener("dragenter", (event) => { event.preventDefault(); light(1); });
  window.addEventListener("dragleave", () => light(-1));
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    light(-depth);
    filesOfDrop(event.dataTransfer).then(onfiles);
  });
}
