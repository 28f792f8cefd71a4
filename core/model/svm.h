#pragma once

#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/feature_rows.h"
#include "core/model/platt.h"

namespace torch::jit {
struct Module;
}

namespace pulmo {

/// What is tried, and how. The pair with the highest mean ROC-AUC over the folds is taken.
struct SvmOptions {
  std::vector<double> c_grid = {0.3, 1.0, 3.0, 10.0, 30.0};
  std::vector<double> gamma_grid = {0.03, 0.1, 0.3, 1.0};  ///< in units of 1 / F
  int folds = 5;                                           ///< patient-grouped, stratified
  std::uint64_t seed = 0;                                  ///< of the folds
  int search_samples = 2000;  ///< the grid search sees whole patients up to this many samples; the fit sees all
  int threads = 1;            ///< of the grid search
};

/// decision(x) = sum_i coefficients[i] * exp(-gamma |x - support_i|^2) - rho, positive for its class.
struct SvmMachine {
  cv::Mat support;                   ///< (M,F) CV_32FC1, standardised
  std::vector<double> coefficients;  ///< M
  double rho = 0.0;
  PlattScaling platt;
};

/// Features are standardised by (x - mean) / scale of the training rows. K = 2 has one machine, for class 1; K > 2 has
/// K, each class against the rest.
struct SvmModel {
  std::vector<double> mean, scale;  ///< F
  double c = 1.0;
  double gamma = 1.0;
  double validation_auc = 0.0;  ///< of the chosen pair, mean over folds (and over classes when K > 2)
  int classes = 2;
  std::vector<SvmMachine> machines;
};

/// Trains the SVM row: z-scores, C-SVC with RBF kernel (OpenCV's port of libsvm: Chang, Lin 2011), C and gamma by
/// patient-grouped stratified cross-validation, Platt scaling on out-of-fold decision values. Deterministic.
/// Throws InvalidInput("training_data") as validate(FeatureRows), InvalidInput("configuration") for empty or
/// non-positive grids or fewer than two folds.
SvmModel train_svm(const FeatureRows& rows, const SvmOptions& options);

/// Decision values of one machine for each row of raw `features` (N,F).
std::vector<double> decision_values(const SvmModel& model, const SvmMachine& machine, const cv::Mat& features);

/// A module that takes features (N,F) float32 and returns logits (N,K) whose softmax is the probability: the Platt
/// probability for K = 2, the Platt probabilities of the machines divided by their sum for K > 2. For a bundle with
/// BundleInput::kFeatures.
torch::jit::Module svm_to_torchscript(const SvmModel& model);

}  // namespace pulmo
