// `generate --recipe-from`: the settings of a picture, ours or another program's, become a request.
#pragma once

#include <string>
#include <vector>

#include "editor/edit/generate_files.h"
#include "editor/photo/generation_text.h"

namespace keepsake::editor {

// Of Keepsake's own recipe where the picture carries one, else what read_picture_settings finds.
// Throws Error naming the path when it carries neither, or is an edit of a photo, which a text
// alone does not make again.
GenerationSettings settings_of_picture(const std::filesystem::path& path);

// Likewise, and of an edit's recipe, too; none where the picture carries nothing. Throws Error
// naming the path when it cannot be read, or its recipe is malformed.
std::optional<GenerationSettings> carried_settings(const std::filesystem::path& path);

// Fills what the request leaves open (an empty prompt, options that are not given; `seeds` when
// empty). Returns what has no counterpart here or is out of range, for people: "sampler DPM
// adaptive", "Hires upscale 2".
std::vector<std::string> apply_settings(const GenerationSettings& settings,
                                        GenerateRequest& request);

// By which other programs find its model again; empty of what lies in a folder.
struct PictureHashes {
    std::string model, vae, loras;  // loras: "roses: 0123456789ab, grain: ..."
};
// Of the files that a request draws with; seconds for a large one, the first time (file_hashes.h).
PictureHashes hashes_of(const pipeline::Model& model, const Compute& compute);

// What a generated picture says of itself to other programs. seed, width, height: of this picture.
struct GeneratedPicture {
    std::uint64_t seed = 0;
    int width = 0, height = 0;
    std::optional<double> strength;  // of image to image
    std::optional<double> image_guidance;
    PictureHashes hashes = {};
};
GenerationSettings settings_of(const GenerateRequest& request, const pipeline::Model& model,
                               const pipeline::SampleOptions& sample,
                               const GeneratedPicture& picture);

}  // namespace keepsake::editor
