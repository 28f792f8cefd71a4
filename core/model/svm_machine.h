#pragma once

#include <opencv2/core/mat.hpp>
#include <vector>

#include "core/model/svm.h"

namespace pulmo {

struct SvmPair {
  double c = 1.0;
  double gamma = 1.0;
};

/// Sets mean and scale of the model to those of the columns of `features` (N,F); a constant column has scale 1.
void fit_standardisation(SvmModel& model, const cv::Mat& features);

/// (x - mean) / scale. Throws InvalidInput("shape") when there are not F columns.
cv::Mat standardise(const SvmModel& model, const cv::Mat& features);

/// The machine of `positive` against the rest; `features` are standardised. Both kinds must be there. Thread-safe.
SvmMachine fit_machine(const cv::Mat& features, const std::vector<bool>& positive, const SvmPair& pair);

/// Decision values of each row of standardised features.
std::vector<double> decide(const SvmMachine& machine, const cv::Mat& standardised, double gamma);

}  // namespace pulmo
