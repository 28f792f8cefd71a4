#include "pipeline/inspection/reasons.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace pulmo::pipeline {
namespace {

using Meaning = std::pair<std::string_view, std::string_view>;

// Sorted by reason.
constexpr auto kMeanings = std::to_array<Meaning>({
    {"ambiguous_nodules", "Outlines of neighbouring nodules touch, so that they cannot be told apart: taken as one."},
    {"bad_pixel_format", "The pixels are stored in a way that no CT image uses (bits, colours, rescale, frames)."},
    {"bad_rating",
     "A malignancy beyond the LIDC scale of 1 to 5: the outline counts as a mark only. Look at the annotation."},
    {"bad_spacing", "The series says its pixels are less than 0.01 or more than 10 mm wide: not to be believed."},
    {"benign_nodule", "Cuts a nodule that the readers call benign, and no malignant one; see labels.benign_class."},
    {"beyond_max_slices", "The nodule gave its share of slices already (nodule.max_slices)."},
    {"constant_image", "Every pixel has the same value: there is nothing to see."},
    {"contour_outside_image", "A reader's outline leaves the picture; what lies outside was cut off."},
    {"corrupt_zip", "The zip archive, or one file in it, is damaged: copy or download it again."},
    {"derived_reformat",
     "Computed from the scan (reformat, projection, rendering), not scanned: the scan itself is used."},
    {"duplicate_instance", "The same DICOM object lies in the input twice; one copy is used."},
    {"duplicate_position", "Two slices of a series lie at one place; the one with the smaller number is used."},
    {"duplicate_reading", "An annotation file that is there twice; it is read once."},
    {"encrypted_zip", "The zip is encrypted: unpack it with its password first."},
    {"few_normals", "There were fewer normal slices to draw from than were asked for."},
    {"further_file_of_a_series", "A further annotation file about a series; the files were put together."},
    {"gap", "Slices are missing inside of a series; it is used all the same."},
    {"localizer", "A scout view for planning the scan, not an axial slice."},
    {"malformed_xml", "Not readable XML, or an annotation without a series or without coordinates."},
    {"mark_without_consensus", "Carries a reader's mark, but no nodule that half of the readers agree on."},
    {"mask_size", "The mask has another size than its picture."},
    {"missing_file", "The list names a file that does not exist."},
    {"mixed_geometry", "A slice has another size, pixel spacing or orientation than most of its series."},
    {"mixed_patient", "One series names several patients: it cannot be trusted."},
    {"multi_frame",
     "A listed picture of several frames: list a file for each slice, or prepare the series as an archive."},
    {"multi_frame_without_positions",
     "A picture of several frames that does not say where each of them lies in the patient."},
    {"near_mark", "Too close to a reader's mark to be called normal (labels.margin_mm)."},
    {"nested_zip", "A zip inside a zip: unpack the outer one first."},
    {"no_consensus", "On no slice do half of the readers agree on enough pixels (labels.min_nodule_px)."},
    {"no_lung", "No lung was found in the slice (preprocess.min_lung_fraction)."},
    {"no_patient", "The series does not say which patient it is of, so that it cannot be split by patient."},
    {"no_pixel_data", "The DICOM object holds no picture."},
    {"no_position", "The slice does not say where in the patient it lies."},
    {"no_reading", "CT series, with their slices, that no annotation file is about."},
    {"no_series", "Annotations about series that are not among the images."},
    {"no_spacing", "The series does not say its pixel spacing, so that nothing can be measured in it."},
    {"no_such_frame", "The picture has fewer frames than its header says."},
    {"no_uid", "The slice has no SOP Instance UID, by which annotations and samples name it."},
    {"nodule_outside_lungs", "Most of an outlined nodule lies outside of the lung mask: look at the slice."},
    {"not_axial", "The slices are not axial (more than 30 degrees off): coronal or sagittal views."},
    {"not_ct_storage", "Says it is CT, but is no CT image: a report, a segmentation, a presentation state."},
    {"not_dicom", "Named like a DICOM file, but none."},
    {"not_drawn", "Normal, but enough normal slices of its height in the chest had been drawn."},
    {"not_finite", "A pixel value is not a number."},
    {"not_in_split_file", "Of a patient that the split file does not name."},
    {"not_lidc_xml", "XML, but no LIDC annotation."},
    {"not_text",
     "A patient's or series' identifier is no UTF-8 text, so that it cannot be stored: mend the file's character set."},
    {"other_file", "Neither an image nor an annotation: licences, listings, notes."},
    {"radiograph_reading", "An annotation of a chest radiograph; only CT is used."},
    {"secondary_capture", "A screen shot or a scanned film: no Hounsfield units."},
    {"tilted_gantry", "Scanned with a tilted gantry; positions are measured along the tilted axis."},
    {"too_few_readers", "Fewer readers outlined the nodule than are asked for (labels.min_readers)."},
    {"too_large", "Larger than any CT picture or annotation: refused before it is unpacked."},
    {"too_small", "The picture has too few pixels to be a slice."},
    {"truncated_dicom", "The DICOM file breaks off or is damaged: copy or download it again."},
    {"truncated_image", "The picture breaks off or is damaged: copy it again."},
    {"undecided_nodule", "The readers' consensus is 3 of 5, neither benign nor malignant."},
    {"unknown_format", "Neither DICOM nor PNG nor JPEG."},
    {"unmatched_roi", "A reader's mark lies on no slice of its series."},
    {"unrated_mark", "A reader's outline lacks ratings; it keeps slices from being normal, but makes no nodule."},
    {"unreadable", "The file could not be read: permissions, a broken link, a failing disk."},
    {"unsupported_transfer_syntax", "Compressed in a way that is not supported: convert the file first."},
    {"wrong_modality", "Not a CT image."},
    {"zip_bomb", "Unpacks to far more than it should: refused before it is unpacked."},
});

constexpr bool sorted_by_reason() {
  for (std::size_t i = 1; i < kMeanings.size(); ++i) {
    if (kMeanings[i - 1].first >= kMeanings[i].first) return false;
  }
  return true;
}
static_assert(sorted_by_reason());

constexpr std::string_view kNoLung = "no_lung_";
constexpr std::string_view kModality = "modality_";

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

}  // namespace

std::string explain_reason(std::string_view reason) {
  const auto found = std::lower_bound(kMeanings.begin(), kMeanings.end(), reason,
                                      [](const Meaning& meaning, std::string_view key) { return meaning.first < key; });
  if (found != kMeanings.end() && found->first == reason) return std::string(found->second);
  if (reason.starts_with(kNoLung)) {
    return "Would have been " + std::string(reason.substr(kNoLung.size())) + ", but no lung was found in it.";
  }
  if (!reason.starts_with(kModality)) return "";
  const std::string_view modality = reason.substr(kModality.size());
  if (modality == "unknown") return "Does not say how it was made (no modality).";
  return "Of another modality than CT: " + upper(modality) + ".";
}

}  // namespace pulmo::pipeline
