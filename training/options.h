#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/model/device.h"
#include "core/model/forest.h"
#include "core/model/svm.h"
#include "training/augment.h"
#include "training/evaluation/prediction.h"
#include "training/schedule.h"

namespace pulmo::training {

enum class Precision {
  kAuto,  ///< bf16 where every rank's card or processor is clearly faster in it, else fp32
  kFp32,
  kBf16,  ///< activations and gradients in bf16, weights kept and updated in fp32
  kFp64,  ///< to check the others against
};
/// "auto", "fp32", "bf16", "fp64".
std::string to_string(Precision precision);

enum class ClassWeights {
  kNone,
  kBalanced,  ///< N / (K * N_class): each class weighs the same in the loss
};

/// How gradients travel between ranks.
enum class ExchangeType {
  kFp32,
  kBf16,  ///< half the traffic, a rounding at each addition
};
enum class ExchangeChoice {
  kAuto,  ///< where it pays: docs/train.md
  kOn,
  kOff,
};
struct ExchangeOptions {
  ExchangeType type = ExchangeType::kFp32;
  ExchangeChoice overlap = ExchangeChoice::kAuto;  ///< while backward runs; auto: where a core is to spare
  ExchangeChoice factors = ExchangeChoice::kAuto;  ///< of dense layers; auto: by factors_are_cheaper()
};

struct ModelOptions {
  std::string name = "proposed_cnn";
  double dropout = 0.5;
  std::int64_t stack_slices = 7;  ///< D of the rows of volumes where slices are prepared
  double outline_weight = 1.0;    ///< of the readers' outlines in the loss of a row that learns them
};

struct TrainingOptions {
  std::int64_t epochs = 50;
  std::int64_t batch_size = 32;  ///< of all ranks together
  std::int64_t accumulate = 1;   ///< a rank's share of a batch goes through the network in so many pieces
  std::uint64_t seed = 0;
  Precision precision = Precision::kAuto;
  ClassWeights class_weights = ClassWeights::kNone;
  double focal_gamma = 0.0;    ///< focal loss (Lin et al. 2017): errors count (1 - p)^gamma; 0: cross-entropy
  double gradient_clip = 0.0;  ///< longest gradient of a global batch (2-norm over all weights); 0: any
  double ema_decay = 0.0;      ///< of the moving average of the weights (WeightAverage); 0: none
  std::int64_t early_stopping_epochs = 0;  ///< stop after this many epochs without a better validation; 0: never
};

/// Adam (Kingma, Ba 2015) with decoupled weight decay (Loshchilov, Hutter 2019).
struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
};

/// Of the rows that begin with a pretrained network (core/model/backbone.h).
struct TransferOptions {
  std::string squeezenet;          ///< weight file of SqueezeNet 1.1
  std::string resnet3d;            ///< weight file of ResNet3D-18, or of the 2D ResNet-18
  std::string resnet18;            ///< weight file of ResNet-18
  std::string densenet121;         ///< weight file of DenseNet-121
  std::int64_t frozen_epochs = 2;  ///< in which only the classifier learns
  double backbone_rate = 0.1;      ///< then the backbone's share of the learning rate
};

struct ComputeOptions {
  DeviceChoice device = DeviceChoice::kAuto;
  std::int64_t threads = 0;           ///< of one rank; 0: threads_for_rank() decides
  std::int64_t cache_mib = 2048;      ///< images kept in memory by one rank, MiB; 0: read from disk every epoch
  std::int64_t prefetch_batches = 4;  ///< prepared ahead of the step
};

struct CheckpointOptions {
  std::int64_t every_epochs = 1;
  std::int64_t every_steps = 0;  ///< also within an epoch; 0: only at its end
  std::int64_t keep = 2;         ///< newest ones kept
};

/// Who looks on while rank 0 trains.
struct WatchOptions {
  bool tensorboard = true;                  ///< event files in RUN/tensorboard/
  std::int64_t every_steps = 10;            ///< of the scalars of single steps in them
  std::string metrics_address = "0.0.0.0";  ///< where the Prometheus metrics are offered
  std::int64_t metrics_port = 0;            ///< 0: not offered
  std::string push_url;                     ///< of a Prometheus push gateway, "http://host:9091"; empty: none
  double push_seconds = 15.0;               ///< between pushes
};

