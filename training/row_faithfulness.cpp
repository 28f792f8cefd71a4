#include "training/row_faithfulness.h"

#include <algorithm>

#include "core/model/network.h"
#include "core/support/digest.h"
#include "core/support/log.h"
#include "training/faithfulness.h"

namespace pulmo::training {

std::optional<Faithfulness> fitting_faithfulness(const std::filesystem::path& folder, const std::string& data_digest) {
  const std::filesystem::path file = folder / kFaithfulnessFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  Faithfulness measured = read_faithfulness(file);
  const auto pass_over = [&](const char* of) {
    log_info("faithfulness.json passed over", {{"row", folder.filename().string()}, {"measured on", of}});
    return std::nullopt;
  };
  if (measured.facts.bundle_sha256 != sha256_file(folder / "bundle.pt")) return pass_over("another bundle");
  if (measured.facts.data_digest != data_digest) return pass_over("other data");
  // Before its files told the depth, pulmo showed such rows each slice alone.
  if (measured.facts.depth == 0 && takes_volumes(measured.facts.row)) return pass_over("single slices");
  return measured;
}

Faithfulness made_faithfulness(const std::filesystem::path& folder, const PreparedData& data, std::int64_t samples,
                               const BootstrapOptions& bootstrap) {
  auto measured = fitting_faithfulness(folder, data.digest);
  const auto wanted = static_cast<std::size_t>(samples);
  if (measured && measured->facts.split == to_string(Split::kTest) &&
      measured->facts.samples >= std::min(wanted, measured->facts.of)) {
    return std::move(*measured);
  }
  FaithfulnessJob job;
  job.bundle = folder / "bundle.pt";
  job.samples = samples;
  job.output = folder / kFaithfulnessFile;
  job.bootstrap = bootstrap;
  log_info("measuring explanations",
           {{"row", folder.filename().string()}, {"samples at most", std::to_string(wanted)}});
  return measure_faithfulness(job, data, 0);
}

}  // namespace pulmo::training
