// Captions for photos, written beside them as text files: `keepsake caption`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/photo/pixels.h"
#include "pipeline/error.h"
#include "pipeline/model/captioner.h"

namespace keepsake::editor {

struct CaptionRequest {
    std::vector<std::filesystem::path> places;  // photos and folders, as picture sets have them
    // A folder (pipeline/model/captioner.h), or none: the model itself says it (model_captioner.h).
    std::optional<std::filesystem::path> captioner;
    std::optional<std::filesystem::path> model;  // none: the default one
    pipeline::CaptionSearch search;              // a folder's, as is the prompt
    std::string prompt;                          // how each caption begins
    std::string prefix, postfix;                 // put before and after it as they stand
    bool overwrite = false;  // captions that are there; else their photos are passed over
    bool clean = false;      // tidy_caption
    bool write = true;       // else they are only told
};

struct PhotoCaption {
    std::filesystem::path photo, file;  // file: where the caption is written
    std::string caption;                // as it stands there
};

struct CaptionControls {
    Monitor* monitor = nullptr;                         // is told "caption"
    std::function<void(const std::string& text)> warn;  // one line for the user
    std::function<void(const PhotoCaption&)> said;      // of each photo, once it is written
};

struct CaptionResult {
    std::size_t photos = 0;  // found
    std::size_t captioned = 0, kept = 0, failed = 0;
};

// What says what a picture shows.
using Describe = std::function<std::string(const Pixels&)>;

// A captioner at work, with its model loaded. Throws Error as load_captioner does, or naming the
// model that cannot be loaded or has no words for captions.
Describe make_describer(const CaptionRequest& request);

// Captions every photo that has none (<stem>.txt or <stem>.caption), as <stem>.txt beside it. One
// that cannot be read, or whose caption cannot be written, is told through controls.warn and
// counted as failed. The captioner is loaded before the first photo that needs it. Throws Error
// naming the place that is not there or holds no picture, or the captioner; and Cancelled: what is
// written then stays, and the same call goes on from there.
CaptionResult caption_photos(const CaptionRequest& request, const CaptionControls& controls);

// Without the words that captioners of photos put in from what they were trained on ("arafed",
// "there is", "a picture of"), and with the blanks around hyphens and apostrophes that their
// vocabulary makes taken out. What follows `prompt` is tidied, not the prompt itself.
std::string tidy_caption(const std::string& caption, const std::string& prompt = {});

}  // namespace keepsake::editor
