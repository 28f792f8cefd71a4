#include "serving/uploads.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/support/error.h"
#include "serving/http/request_head.h"
#include "serving/reasons.h"

namespace pulmo::serving {
namespace {

constexpr std::array<std::string_view, 5> kPictureTypes{"image/png", "image/jpeg", "image/jpg", "application/dicom",
                                                        "image/dicom"};
constexpr std::array<std::string_view, 2> kZipTypes{"application/zip", "application/x-zip-compressed"};
constexpr std::string_view kAnyType = "application/octet-stream";
constexpr std::size_t kMaxNameBytes = 255;

template <std::size_t kCount>
bool is_among(const std::array<std::string_view, kCount>& types, std::string_view type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// The client's own name for a file, or "file-N": its end when it is long, without control characters.
std::string shown_name(std::string_view given, std::size_t number) {
  std::string name(given.substr(given.size() - std::min(given.size(), kMaxNameBytes)));
  std::erase_if(name, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  return name.empty() ? "file-" + std::to_string(number) : name;
}

std::string raw_name(const RequestHead& head) {
  const std::string_view disposition = head.header("content-disposition");
  if (disposition.empty()) return {};
  const ParameterisedValue value = parse_parameters(disposition);
  const auto found = value.parameters.find("filename");
  return found == value.parameters.end() ? std::string() : found->second;
}

/// Gathers files, archives taken apart.
class Gatherer {
 public:
  explicit Gatherer(const UploadLimits& limits) : limits_(limits) {}

  void add(std::string_view name, std::string_view type, Bytes data) {
    if (looks_like_zip(data) || is_zip_type(type)) {
      add_archive(shown_name(name, number()), std::move(data));
    } else {
      push({shown_name(name, number()), std::move(data)}, is_among(kPictureTypes, type));
    }
  }
  Uploads take() { return std::move(uploads_); }

 private:
  std::size_t number() const { return uploads_.files.size() + 1; }

  void push(Upload upload, bool declared) {
    if (uploads_.files.size() == limits_.slices) {
      throw HttpRefusal(413, "too_many_slices",
                        "a request may hold " + std::to_string(limits_.slices) + " slices: send it in parts");
    }
    uploads_.files.push_back(std::move(upload));
    uploads_.declared.push_back(declared);
  }

  void add_archive(const std::string& name, Bytes data) {
    uploads_.archived = true;
    try {
      const auto archive = std::make_shared<ZipUpload>(std::move(data), limits_.zip);
      uploads_.skipped += archive->skipped();
      for (const ZipUpload::Member& member : archive->pictures()) {
        Upload upload{shown_name(member.name, number()), {}};
        upload.archive = archive;
        upload.member = member.index;
        push(std::move(upload), true);
      }
    } catch (const InvalidInput& error) {
      Upload upload{name, {}};
      upload.refused = Refusal{std::string(slice_code(error.reason())), error.what()};
      push(std::move(upload), true);
    }
  }

  const UploadLimits& limits_;
  Uploads uploads_;
};

}  // namespace

std::string media_type(std::string_view content_type) {
  return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

bool is_zip_type(std::string_view type) {
  return is_among(kZipTypes, type);
}

bool is_upload_type(std::string_view type) {
  return is_among(kPictureTypes, type) || is_zip_type(type) || type == kAnyType || type == "multipart/form-data";
}

bool holds_archive(const HttpRequest& request) {
  if (!request.multipart) {
    return looks_like_zip(request.body) || is_zip_type(media_type(request.head.header("content-type")));
  }
  return std::any_of(request.parts.begin(), request.parts.end(),
                     [](const Part& part) { return looks_like_zip(part.data) || is_zip_type(part.content_type); });
}

Uploads take_uploads(HttpRequest& request, const UploadLimits& limits) {
  Gatherer files(limits);
  if (!request.multipart) {
    if (request.body.empty()) throw HttpRefusal(400, "empty_body", "the body is empty: send the bytes of a slice");
    files.add(raw_name(request.head), media_type(request.head.header("content-type")), std::move(request.body));
    return files.take();
  }
  for (Part& part : request.parts) {
    const bool declared = is_among(kPictureTypes, part.content_type) || is_zip_type(part.content_type);
    if (!part.has_filename && !declared) continue;             // a form field
    if (part.filename.empty() && part.data.empty()) continue;  // a file input left empty
    files.add(part.filename, part.content_type, std::move(part.data));
  }
  Uploads uploads = files.take();
  if (uploads.files.empty()) throw HttpRefusal(400, "no_file", "the form holds no file: send at least one");
  return uploads;
}

}  // namespace pulmo::serving
