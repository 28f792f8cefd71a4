// Files out of drops, pickers and folders, as [{name, file}]; names of files in folders carry their path.

const kMost = 4096;
const kNoPicture = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini|dicomdir|__macosx\/.*)$/i;

/** Whether a path is one of the companions that systems leave in folders. */
export const isLitter = (path) => kNoPicture.test(path);

const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
const some = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));

async function walk(entry, prefix, found) {
  if (found.length >= kMost) return;
  const name = prefix + entry.name;
  if (entry.isFile) {
    if (!isLitter(name)) found.push({ name, file: await fileOf(entry) });
    return;
  }
  const reader = entry.createReader();
  // A browser gives a hundred at a time.
  for (let entries = await some(reader); entries.length > 0; entries = await some(reader)) {
    for (const inner of entries) await walk(inner, `${name}/`, found);
  }
}

/** What was dropped, folders walked through. Must be called within the drop event. */
export async function filesOfDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = [...transfer.files];
  if (entries.length === 0 || entries.includes(null)) return plain.map((file) => ({ name: file.name, file }));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return byName(found);
}

/** What a picker of files or of a folder gave. */
export function filesOfPicker(input) {
  const files = [...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));
  return byName(files.filter(({ name }) => !isLitter(name)).slice(0, kMost));
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
