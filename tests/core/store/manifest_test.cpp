#include "core/store/manifest.h"

#include <gmock/gmock.h>

#include "tests/support/prepared_folder.h"
#include "tests/support/temp_dir.h"

namespace pulmo {
namespace {

TEST(Manifest, OpensEverySplitOfAPreparedFolder) {
  const testing::TempDir dir;
  testing::make_prepared_folder(dir.path(), {});
  const Manifest manifest = read_manifest(dir.path());
  for (const Split which : kSplits) {
    EXPECT_FALSE(open_split(dir.path(), manifest, which, true).empty());
  }
}

}  // namespace
}  // namespace pulmo
