// Zip archives in the browser: looked into without unpacking all, and made of a folder's files. APPNOTE.TXT 4.3.
// Archives of more than 4 GiB (zip64) are left to the server.

const kEntryBytes = 64 * 1024 * 1024;
const kEntries = 4096;
const kTail = 22 + 65535; // the end record and the longest comment
const kUtf8Name = 0x0800; // of the general purpose flag
const kPathField = 0x7075; // Info-ZIP's Unicode Path Extra Field, APPNOTE 4.6.9
// Code page 437 from 0x80 on (APPNOTE appendix D).
const kCp437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩" +
  "≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";

/** The server may still take the archive. */
export class NotRead extends Error {}

/** Whether the bytes begin as a zip archive. */
export function isZip(bytes) {
  return bytes.length >= 4 && bytes[0] === 0x50 && bytes[1] === 0x4b && (bytes[2] === 3 || bytes[2] === 5);
}

const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

async function directoryOf(blob) {
  const start = Math.max(0, blob.size - kTail);
  const view = viewOf(await bytesOf(blob.slice(start)));
  let at = view.byteLength - 22;
  while (at >= 0 && view.getUint32(at, true) !== 0x06054b50) --at;
  if (at < 0) throw new NotRead("no end of archive");
  const count = view.getUint16(at + 10, true);
  const size = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  if (count === 0xffff || offset === 0xffffffff) throw new NotRead("zip64");
  if (count > kEntries) throw new NotRead("too many files");
  return { count, bytes: await bytesOf(blob.slice(offset, offset + size)) };
}

// The name that an extra field gives to the file of this name, or null.
function pathOf(extra, nameBytes) {
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.length; at += 4 + view.getUint16(at + 2, true)) {
    const end = at + 4 + view.getUint16(at + 2, true);
    if (view.getUint16(at, true) !== kPathField || end < at + 9 || end > extra.length) continue;
    if (extra[at + 4] === 1 && view.getUint32(at + 5, true) === crc32(nameBytes)) return extra.subarray(at + 9, end);
  }
  return null;
}

/**
 * The name of a file as the server's libzip reads it, since results are found by name: what is valid UTF-8 is taken for
 * that, flagged or not, the rest for code page 437. Pure.
 */
export function decodeName(flags, nameBytes, extra = new Uint8Array()) {
  const bytes = pathOf(extra, nameBytes) ?? nameBytes;
  try {
    return new TextDecoder("utf-8", { fatal: (flags & kUtf8Name) === 0, ignoreBOM: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => (byte < 0x80 ? String.fromCharCode(byte) : kCp437[byte - 0x80])).join("");
  }
}

/** The files of an archive in its order: [{name, size, method, packed, offset}]. Throws NotRead. */
export async function listZip(blob) {
  const { count, bytes } = await directoryOf(blob);
  const view = viewOf(bytes);
  const entries = [];
  for (let i = 0, at = 0; i < count; ++i) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50) throw new NotRead("a broken directory");
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((k) => view.getUint16(at + k, true));
    const extraAt = at + 46 + nameLength;
    const name = decodeName(view.getUint16(at + 8, true), bytes.subarray(at + 46, extraAt),
      bytes.subarray(extraAt, extraAt + extraLength));
    entries.push({
      name, method: view.getUint16(at + 10, true), packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true), offset: view.getUint32(at + 42, true),
    });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return entries.filter((entry) => !entry.name.endsWith("/"));
}

/** The bytes of one file. Throws NotRead, also when it holds more than it says. */
export async function readEntry(blob, entry) {
  if (entry.size > kEntryBytes) throw new NotRead("too large");
  const head = viewOf(await bytesOf(blob.slice(entry.offset, entry.offset + 30)));
  if (head.byteLength < 30 || head.getUint32(0, true) !== 0x04034b50) throw new NotRead("a broken file head");
  const at = entry.offset + 30 + head.getUint16(26, true) + head.getUint16(28, true);
  const packed = blob.slice(at, at + entry.packed);
  if (entry.method === 0) return bytesOf(packed);
  if (entry.method !== 8) throw new NotRead("packed in an unknown way");
  const reader = packed.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const bytes = new Uint8Array(entry.size);
  let filled = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (filled + part.value.length > entry.size) throw new NotRead("more than it says");
    bytes.set(part.value, filled);
    filled += part.value.length;
  }
  return bytes.subarray(0, filled);
}

const kCrcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i;
  for (let bit = 0; bit < 8; ++bit) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** CRC-32 of IEEE 802.3, as zip has it. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; ++i) crc = kCrcTable[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// The fields that the head of a file and its entry in the directory share.
function shared({ nameBytes, crc, packed, size }) {
  const view = new DataView(new ArrayBuffer(26));
  view.setUint16(0, 20, true); // version needed: deflate
  view.setUint16(2, kUtf8Name, true);
  view.setUint16(4, 8, true); // deflate
  view.setUint16(8, 0x21, true); // 1980-01-01: the files' own times tell nothing here
  view.setUint32(10, crc, true);
  view.setUint32(14, packed, true);
  view.setUint32(18, size, true);
  view.setUint16(22, nameBytes.length, true);
  return view.buffer;
}

function record(signature, length, fields) {
  const view = new DataView(new ArrayBuffer(length));
  view.setUint32(0, signature, true);
  for (const [at, bits, value] of fields) view[`setUint${bits}`](at, value, true);
  return view.buffer;
}

/** An archive of [{name, blob}]; `onprogress(done, total)` after each. */
export async function makeZip(files, onprogress = () => {}) {
  const parts = [];
  const directory = [];
  let offset = 0;
  for (const [index, { name, blob }] of files.entries()) {
    const bytes = await bytesOf(blob);
    const packed = await new Response(blob.stream().pipeThrough(new CompressionStream("deflate-raw"))).blob();
    const nameBytes = new TextEncoder().encode(name);
    const fields = shared({ nameBytes, crc: crc32(bytes), packed: packed.size, size: bytes.length });
    parts.push(record(0x04034b50, 4, []), fields, nameBytes, packed);
    directory.push(record(0x02014b50, 6, [[4, 16, 20]]), fields, record(0, 14, [[10, 32, offset]]), nameBytes);
    offset += 30 + nameBytes.length + packed.size;
    onprogress(index + 1, files.length);
  }
  const size = new Blob(directory).size;
  const end = record(0x06054b50, 22, [[8, 16, files.length], [10, 16, files.length], [12, 32, size], [16, 32, offset]]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
