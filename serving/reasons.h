#pragma once

#include <array>
#include <string_view>

namespace pulmo::serving {

/// Why a request or a slice was refused: the `code` of the error reply, its HTTP status, and the `reason` label of
/// pulmo_rejected_total. The one table of the server.
struct Reason {
  std::string_view code;
  int status;
};

inline constexpr std::array kReasons{
    // the request
    Reason{"malformed_request", 400}, Reason{"plain_http", 400}, Reason{"malformed_multipart", 400},
    Reason{"empty_body", 400}, Reason{"no_file", 400}, Reason{"bad_parameter", 400}, Reason{"load_failed", 400},
    Reason{"one_slice", 400}, Reason{"one_stack", 400}, Reason{"unauthorized", 401}, Reason{"forbidden", 403},
    Reason{"cross_site", 403}, Reason{"not_found", 404}, Reason{"unknown_job", 404}, Reason{"unknown_model", 404},
    Reason{"method_not_allowed", 405}, Reason{"timeout", 408}, Reason{"length_required", 411}, Reason{"too_large", 413},
    Reason{"field_too_large", 413}, Reason{"too_many_parts", 413}, Reason{"too_many_slices", 413},
    Reason{"target_too_long", 414}, Reason{"unsupported_type", 415}, Reason{"expectation_failed", 417},
    Reason{"rate_limited", 429}, Reason{"headers_too_large", 431}, Reason{"unknown_method", 501},
    Reason{"http_version", 505}, Reason{"needs_cubes", 400},
    // the slice
    Reason{"unknown_format", 422}, Reason{"truncated_image", 422}, Reason{"picture_too_large", 422},
    Reason{"not_dicom", 422}, Reason{"truncated_dicom", 422}, Reason{"wrong_modality", 422},
    Reason{"no_pixel_data", 422}, Reason{"bad_pixel_format", 422}, Reason{"unsupported_transfer_syntax", 422},
    Reason{"constant_image", 422}, Reason{"no_lung", 422}, Reason{"too_small", 422}, Reason{"not_finite", 422},
    Reason{"localizer", 422}, Reason{"not_axial", 422}, Reason{"corrupt_zip", 422}, Reason{"encrypted_zip", 422},
    Reason{"nested_zip", 422}, Reason{"zip_bomb", 422}, Reason{"no_picture", 422}, Reason{"no_gradients", 422},
    Reason{"decoder_failed", 422}, Reason{"decoder_memory", 422}, Reason{"decoder_timeout", 422},
    Reason{"unusable", 422},
    // the server
    Reason{"internal", 500}, Reason{"model_failed", 500}, Reason{"queue_full", 503}, Reason{"too_many_jobs", 503},
    Reason{"deadline", 503}, Reason{"decoder_unavailable", 503}, Reason{"upload_budget", 503},
    Reason{"too_many_connections", 503}, Reason{"shutting_down", 503}, Reason{"not_ready", 503}};

/// 500 for a code that is not in the table.
constexpr int status_of(std::string_view code) {
  for (const Reason& reason : kReasons) {
    if (reason.code == code) return reason.status;
  }
  return 500;
}

constexpr bool is_reason(std::string_view code) {
  for (const Reason& reason : kReasons) {
    if (reason.code == code) return true;
  }
  return false;
}

/// The code of an InvalidInput that decoding or preprocessing threw.
constexpr std::string_view slice_code(std::string_view reason) {
  if (reason == "too_large") return "picture_too_large";  // the picture's size in pixels, not the upload's in bytes
  for (const Reason& known : kReasons) {
    if (known.code == reason && known.status == 422) return known.code;
  }
  return "unusable";
}

}  // namespace pulmo::serving
