#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

namespace pulmo::pipeline {

struct PhantomOptions {
  int patients = 24;  ///< 1 to 9999
  std::uint64_t seed = 1;
  int matrix_px = 512;  ///< side of a slice, 64 to 1024
  int slices = 0;       ///< per scan, 8 to 400; 0: as many as the scanner's own slice spacing asks for (33 to 54)
  int threads = 0;      ///< 0: one per core. The bytes written do not depend on it
  /// Told after each patient, from any thread but never from two at once. May be empty; what it throws ends
  /// the work and is thrown again.
  std::function<void(int done, int total)> progress;
};

/// Writes a synthetic archive in the manner of LIDC-IDRI (docs/phantom.md):
///   OUTPUT/phantom.yaml                    what it was made with
///   OUTPUT/images/PULMO-0001/1/001.dcm ... one CT series a patient, CT Image Storage
///   OUTPUT/annotations/001.xml ...         one LidcReadMessage a series: four readers
///   OUTPUT/truth.csv                       every lesion as drawn; written last, so that it marks a complete archive
/// The same options give the same bytes. OUTPUT must be missing or empty, or hold a phantom made with the same options
/// by the same version: that one is completed (an interrupted run is repeated by the same command).
/// Throws InvalidInput: "configuration" (an option out of range), "output_not_empty"; IoError.
void write_phantom(const PhantomOptions& options, const std::filesystem::path& output);

/// Manufacturer (0008,0070) of every phantom slice begins with this.
inline constexpr const char* kPhantomManufacturer = "pulmo phantom";

}  // namespace pulmo::pipeline
