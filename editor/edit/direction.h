// Whether a picture changed as the words of its edit say, by the CLIP that the
// model brings ("clip" in its folder): the directional similarity (Gal et al.,
// arXiv 2108.00946, equation 2).
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "editor/photo/pixels.h"
#include "pipeline/model/clip.h"

namespace keepsake::editor {

// Of one photo and text.
struct EditDirection {
    std::shared_ptr<const pipeline::Clip> clip;
    std::string source;  // what the photo showed before, in words
    at::Tensor photo,
        text;  // (1, D): the photo's vector; from the source's to the text's
};

// Words of which one stands for another in a text ("red", "blue"): those that
// the CLIP's keepsake.json lists as {"exchanged": [["red", "blue"], ...]}.
// Empty where there is none.
std::vector<std::vector<std::string>> exchanged_words(const std::filesystem::path& clip);

// `text` with one word exchanged for the others of its list: of the first list
// of which the text has a word, the first that it has. Colours before flowers:
// of a photo that is taken for another flower's the direction would be that
// flower's, too. Empty where it has none.
std::vector<std::string> other_texts(const std::string& text,
                                     const std::vector<std::vector<std::string>>& lists);

// What the photo showed before is not told by anybody: of other_texts() that
// which is nearest to the photo. None where the model brings no CLIP, and where
// nothing in `text` is among its words. square: as the model sees the photo.
// Throws Error naming a file of the CLIP that does not fit.
std::optional<EditDirection> edit_direction(const std::filesystem::path& model,
                                            const Pixels& square, const std::string& text);

// The cosine of what changed in the picture and what changes in the text, -1 to
// 1; 0: of a picture that is the photo.
double directional_similarity(const EditDirection& direction, const Pixels& picture);

}  // namespace keepsake::editor
