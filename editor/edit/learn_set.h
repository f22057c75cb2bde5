// A picture set as latents.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "editor/session/picture_set.h"
#include "optimize/learn/pictures.h"
#include "optimize/training/buckets.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// How pictures are brought to the model.
struct LearnSize {
    std::int64_t side = 0;  // of the square
    bool buckets = false;
    bool mirror = false;
    std::vector<optimize::BucketSize> sizes;  // the buckets, or the one square
};
// side: in pixels. Throws Error naming a size that is no multiple of what the model can halve.
LearnSize learn_size(const pipeline::Model& model, std::int64_t side, bool buckets, bool mirror);

optimize::BucketPlace place_of(const SetPicture& picture, const LearnSize& size);

// Latents of each picture, in order, with its captions; `captions` stand where it has none. They
// are kept in `cache` (a folder of the run), by the picture's content and the model's fingerprint,
// and read from there the next time; a file there that is damaged is made anew. `monitor` is told
// "encode".
std::vector<optimize::LearnPicture> encode_set(const pipeline::Model& model, const PictureSet& set,
                                               const LearnSize& size,
                                               const std::vector<std::string>& captions,
                                               const std::filesystem::path& cache,
                                               Monitor& monitor);

}  // namespace keepsake::editor
