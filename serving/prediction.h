#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/image/input_statistics.h"
#include "core/image/slice.h"
#include "core/support/bytes.h"
#include "serving/isolation/decoded_slice.h"
#include "serving/zip_upload.h"

namespace pulmo::serving {

/// Why a file is of no use: code of reasons.h and a sentence, which may hold the file's name and is never logged.
struct Refusal {
  std::string code;
  std::string message;
};

/// One uploaded file, or one sample that needs no preparation.
struct Upload {
  std::string name;  ///< shown back to the client, never logged
  Bytes data;
  std::vector<std::uint16_t>
      sample{};  ///< unless empty, in place of `data`: C*S*S (C*D*S*S) values, as preprocess() makes them
  std::shared_ptr<ZipUpload>
      archive{};             ///< unless null, in place of `data`: a file in it, unpacked when its turn comes
  std::uint64_t member = 0;  ///< of the archive
  std::function<std::vector<std::uint16_t>()> compose{};  ///< unless empty, makes the sample when its turn comes
  std::optional<Refusal> refused{};                       ///< it is known already that nothing can be made of it
  std::size_t slices = 1;                                 ///< that its outcome settles, in Progress::done
};

struct SliceTimes {
  double wait_s = 0.0;  ///< for its turn to be decoded
  double decode_s = 0.0;
  double preprocess_s = 0.0;
  double queue_s = 0.0;  ///< for its batch
  double infer_s = 0.0;
  std::optional<double> explain_s{};  ///< of a prediction that was explained
};

/// The nodule, as a model that outlines nodules sees it: where p(nodule) is at least a half.
struct NoduleOutline {
  Bytes png;                         ///< RGBA: the outline
  int area_px = 0;                   ///< pixels of the model's view within it; 0: there is none
  double largest_probability = 0.0;  ///< p(nodule) of the surest pixel
};

/// What in a picture speaks for a class.
struct Explanation {
  std::string method;      ///< "grad_cam", "integrated_gradients" or "occlusion"
  std::string class_name;  ///< the class explained: the predicted one
  int rows = 0;            ///< of the pictures: the model's view
  int columns = 0;
  Bytes picture_png;  ///< grey: what the model sees
  Bytes lungs_png;    ///< RGBA: the outline of the lungs
  Bytes heat_png;     ///< RGBA: the map, opaque at its highest place; of a stack at that of all its slices
  /// The highest place; nullopt when the map is 0 everywhere.
  std::optional<cv::Point> peak;
  double inside_lungs = 0.0;  ///< share of the map
  /// Of a model of volumes: this slice's share of its stack's map.
  std::optional<double> share;
  /// nullopt when the model outlines no nodules.
  std::optional<NoduleOutline> nodule;
};

struct Prediction {
  std::string name;
  PixelKind kind = PixelKind::kHounsfield;
  std::string class_name;             ///< see choose_class()
  std::vector<double> probabilities;  ///< K, in the order of the model's classes
  double lung_fraction = 0.0;         ///< 0: not known, of a sample that came prepared
  InputStatistics input;              ///< of the picture as the model gets it
  bool unusual = false;               ///< the input lies outside of what the model was validated on; a warning says how
  std::vector<std::string> warnings;  ///< for people
  SliceTimes times;
  Bytes preview_png;  ///< when asked for: the preprocessed picture, as the model sees it
  Bytes picture_png;  ///< when asked for, of DICOM: the slice in the model's window, 512 pixels a side at most
  std::optional<Explanation> explanation;
  SlicePlace place{};                   ///< of DICOM
  std::vector<std::uint16_t> sample{};  ///< of PredictOptions::prepare_only: C*S*S values
  std::optional<double> attention{};    ///< share in the verdict on its stack, of a model that weighs slices
  std::vector<std::size_t> stack{};     ///< of a model of volumes: the outcomes judged together, in order, this one too
};

/// The file is at fault.
struct SliceFailure {
  std::string name;
  std::string code;     ///< of reasons.h
  std::string message;  ///< may hold the file's name: never logged
  SlicePlace place{};   ///< of DICOM that could be decoded
};

using SliceOutcome = std::variant<Prediction, SliceFailure>;

/// The server is at fault, or busy, or the client gave up: code of reasons.h (or "cancelled") and a sentence.
struct ServiceFailure {
  std::string code;
  std::string message;
};

/// One outcome per upload, in order; or why there are none.
using Answer = std::variant<std::vector<SliceOutcome>, ServiceFailure>;

/// How far a request has come, and whether it is still wanted. Thread-safe.
struct Progress {
  std::atomic<std::size_t> total{0};  ///< slices, as who asks has counted them
  std::atomic<std::size_t> done{0};   ///< of them, with an outcome: refused, or judged by the model
  std::atomic<bool> cancelled{false};
};

/// Where the slices of a request under way find room.
enum class Room {
  kQueue,       ///< in the queue, or the request is refused
  kQueueOrNot,  ///< they count in the queue, which they may overfill: what was let in once goes on
  kOwn,         ///< beside the queue, which others find as empty as before: the caller bounds such work
};

struct PredictOptions {
  std::size_t previews = 0;              ///< of the first so many slices, pictures too
  Room room = Room::kQueue;              ///< one request holds it for `per_request` slices, at most
  bool prepare_only = false;             ///< slices are described and made samples of, but not predicted
  std::shared_ptr<Progress> progress{};  ///< null: nobody asks
};

}  // namespace pulmo::serving
