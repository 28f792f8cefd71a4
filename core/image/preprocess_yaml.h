#pragma once

#include "core/image/preprocess.h"
#include "core/support/yaml_reader.h"

namespace pulmo {

/// Reads the keys of a `preprocess` mapping (configs/prepare.yaml names and explains each) over `spec`, strictly.
/// Throws InvalidInput, naming the key.
PreprocessSpec read_preprocess_spec(YamlReader reader, PreprocessSpec spec = {});

}  // namespace pulmo
