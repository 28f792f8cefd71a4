#pragma once

#include <vector>

#include "training/evaluation/prediction.h"

namespace pulmo::training {

/// p^(1/T), normalised: what softmax(logits / T) makes of the probabilities that softmax(logits) gave.
std::vector<Prediction> apply_temperature(std::vector<Prediction> predictions, double temperature);

/// The temperature in [0.05, 20] of the least negative log-likelihood (Guo, Pleiss, Sun, Weinberger 2017), for
/// probabilities made at temperature 1. 1 for no predictions.
double fit_temperature(const std::vector<Prediction>& predictions);

/// The operating point of the largest Youden index J = recall + specificity - 1 (Youden 1950), halfway between the
/// scores it parts; of several equal ones the nearest to 0.5. 0.5 when a class is missing or no point beats chance.
double youden_threshold(const std::vector<Prediction>& predictions, int positive);

/// Mean of -log p(label), p bounded below by 1e-300.
double mean_negative_log_likelihood(const std::vector<Prediction>& predictions);

}  // namespace pulmo::training