struct EvaluationOptions {
  std::int64_t batch_size = 64;                       ///< of one rank
  std::int64_t bootstrap = 1000;                      ///< resamples of the 95 % intervals
  bool verify_shards = true;                          ///< SHA-256 of each shard against the manifest, once at start
  SliceWeights slice_weights = SliceWeights::kEqual;  ///< of a nodule's probability; else than equal only for nodules
};

/// Everything that `pulmo-train fit` can be told; the defaults are the paper's (docs/models.md).
struct FitOptions {
  ModelOptions model;
  TrainingOptions training;
  ScheduleOptions schedule;
  AdamOptions adam;
  AugmentOptions augmentation;
  TransferOptions transfer;
  ExchangeOptions exchange;
  ComputeOptions compute;
  CheckpointOptions checkpoint;
  EvaluationOptions evaluation;
  WatchOptions watch;
};

struct CompareOptions {
  std::vector<std::string> rows = {"majority", "svm", "forest", "conventional_cnn", "proposed_cnn"};
  std::string reference = "proposed_cnn";  ///< what the other rows are tested against
  std::int64_t folds = 0;                  ///< patient folds of a cross-validation; 0: the split as prepared
  double fold_validation = 0.125;          ///< of a fold's patients outside its test part
  std::int64_t faithfulness = 0;  ///< test samples that each network row's explanations are measured on; 0: not
  SvmOptions svm;                 ///< seed and threads come from the run
  ForestOptions forest;           ///< likewise
  FitOptions fit;                 ///< of every network row; fit.model.name is the row
  /// `fit` of the rows that differ from it in model, training, schedule, optimizer or augmentation.
  std::map<std::string, FitOptions> row_settings;
};

/// What `pulmo-train evaluate` can be told.
struct EvaluateOptions {
  DeviceChoice device = DeviceChoice::kAuto;
  std::int64_t threads = 0;  ///< as in ComputeOptions
  std::uint64_t seed = 0;    ///< of the bootstrap
  EvaluationOptions evaluation;
};

/// Reads a configuration strictly, `overrides` as in load_yaml(); an empty path gives the defaults. Throws
/// InvalidInput("configuration"), IoError.
FitOptions read_fit_options(const std::filesystem::path& file, const std::vector<std::string>& overrides);
CompareOptions read_compare_options(const std::filesystem::path& file, const std::vector<std::string>& overrides);
EvaluateOptions read_evaluate_options(const std::filesystem::path& file, const std::vector<std::string>& overrides);

/// The effective configuration with every key; reading it back gives the same options.
std::string to_yaml(const FitOptions& options);
std::string to_yaml(const CompareOptions& options);
std::string to_yaml(const EvaluateOptions& options);

/// What the network row of a comparison is trained by.
FitOptions options_of_row(const CompareOptions& options, const std::string& row);

/// The key below `transfer` that names the weight file of a network row; empty for a row that has none.
std::string weights_key(const std::string& row);
/// In its place: the row starts from nothing.
inline constexpr const char* kNoWeights = "none";
/// In its place below `transfer.resnet3d`, in compare: the bundle of the row resnet18, trained before on the same part.
inline constexpr const char* kResnet18Row = "row:resnet18";
/// The weight file that the network row of these options starts from, or kNoWeights; empty where none is named.
std::string weights_file(const FitOptions& options);
/// The same of a row that needs one. Throws InvalidInput("configuration") where none is named, or kResnet18Row.
std::string named_weights(const FitOptions& options);

/// SHA-256 over the settings that decide the result (model, training but for `accumulate`, schedule, optimizer,
/// augmentation) and the data:
/// two runs with the same identity on the same processor train the same weights, up to the rounding of sums.
/// Where a weight file is configured for the row, its content counts too: throws IoError when it cannot be read.
std::string run_identity(const FitOptions& options, const std::string& data_digest);
/// The same of a row that is no network: its name and the seed, for "svm" and "forest" also their search.
std::string classical_identity(const std::string& row, const CompareOptions& options, const std::string& data_digest);

}  // namespace pulmo::training
