// How well a photo and a text go together, as a CLIP model sees it: `keepsake score`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/photo/pixels.h"
#include "pipeline/model/clip.h"

namespace keepsake::editor {

struct ScoreRequest {
    std::filesystem::path photo;
    std::vector<std::string> texts;  // at least one
    // An edit of the photo by the first text, and what the photo showed before.
    std::optional<std::filesystem::path> edit;
    std::string source_text;
    // Texts in which "{}" stands for each of `texts`; their vectors are averaged (Radford et al.,
    // section 3.1.4). None: the texts as they are.
    std::vector<std::string> templates;
    std::optional<std::filesystem::path> clip;  // none: the default model's own
};

struct TextScore {
    std::string text;
    double cosine = 0;       // of the two vectors
    double clip_score = 0;   // 2.5 max(cosine, 0) with "A photo depicts " (Hessel et al., arXiv
                             // 2104.08718), which is made for ViT-B/32
    double logit = 0;        // cosine times the model's factor
    double probability = 0;  // softmax of the logits over the texts: zero-shot classification
};

struct PhotoScore {
    std::string model;  // the CLIP model's name: scores of two models cannot be compared
    std::vector<TextScore> photo;
    std::vector<TextScore> edit;  // likewise, where there is one
    // Cosine of what changed in the picture and what changed in the text (Gal et al., arXiv
    // 2108.00946, equation 2).
    std::optional<double> directional;
};

// Throws Error naming the file, or the option without which there is no CLIP.
PhotoScore score_photo(const ScoreRequest& request);

// The folder of the CLIP model: what was asked for, else that of the default model ("clip" in its
// folder). Throws Error where there is none.
std::filesystem::path clip_folder(const std::optional<std::filesystem::path>& asked);

// A picture resized and cut as a CLIP's are: (crop, crop).
Pixels picture_square(const Pixels& pixels, const pipeline::ClipPreprocessing& how);

// A square picture, already resized, as an image encoder is given it: (1, 3, S, S) float32.
at::Tensor picture_values(const Pixels& square, const pipeline::ClipPreprocessing& how);

// (1, D) of length 1.
at::Tensor picture_vector(const pipeline::Clip& clip, const Pixels& pixels);
at::Tensor text_vector(const pipeline::Clip& clip, const std::string& text);

// Of (photo, edit, source text, target text), each (1, D).
double directional_similarity(const at::Tensor& photo, const at::Tensor& edit,
                              const at::Tensor& source_text, const at::Tensor& target_text);

}  // namespace keepsake::editor
