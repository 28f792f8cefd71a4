// OpenCV works in the calling thread alone, as in pulmo-serve.
#include <gtest/gtest.h>

#include <opencv2/core/utility.hpp>

namespace pulmo::serving {
namespace {

class OpenCvThreads : public ::testing::Environment {
 public:
  void SetUp() override { cv::setNumThreads(1); }
};

[[maybe_unused]] const auto* const kThreads = ::testing::AddGlobalTestEnvironment(new OpenCvThreads);

}  // namespace
}  // namespace pulmo::serving
