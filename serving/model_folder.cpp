#include "serving/model_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/support/bytes.h"
#include "core/support/digest.h"
#include "core/support/error.h"

namespace pulmo::serving {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBundleName = "bundle.pt";
constexpr std::size_t kMaxNameLength = 128;
constexpr std::size_t kDigestLength = 64;
constexpr double kSumTolerance = 1e-6;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// The folders within that may be names, sorted.
std::vector<fs::path> named_folders(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;
    if (entry->is_directory(ignored) && is_model_name(entry->path().filename().string())) {
      found.push_back(entry->path());
    }
  }
  if (error) throw IoError("cannot read the folder " + folder.string() + ": " + error.message());
  std::sort(found.begin(), found.end());
  return found;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

[[noreturn]] void refuse(const fs::path& bundle, const std::string& why) {
  throw InvalidInput("bundle", "bundle " + bundle.string() + ": " + why);
}

/// The digest that stands in FILE.sha256; none without that file.
std::optional<std::string> digest_beside(const fs::path& bundle) {
  const fs::path path = bundle.string() + ".sha256";
  if (!is_file(path)) return std::nullopt;
  const Bytes content = read_file(path);
  std::string digest;
  for (const std::byte byte : content) {
    const char c = static_cast<char>(byte);
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || digest.size() > kDigestLength) break;
    digest += c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (digest.size() != kDigestLength || digest.find_first_not_of("0123456789abcdef") != std::string::npos) {
    refuse(bundle, path.filename().string() + " holds no SHA-256: write it with sha256sum");
  }
  return digest;
}

/// The first run of a TorchScript module optimises it, and shows whether it runs at all.
void try_out(const fs::path& bundle, const Predictor& predictor, std::size_t count) {
  const BundleMetadata& metadata = predictor.metadata();
  ImageBatch batch;
  batch.count = static_cast<std::int64_t>(count);
  batch.channels = metadata.channels;
  batch.depth = metadata.depth;
  batch.height = metadata.spec.size_px;
  batch.width = metadata.spec.size_px;
  const std::int64_t planes = batch.count * batch.channels * std::max<std::int64_t>(1, batch.depth);
  batch.pixels.resize(static_cast<std::size_t>(planes * batch.height * batch.width));
  const std::vector<double> probabilities = predictor.predict(batch);
  const std::size_t classes = metadata.class_names.size();
  if (probabilities.size() != count * classes) refuse(bundle, "its answers do not fit its classes");
  for (std::size_t i = 0; i < probabilities.size(); i += classes) {
    double sum = 0.0;
    for (std::size_t k = 0; k < classes; ++k) sum += probabilities[i + k];
    if (!std::isfinite(sum) || std::abs(sum - 1.0) > kSumTolerance) {
      refuse(bundle,
             "its probabilities are no numbers that sum to one: its weights are damaged, or it was not trained");
    }
  }
}

}  // namespace

bool is_model_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameLength && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), fits);
}

std::vector<ModelSource> find_models(const fs::path& folder) {
  std::vector<ModelSource> found;
  for (const fs::path& model : named_folders(folder)) {
    const std::string name = model.filename().string();
    if (is_file(model / kBundleName)) found.push_back({name, "", model / kBundleName});
    std::vector<fs::path> versions = named_folders(model);
    std::sort(versions.begin(), versions.end(), [](const fs::path& a, const fs::path& b) {
      return is_older_version(a.filename().string(), b.filename().string());
    });
    for (const fs::path& version : versions) {
      if (is_file(version / kBundleName)) {
        found.push_back({name, version.filename().string(), version / kBundleName});
      }
    }
  }
  return found;
}

bool is_older_version(std::string_view a, std::string_view b) {
  const bool a_number = is_number(a);
  if (a_number != is_number(b)) return a_number;
  if (a_number) {
    a.remove_prefix(std::min(a.find_first_not_of('0'), a.size()));
    b.remove_prefix(std::min(b.find_first_not_of('0'), b.size()));
    if (a.size() != b.size()) return a.size() < b.size();
  }
  return a < b;
}

std::vector<std::int64_t> stamp_of(const fs::path& bundle) {
  std::vector<std::int64_t> stamp;
  for (const char* suffix : {"", ".sha256", ".yaml"}) {
    struct stat status {};
    const bool known = ::stat((bundle.string() + suffix).c_str(), &status) == 0;
    stamp.push_back(known ? static_cast<std::int64_t>(status.st_dev) : -1);
    stamp.push_back(static_cast<std::int64_t>(status.st_ino));
    stamp.push_back(static_cast<std::int64_t>(status.st_size));
    stamp.push_back(static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1'000'000'000 + status.st_mtim.tv_nsec);
  }
  return stamp;
}

std::shared_ptr<const Predictor> load_checked(const fs::path& bundle, const LoadPredictor& load,
                                              std::size_t max_batch) {
  const std::optional<std::string> expected = digest_beside(bundle);
  const std::string differs = "its SHA-256 is not the one in " + bundle.filename().string() + ".sha256: copy both anew";
  // Before its content is taken apart, and again of the bytes that were: the file may change in between.
  if (expected && sha256_file(bundle) != *expected) refuse(bundle, differs);
  std::shared_ptr<const Predictor> predictor = load(bundle);
  if (expected && predictor->sha256() != *expected) refuse(bundle, differs);
  for (const std::size_t count : {std::size_t{1}, max_batch, std::size_t{1}}) try_out(bundle, *predictor, count);
  return predictor;
}

}  // namespace pulmo::serving
