#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "serving/http/message.h"
#include "serving/prediction.h"
#include "serving/zip_upload.h"

namespace pulmo::serving {

struct UploadLimits {
  std::size_t slices = 2048;   ///< of one request, with those in its archives
  std::size_t previews = 256;  ///< slices of one request that pictures are sent of
  ZipUploadLimits zip;
};

/// The files of a request, those of zip archives among them.
struct Uploads {
  std::vector<Upload> files;
  std::vector<bool> declared;  ///< for each, whether its sender called it a picture
  std::size_t skipped = 0;     ///< files in archives that are no pictures
  bool archived = false;       ///< there was an archive
};

/// Lower-case type and subtype of a Content-Type.
std::string media_type(std::string_view content_type);
/// Whether a body of that type may hold files to predict.
bool is_upload_type(std::string_view type);
bool is_zip_type(std::string_view type);

/// Whether reading the request takes looking into an archive, which is not for a thread that reads requests.
bool holds_archive(const HttpRequest& request);

/// Takes the files out of the request. An archive that is refused stands as one refused file in the place of its own.
/// Throws HttpRefusal: 400 empty_body, no_file, 413 too_many_slices.
Uploads take_uploads(HttpRequest& request, const UploadLimits& limits);

}  // namespace pulmo::serving
