#include "serving/page.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace pulmo::serving {

const PageFile& page_file(std::string_view path) {
  const auto files = page_files();
  const auto found =
      std::find_if(files.begin(), files.end(), [path](const PageFile& file) { return file.path == path; });
  if (found == files.end()) throw std::out_of_range("no page file " + std::string(path));
  return *found;
}

}  // namespace pulmo::serving
