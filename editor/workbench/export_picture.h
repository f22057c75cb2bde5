// A finished edit as a file: what the window's Export writes.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "editor/workbench/document.h"

namespace keepsake::editor {

enum class ExportKind {
    photo,         // the photo itself with the edit in it: its size, profile and metadata
    square,        // the working square, as the model rendered it
    strip,         // the photo and every render of the film strip, labelled
    before_after,  // the photo and the edit side by side, labelled
};

struct ExportRequest {
    ExportKind kind = ExportKind::photo;
    std::filesystem::path path;  // its extension names the format
    std::optional<int> quality;  // 1 to 100, of JPEG and WebP; none: the format's own
    bool strip_gps = false;      // of a photo: leaves out where it was taken
    bool overwrite = false;
    // Of a photo: in place of its own file, which must still be what was opened.
    bool in_place = false;
};

// Writes the edit that `document` shows. Returns false, with nothing written, when a file is at the
// path and `overwrite` is not set. Throws Error naming what is missing or cannot be written, and
// with `in_place` a file that is not what was opened any more.
bool export_picture(const Document& document, const ExportRequest& request);

// What the photo that was written so kept of the one that `document` shows; of ExportKind::photo.
// Where the two cannot be compared, ExportProof::fault says why.
ExportProof compare_export(const Document& document, const ExportRequest& request);

}  // namespace keepsake::editor
