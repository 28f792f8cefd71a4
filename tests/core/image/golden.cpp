#include "tests/core/image/golden.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <stdexcept>

#include "tests/support/process.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_paths.h"

namespace pulmo::testing {
namespace {

using nlohmann::json;

cv::Mat read_raw(const std::filesystem::path& path, int rows, int columns, int type) {
  const Bytes bytes = read_file(path);
  cv::Mat result(rows, columns, type);
  if (bytes.size() != result.total() * result.elemSize()) {
    throw std::runtime_error(path.string() + " has another size than its description says");
  }
  std::memcpy(result.data, bytes.data(), bytes.size());
  return result;
}

std::unique_ptr<zip_t, int (*)(zip_t*)> open_zip(const std::filesystem::path& archive) {
  int error = 0;
  std::unique_ptr<zip_t, int (*)(zip_t*)> zip(zip_open(archive.c_str(), ZIP_RDONLY, &error), zip_close);
  if (!zip) {
    throw std::runtime_error("cannot open " + archive.string());
  }
  return zip;
}

}  // namespace

std::vector<GoldenResult> run_golden(const std::vector<GoldenJob>& jobs) {
  const TempDir folder;
  json list = json::array();
  for (const GoldenJob& job : jobs) {
    list.push_back({{"file", job.file}, {"grey", job.grey}, {"spec", json::parse(spec_to_json(job.spec))}});
  }
  std::ofstream(folder / "jobs.json") << list;
  const ProcessResult done =
      run_process({python().string(), (source_dir() / "tests/golden/preprocess_golden.py").string(),
                   folder.path().string(), (folder / "jobs.json").string()});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  std::vector<GoldenResult> results;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string name = std::to_string(i);
    const json shape = json::parse(read_text_file(folder / (name + ".json")));
    const int size = shape.at("size");
    results.push_back({read_raw(folder / (name + ".pixels"), shape.at("rows"), shape.at("columns"), CV_32FC1),
                       read_raw(folder / (name + ".image"), size, size, CV_16UC1),
                       read_raw(folder / (name + ".lungs"), size, size, CV_8UC1)});
  }
  return results;
}

void write_npy(const std::filesystem::path& path, const cv::Mat& array) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(array.rows) + ", " +
                       std::to_string(array.cols) + "), }";
  header.append(117 - header.size(), ' ');
  header.push_back('\n');
  std::ofstream out(path, std::ios::binary);
  out << "\x93NUMPY\x01" << '\0' << 'v' << '\0' << header;  // 'v' is 118, the length of the header
  for (int y = 0; y < array.rows; ++y) {
    out.write(array.ptr<char>(y), static_cast<std::streamsize>(array.cols) * 4);
  }
}

Bytes read_zip_member(const std::filesystem::path& archive, const std::string& member) {
  const auto zip = open_zip(archive);
  zip_stat_t status;
  if (zip_stat(zip.get(), member.c_str(), 0, &status) != 0) {
    throw std::runtime_error(archive.string() + " has no " + member);
  }
  const std::unique_ptr<zip_file_t, int (*)(zip_file_t*)> file(zip_fopen(zip.get(), member.c_str(), 0), zip_fclose);
  Bytes bytes(status.size);
  if (!file || zip_fread(file.get(), bytes.data(), status.size) != static_cast<zip_int64_t>(status.size)) {
    throw std::runtime_error("cannot read " + member + " in " + archive.string());
  }
  return bytes;
}

std::vector<std::string> zip_members(const std::filesystem::path& archive, const std::string& suffix) {
  const auto zip = open_zip(archive);
  std::vector<std::string> names;
  for (zip_int64_t i = 0; i < zip_get_num_entries(zip.get(), 0); ++i) {
    const std::string name = zip_get_name(zip.get(), static_cast<zip_uint64_t>(i), 0);
    if (name.ends_with(suffix)) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

double dice(const cv::Mat& a, const cv::Mat& b) {
  const int sum = cv::countNonZero(a) + cv::countNonZero(b);
  return sum == 0 ? 1.0 : 2.0 * cv::countNonZero(a & b) / sum;
}

double mean_difference(const cv::Mat& a, const cv::Mat& b) {
  return cv::norm(a, b, cv::NORM_L1) / static_cast<double>(a.total()) / 65535.0;
}

}  // namespace pulmo::testing
