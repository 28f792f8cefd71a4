#include "core/model/svm_machine.h"

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/ml.hpp>
#include <string>

#include "core/support/error.h"

namespace pulmo {
namespace {

constexpr double kTolerance = 1e-4;  // of the optimality conditions; libsvm's default is 1e-3
constexpr int kMaxIterations = 10'000'000;

/// Squared lengths of the rows, (M,1) CV_64F.
cv::Mat squared_lengths(const cv::Mat& rows) {
  cv::Mat sums;
  cv::reduce(rows.mul(rows), sums, 1, cv::REDUCE_SUM, CV_64F);
  return sums;
}

}  // namespace

void fit_standardisation(SvmModel& model, const cv::Mat& features) {
  for (int f = 0; f < features.cols; ++f) {
    cv::Scalar mean;
    cv::Scalar deviation;
    cv::meanStdDev(features.col(f), mean, deviation);
    model.mean.push_back(mean[0]);
    model.scale.push_back(deviation[0] > 1e-12 ? deviation[0] : 1.0);  // a constant tells nothing
  }
}

cv::Mat standardise(const SvmModel& model, const cv::Mat& features) {
  if (features.cols != static_cast<int>(model.mean.size())) {
    throw InvalidInput("shape", "svm: " + std::to_string(features.cols) + " features, it was trained on " +
                                    std::to_string(model.mean.size()));
  }
  cv::Mat result(features.size(), CV_32F);
  for (int i = 0; i < features.rows; ++i) {
    for (int f = 0; f < features.cols; ++f) {
      const auto k = static_cast<std::size_t>(f);
      result.at<float>(i, f) =
          static_cast<float>((static_cast<double>(features.at<float>(i, f)) - model.mean[k]) / model.scale[k]);
    }
  }
  return result;
}

SvmMachine fit_machine(const cv::Mat& features, const std::vector<bool>& positive, const SvmPair& pair) {
  cv::Mat responses(features.rows, 1, CV_32S);
  for (int i = 0; i < features.rows; ++i) responses.at<int>(i) = positive[static_cast<std::size_t>(i)] ? 1 : 0;
  const auto svm = cv::ml::SVM::create();
  svm->setType(cv::ml::SVM::C_SVC);
  svm->setKernel(cv::ml::SVM::RBF);
  svm->setC(pair.c);
  svm->setGamma(pair.gamma);
  svm->setTermCriteria({cv::TermCriteria::COUNT + cv::TermCriteria::EPS, kMaxIterations, kTolerance});
  svm->train(features, cv::ml::ROW_SAMPLE, responses);
  cv::Mat coefficients;
  cv::Mat indices;
  const double rho = svm->getDecisionFunction(0, coefficients, indices);
  coefficients.convertTo(coefficients, CV_64F);
  const cv::Mat vectors = svm->getSupportVectors();
  SvmMachine machine;
  machine.rho = -rho;  // OpenCV's function is positive for the smaller label, here the rest
  machine.support.create(static_cast<int>(indices.total()), features.cols, CV_32F);
  for (int i = 0; i < static_cast<int>(indices.total()); ++i) {
    vectors.row(indices.at<int>(i)).copyTo(machine.support.row(i));
    machine.coefficients.push_back(-coefficients.at<double>(i));
  }
  return machine;
}

std::vector<double> decide(const SvmMachine& machine, const cv::Mat& standardised, double gamma) {
  cv::Mat points;
  cv::Mat support;
  standardised.convertTo(points, CV_64F);
  machine.support.convertTo(support, CV_64F);
  cv::Mat products;
  cv::gemm(points, support, 1.0, cv::noArray(), 0.0, products, cv::GEMM_2_T);
  const cv::Mat point_lengths = squared_lengths(points);
  const cv::Mat support_lengths = squared_lengths(support);
  std::vector<double> result;
  for (int i = 0; i < points.rows; ++i) {
    double sum = -machine.rho;
    const auto* product = products.ptr<double>(i);
    for (int j = 0; j < support.rows; ++j) {
      const double distance = point_lengths.at<double>(i) + support_lengths.at<double>(j) - 2.0 * product[j];
      sum += machine.coefficients[static_cast<std::size_t>(j)] * std::exp(-gamma * std::max(0.0, distance));
    }
    result.push_back(sum);
  }
  return result;
}

std::vector<double> decision_values(const SvmModel& model, const SvmMachine& machine, const cv::Mat& features) {
  return decide(machine, standardise(model, features), model.gamma);
}

}  // namespace pulmo
