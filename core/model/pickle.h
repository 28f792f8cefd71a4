#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/support/bytes.h"

namespace pulmo {

struct PickleValue;
using PicklePtr = std::shared_ptr<PickleValue>;

enum class PickleKind {
  kNone,
  kInteger,  ///< also bool
  kReal,
  kText,
  kGlobal,    ///< text is "module name", never resolved to anything
  kSequence,  ///< tuple or list
  kMapping,
  kTensor,   ///< described by items: storage, offset, sizes, strides
  kStorage,  ///< described by items: the persistent id
  kOpaque,   ///< an object of another class: kept as a placeholder, never made
};

struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  std::int64_t integer = 0;
  double real = 0.0;
  int depth = 0;        ///< levels of values inside
  bool sealed = false;  ///< it lies in another value or was recalled, and grows no more
  std::string text;
  std::vector<PicklePtr> items;
  std::vector<std::pair<PicklePtr, PicklePtr>> pairs;
};

/// Reads a Python pickle (protocols 2 to 4) as plain data. Nothing is imported, called or built: a call is understood
/// only where it describes a tensor (torch._utils._rebuild_tensor_v2, _rebuild_parameter) or an OrderedDict.
/// Throws InvalidInput("pickle") for a truncated, malformed or deeply nested pickle, or an instruction that PyTorch
/// does not write.
PicklePtr read_pickle(ByteView bytes);

}  // namespace pulmo
