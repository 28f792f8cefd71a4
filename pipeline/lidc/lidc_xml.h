#pragma once

#include <array>
#include <opencv2/core/types.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo::pipeline {

/// The nine characteristics in the order of the LIDC XML schema.
enum class Characteristic {
  kSubtlety,
  kInternalStructure,
  kCalcification,
  kSphericity,
  kMargin,
  kLobulation,
  kSpiculation,
  kTexture,
  kMalignancy
};
inline constexpr std::size_t kCharacteristics = 9;
inline constexpr int kHighestMalignancy = 5;

/// One reader's ratings of one nodule, 1 to 5 (calcification to 6), as they stand in the file, where odd values occur.
/// 0 stands for absent, blank or not a number.
struct Ratings {
  std::array<int, kCharacteristics> values{};

  int operator[](Characteristic which) const { return values[static_cast<std::size_t>(which)]; }
  int malignancy() const { return (*this)[Characteristic::kMalignancy]; }
  bool off_scale() const { return malignancy() < 0 || malignancy() > kHighestMalignancy; }
  /// All nine are there, the condition under which pylidc counts a reader's mark, and malignancy is on its scale.
  bool complete() const;
};

/// One closed contour on one slice, pixel columns and rows (x, y) from 0. A contour runs along the first pixels outside
/// of the nodule: the boundary pixels are not part of it (LIDC-IDRI, Armato et al. 2011). inclusion false: a hole.
struct LidcRoi {
  double z_mm = 0.0;
  std::string sop_uid;
  bool inclusion = true;
  std::vector<cv::Point> outline;
};

/// One reader's mark of one nodule. A nodule below 3 mm is a single point without ratings.
struct LidcNoduleMark {
  std::string id;
  std::vector<LidcRoi> rois;
  std::optional<Ratings> ratings;

  /// Outlined (some contour of more than one point) and fully rated: it takes part in the consensus.
  bool rated() const;
  bool outlined() const;
};

/// Something a reader marked as "no nodule, 3 mm or larger".
struct LidcNonNodule {
  double z_mm = 0.0;
  std::string sop_uid;
  cv::Point locus;
};

struct LidcSession {
  std::string file;  ///< that it stands in, for messages
  std::vector<LidcNoduleMark> nodules;
  std::vector<LidcNonNodule> non_nodules;
};

/// The readings of one CT series, one session a reader. Readers are anonymous and unordered between series.
struct LidcReading {
  std::string series_uid;
  std::string serviced;  ///< "YYYY-MM-DD HH:MM:SS" of the reading; may be empty
  std::vector<LidcSession> sessions;
};

/// Reads one LIDC annotation file. nullopt: a chest radiograph reading (root IdriReadMessage), which is not ours and is
/// told by its root alone. Entities are not expanded. Unknown elements are ignored.
/// Throws InvalidInput: malformed_xml (not XML, no series UID, a contour without coordinates), not_lidc_xml (another
/// root). Pure function, thread-safe.
std::optional<LidcReading> parse_lidc_xml(ByteView xml, std::string_view name);

/// One reading from several files about the same series: together when they hold four sessions or fewer (each file some
/// of the readers), else the one serviced last (a resubmission replaces the earlier file; ties: the later in `files`).
/// `files` must not be empty and be about one series.
LidcReading combine_readings(std::vector<LidcReading> files);

}  // namespace pulmo::pipeline
