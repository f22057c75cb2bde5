// Where generators' settings (generation_text.h) lie in a picture's file.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "editor/photo/generation_text.h"

namespace keepsake::editor {

// What stable-diffusion-webui and its kin (PNG text "parameters"; EXIF UserComment of JPEG, WebP
// and TIFF), ComfyUI (PNG text "prompt"), or InvokeAI (PNG text "invokeai_metadata") wrote; the
// first of these that is there and can be read. Throws Error naming the path when it cannot be
// decoded as a photo.
std::optional<GenerationSettings> read_picture_settings(const std::filesystem::path& path);

// EXIF's UserComment (tag 0x9286): a character code of eight bytes, then text. Unicode is UTF-16 of
// either byte order, told by its marks or by where the zeros lie, big-endian otherwise, as
// stable-diffusion-webui writes it. What is malformed becomes U+FFFD.
std::string read_user_comment(std::string_view comment);
// UTF-8 to a comment in Unicode.
std::string unicode_user_comment(std::string_view text);

// An EXIF block (its TIFF header first) with the text as UserComment, and what `block` holds. One
// that has a comment stays as it is.
std::string exif_with_comment(std::string_view text, std::string_view block = {});

}  // namespace keepsake::editor
