#pragma once

#include <span>
#include <string_view>

namespace pulmo::serving {

/// One file of the web page, compiled into the program: nothing is read at run time.
struct PageFile {
  std::string_view path;  ///< as in serving/web: "index.html"
  std::string_view content;
};

/// All of them, sorted by path.
std::span<const PageFile> page_files();

/// The file of that path; throws std::out_of_range.
const PageFile& page_file(std::string_view path);

/// The Content-Type of a page file, by its ending; throws std::out_of_range for an ending that the page does not use.
std::string_view content_type_of(std::string_view path);

}  // namespace pulmo::serving
