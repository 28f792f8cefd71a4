// What the page says for each error code of the server (reasons.h), in words for people.
const kSentences = {
  unsupported_type: "This file is neither DICOM nor PNG nor JPEG.",
  unknown_format: "This file is neither DICOM nor PNG nor JPEG.",
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
  empty_body: "The file is empty.",
  no_file: "The file is empty.",
  too_large: "The file is larger than the server takes.",
  timeout: "The upload took too long.",
  queue_full: "The server is busy. Try again in a moment.",
  deadline: "The server is busy. Try again in a moment.",
  upload_budget: "The server is busy. Try again in a moment.",
  too_many_connections: "The server is busy. Try again in a moment.",
  shutting_down: "The server is shutting down. Try again in a moment.",
  unreachable: "The server cannot be reached. Is it still running?",
};

export function sentence(code) {
  return kSentences[code] ?? "Something went wrong on the server.";
}

// Codes after which the same file may well succeed.
export function passing(code) {
  return ["queue_full", "deadline", "upload_budget", "too_many_connections", "shutting_down", "unreachable", "timeout",
    "internal", "model_failed"].includes(code);
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
