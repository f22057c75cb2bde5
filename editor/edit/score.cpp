#include "editor/edit/score.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "editor/photo/photo.h"
#include "editor/photo/pil_resize.h"
#include "editor/session/bundled_model.h"
#include "optimize/scratch/clip.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

using at::Tensor;
using pipeline::Clip;

double cosine(const Tensor& a, const Tensor& b) {
    return (pipeline::normalised(a) * pipeline::normalised(b)).sum().item<double>();
}

std::string filled(const std::string& pattern, const std::string& text) {
    std::string result = pattern;
    for (std::size_t at = result.find("{}"); at != result.npos;
         at = result.find("{}", at + text.size()))
        result.replace(at, 2, text);
    return result;
}

Tensor vector_of(const Clip& clip, const std::string& text,
                 const std::vector<std::string>& templates) {
    if (templates.empty()) return text_vector(clip, text);
    std::vector<Tensor> vectors;
    for (const std::string& pattern : templates)
        vectors.push_back(text_vector(clip, filled(pattern, text)));
    return pipeline::normalised(at::cat(vectors).mean(0, /*keepdim=*/true));
}

// What one text is compared by.
struct TextVectors {
    Tensor compared;  // in the templates
    Tensor depicted;  // CLIPScore's "A photo depicts ..."
};

std::vector<TextVectors> vectors_of(const Clip& clip, const ScoreRequest& request) {
    std::vector<TextVectors> vectors;
    for (const std::string& text : request.texts)
        vectors.push_back({vector_of(clip, text, request.templates),
                           text_vector(clip, "A photo depicts " + text)});
    return vectors;
}

std::vector<TextScore> scores_of(const Clip& clip, const Tensor& picture,
                                 const std::vector<std::string>& texts,
                                 const std::vector<TextVectors>& vectors) {
    const double factor = clip.network.logit_scale().exp().item<double>();
    std::vector<TextScore> scores;
    std::vector<double> logits;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        TextScore score{texts[i], cosine(picture, vectors[i].compared), 0, 0, 0};
        score.clip_score = 2.5 * std::max(cosine(picture, vectors[i].depicted), 0.0);
        score.logit = factor * score.cosine;
        logits.push_back(score.logit);
        scores.push_back(score);
    }
    const Tensor shares = at::softmax(at::tensor(logits), 0);
    for (std::size_t i = 0; i < scores.size(); ++i)
        scores[i].probability = shares[static_cast<std::int64_t>(i)].item<double>();
    return scores;
}

}  // namespace

std::filesystem::path clip_folder(const std::optional<std::filesystem::path>& asked) {
    if (asked) return *asked;
    const std::filesystem::path own = default_model() / "clip";
    if (!is_there(own))
        throw Error("--clip",
                    "is needed: the default model brings no CLIP of its own. Give a "
                    "folder of transformers' CLIPModel or of open_clip");
    return own;
}

Pixels picture_square(const Pixels& pixels, const pipeline::ClipPreprocessing& how) {
    return clip_square(pixels, static_cast<int>(how.shortest_side), static_cast<int>(how.crop),
                       how.middle_to_even ? CentreRule::to_even : CentreRule::down);
}

Tensor picture_values(const Pixels& square, const pipeline::ClipPreprocessing& how) {
    const Tensor bytes = at::tensor(square.rgb, at::TensorOptions().dtype(at::kByte))
                             .view({1, square.height, square.width, 3})
                             .permute({0, 3, 1, 2});
    return optimize::clip_values(bytes, how);
}

Tensor picture_vector(const Clip& clip, const Pixels& pixels) {
    const at::NoGradGuard no_grad;
    const Pixels square = picture_square(pixels, clip.preprocessing);
    const Tensor values = picture_values(square, clip.preprocessing);
    return pipeline::normalised(clip.network.image_features(values)).to(at::kCPU);
}

Tensor text_vector(const Clip& clip, const std::string& text) {
    const at::NoGradGuard no_grad;
    const Tensor ids = at::tensor(clip.tokenizer(text).ids).unsqueeze(0);
    return pipeline::normalised(clip.network.text_features(ids)).to(at::kCPU);
}

double directional_similarity(const Tensor& photo, const Tensor& edit, const Tensor& source_text,
                              const Tensor& target_text) {
    const Tensor picture = edit - photo, text = target_text - source_text;
    // No change has no direction.
    const double length = picture.norm().item<double>() * text.norm().item<double>();
    return length < 1e-12 ? 0 : (picture * text).sum().item<double>() / length;
}

PhotoScore score_photo(const ScoreRequest& request) {
    const Pixels photo = load_photo(request.photo).pixels;
    std::optional<Pixels> edit;
    if (request.edit) edit = load_photo(*request.edit).pixels;
    const Clip clip = pipeline::load_clip(clip_folder(request.clip), bundled_tokenizer());
    PhotoScore result;
    result.model = clip.name;
    const Tensor before = picture_vector(clip, photo);
    const std::vector<TextVectors> vectors = vectors_of(clip, request);
    result.photo = scores_of(clip, before, request.texts, vectors);
    if (!edit) return result;
    const Tensor after = picture_vector(clip, *edit);
    result.edit = scores_of(clip, after, request.texts, vectors);
    if (!request.source_text.empty())
        result.directional = directional_similarity(
            before, after, vector_of(clip, request.source_text, request.templates),
            vectors.front().compared);
    return result;
}

}  // namespace keepsake::editor
