#include "pipeline/phantom/phantom.h"

#include <atomic>
#include <cstdio>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"
#include "core/support/error.h"
#include "core/support/processors.h"
#include "core/support/version.h"
#include "pipeline/phantom/lidc_annotation.h"
#include "pipeline/phantom/slice_renderer.h"
#include "pipeline/phantom/truth.h"

namespace pulmo::pipeline {
namespace {

namespace fs = std::filesystem;
using namespace phantom;

constexpr int kGeneratorVersion = 1;  // raised when the same options would draw another picture
constexpr const char* kDescription = "phantom.yaml";

void require_range(const char* name, std::int64_t value, std::int64_t low, std::int64_t high) {
  if (value >= low && value <= high) return;
  throw InvalidInput("configuration", std::string("phantom: ") + name + " is " + std::to_string(value) +
                                          "; it must be from " + std::to_string(low) + " to " + std::to_string(high));
}

void validate(const PhantomOptions& options) {
  require_range("patients", options.patients, 1, 9999);
  require_range("matrix_px", options.matrix_px, 64, 1024);
  if (options.slices != 0) require_range("slices", options.slices, 8, 400);
  require_range("threads", options.threads, 0, 1024);
}

std::string describe(const PhantomOptions& options) {
  return "# Synthetic archive written by pulmo-prepare phantom: no person was scanned.\ngenerator: " +
         std::to_string(kGeneratorVersion) + "\npulmo: \"" + std::string(version()) +
         "\"\nseed: " + std::to_string(options.seed) + "\npatients: " + std::to_string(options.patients) +
         "\nmatrix_px: " + std::to_string(options.matrix_px) + "\nslices: " + std::to_string(options.slices) + "\n";
}

/// An empty folder, or one that the same options have filled before.
void claim(const fs::path& output, const std::string& description) {
  make_writable_directory(output);
  remove_abandoned(output, {"truth.csv", kDescription});
  const fs::path file = output / kDescription;
  if (fs::exists(file)) {
    if (read_text_file(file) == description) return;
    throw InvalidInput("output_not_empty", output.string() +
                                               " holds a phantom made with other options or by another "
                                               "version (see " +
                                               file.string() + "); give another folder or remove it");
  }
  if (!fs::is_empty(output)) {
    throw InvalidInput("output_not_empty",
                       output.string() + " is not empty and holds no phantom; give a new or empty folder");
  }
  write_file_atomically(file, description);
}

std::string three_digits(int number) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%03d", number);
  return text.data();
}

/// Writes one patient and returns the lines of truth.csv.
std::string write_patient(const PhantomOptions& options, const fs::path& output, int index) {
  const Patient patient = make_patient(options.seed, index, options.matrix_px, options.slices);
  const ScanUids uids = uids_of(patient);
  const fs::path folder = output / "images" / patient.id / "1";
  make_writable_directory(folder);
  std::vector<std::string> names;
  for (std::size_t slice = 0; slice < patient.scan.z_mm.size(); ++slice) {
    names.push_back(three_digits(instance_number(patient, slice)) + ".dcm");
  }
  remove_abandoned(folder, {names.begin(), names.end()});
  const SliceRenderer renderer(patient);
  for (std::size_t slice = 0; slice < names.size(); ++slice) {
    write_ct_slice(folder / names[slice], renderer.render(slice), patient, uids, slice);
  }
  const Readings readings = read_scan(patient);
  const std::string name = three_digits(index + 1) + ".xml";
  write_file_atomically(output / "annotations" / name, lidc_xml(patient, uids, readings));
  return truth_lines(patient, uids, readings);
}

/// Patients are shared out among threads one by one; the first error stops all and is thrown again.
class Crew {
 public:
  Crew(const PhantomOptions& options, const fs::path& output)
      : options_(options), output_(output), truth_(static_cast<std::size_t>(options.patients)) {}

  std::string run() {
    const int count = std::min(options_.threads > 0 ? options_.threads : usable_processors(), options_.patients);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
    }
    if (error_) std::rethrow_exception(error_);
    std::string truth = truth_header();
    for (const std::string& lines : truth_) truth += lines;
    return truth;
  }

 private:
  void work() {
    for (int index = next_++; index < options_.patients; index = next_++) {
      try {
        truth_[static_cast<std::size_t>(index)] = write_patient(options_, output_, index);
        const std::scoped_lock lock(mutex_);
        if (error_) return;
        ++done_;
        if (options_.progress) options_.progress(done_, options_.patients);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (!error_) error_ = std::current_exception();
        next_ = options_.patients;
        return;
      }
    }
  }

  const PhantomOptions& options_;
  const fs::path& output_;
  std::vector<std::string> truth_;
  std::atomic<int> next_{0};
  std::mutex mutex_;
  int done_ = 0;
  std::exception_ptr error_;
};

}  // namespace

void write_phantom(const PhantomOptions& options, const fs::path& output) {
  validate(options);
  claim(output, describe(options));
  make_writable_directory(output / "images");
  make_writable_directory(output / "annotations");
  std::set<std::string> annotations;
  for (int i = 1; i <= options.patients; ++i) annotations.insert(three_digits(i) + ".xml");
  remove_abandoned(output / "annotations", annotations);
  write_file_atomically(output / "truth.csv", Crew(options, output).run());
}

}  // namespace pulmo::pipeline
