// What the page says for each error code of the server (reasons.h), in words for people, and how it writes numbers.
const kBusy = "The server is busy. Try again in a moment.";
const kSentences = {
  unsupported_type: "This file is neither DICOM nor PNG nor JPEG nor a zip of them.",
  unknown_format: "This file is neither DICOM nor PNG nor JPEG nor a zip of them.",
  truncated_image: "The picture is cut off or damaged.",
  truncated_dicom: "The DICOM file is cut off or damaged.",
  not_dicom: "The DICOM file cannot be read.",
  picture_too_large: "The picture has more pixels than the server takes.",
  wrong_modality: "This is not a CT slice. Only CT is understood here.",
  no_pixel_data: "The DICOM file holds no picture.",
  bad_pixel_format: "The DICOM file stores its pixels in a way that is not understood.",
  unsupported_transfer_syntax: "The DICOM file is compressed in a way that is not understood.",
  constant_image: "The picture is of one single shade: there is nothing to see.",
  no_lung: "No lung was found. Send an axial slice through the chest.",
  too_small: "The picture is too small.",
  not_finite: "The picture holds values that are no numbers.",
  unusable: "The slice cannot be used.",
  localizer: "This is a localizer, not a slice.",
  not_axial: "This is not an axial slice. Only axial ones are understood here.",
  decoder_failed: "The file broke its decoder. Nothing else was harmed.",
  decoder_memory: "The file takes more memory to decode than the server gives it.",
  decoder_timeout: "The file takes longer to decode than the server waits.",
  no_gradients: "This model cannot say where it looks in this way.",
  one_slice: "One slice at a time can be explained.",
  needs_cubes: "This model takes prepared cubes around nodules, no slices. Choose another one.",
  one_stack: "The slices of one stack at a time can be explained.",
  empty_body: "The file is empty.",
  no_file: "The file is empty.",
  no_picture: "There is no DICOM, PNG or JPEG file in this archive.",
  corrupt_zip: "The zip archive is cut off or damaged.",
  encrypted_zip: "The zip archive is locked with a password.",
  nested_zip: "There is a zip archive inside the archive. Unpack it first.",
  zip_bomb: "The zip archive unpacks to more than the server takes.",
  too_large: "This is larger than the server takes.",
  too_many_parts: "These are more files than the server takes at once.",
  too_many_slices: "These are more slices than the server takes at once.",
  timeout: "The upload took too long.",
  unauthorized: "The server asks for an API key.",
  rate_limited: "Too many requests came from here. Try again in a moment.",
  unknown_model: "The server no longer has this model. Choose another one.",
  model_failed: "The model failed on this picture.",
  queue_full: kBusy,
  deadline: kBusy,
  upload_budget: kBusy,
  too_many_connections: kBusy,
  too_many_jobs: kBusy,
  decoder_unavailable: kBusy,
  not_ready: "The server is not ready yet. Try again in a moment.",
  shutting_down: "The server is shutting down. Try again in a moment.",
  unreachable: "The server cannot be reached. Is it still running?",
  unknown_job: "The server no longer knows this job.",
  cancelled: "Cancelled.",
  unreadable: "The browser could not read this file.",
};

/** A sentence for an error code; a general one for a code that is not known here. */
export function sentence(code) {
  return kSentences[code] ?? "Something went wrong on the server.";
}

/** Whether the same file may well succeed later. */
export function passing(code) {
  return kSentences[code] === kBusy || ["shutting_down", "not_ready", "unreachable", "timeout", "internal",
    "model_failed", "rate_limited", "unauthorized", "unknown_model", "unknown_job", "cancelled"].includes(code);
}

/** Of a slice that is not in the usual view. */
export const kTurned = "This slice is stored turned or mirrored against the usual view; the model was trained on slices as " +
  "they are usually stored.";

/** Of files that the server did not look at: a sentence, or "" when there are none. */
export function skippedFiles(n) {
  return n > 0 ? `${count(n, "file")} ${n === 1 ? "was" : "were"} not looked at: neither DICOM nor PNG nor JPEG.` : "";
}

export function percent(value) {
  const scaled = value * 100;
  if (scaled > 99.9 && scaled < 100) return "> 99.9 %";
  if (scaled < 0.1 && scaled > 0) return "< 0.1 %";
  return `${scaled.toFixed(1)} %`;
}

export function milliseconds(value) {
  return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

export function seconds(value) {
  return value === 1 ? "1 second" : `${value} seconds`;
}

/** A position along the body, with a real minus. */
export function position(mm) {
  return `${mm < 0 ? "\u2212" : ""}${Math.abs(mm).toFixed(1)} mm`;
}

/** "1 slice", "2 slices". */
export function count(n, noun, nouns = `${noun}s`) {
  return `${n} ${n === 1 ? noun : nouns}`;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A sentence of the server's, begun with a capital and ended with a stop. */
export function full(text) {
  return capital(text).replace(/[^.!?]$/, "$&.");
}
