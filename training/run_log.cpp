#include "training/run_log.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/support/atomic_file.h"
#include "core/support/bytes.h"

namespace pulmo::training {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

RunLog::RunLog(std::filesystem::path path, std::int64_t first_epoch) : path_(std::move(path)) {
  if (std::filesystem::exists(path_)) {
    std::istringstream lines(read_text_file(path_));
    for (std::string line; std::getline(lines, line);) {
      const Json json = Json::parse(line, nullptr, false);
      if (json.is_object() && json.value("epoch", first_epoch) < first_epoch) text_ += line + '\n';
    }
  }
  write_file_atomically(path_, text_);
}

void RunLog::append(const EpochRecord& record) {
  Json json = {{"epoch", record.epoch},
               {"train", {{"loss", record.train_loss}, {"accuracy", record.train_accuracy}}},
               {"validation",
                {{"loss", record.validation_loss},
                 {"accuracy", record.validation_accuracy},
                 {"roc_auc", record.validation_roc_auc}}},
               {"learning_rate", record.learning_rate},
               {"images_per_second", record.images_per_second},
               {"input_wait_seconds", record.input_wait_seconds},
               {"train_seconds", record.train_seconds},
               {"seconds", record.seconds},
               {"best", record.best}};
  if (record.outlines) {
    json["train"]["outline_loss"] = record.outlines->train_loss;
    json["validation"]["outline_loss"] = record.outlines->validation_loss;
    json["validation"]["dice"] = record.outlines->validation_dice;
  }
  text_ += json.dump() + '\n';
  write_file_atomically(path_, text_);
}

}  // namespace pulmo::training
