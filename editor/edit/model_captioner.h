// Captions by the model itself: which of its own words predict the noise of a picture best. A
// diffusion classifier (Li et al., arXiv 2303.16203; Clark and Jaini, arXiv 2303.15233), which asks
// the CLIP in the model's folder, too, where its words say so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "editor/photo/pixels.h"
#include "editor/session/caption_words.h"
#include "pipeline/model/clip.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// How well each text says what the others do not. latents: (1, C, h, w), clean; texts: (M, T, D),
// at least two; noises: (levels * n, C, h, w), n for each of `levels` (shares of the training
// timesteps). With p_k the prediction with text k, m the mean of all and r what m misses: the
// cosine of r and p_k - m, in the mean over the noises of a level. To the mean, as the texts share
// most of their error; the cosine, as texts that change little would be favoured otherwise. Once
// over the whole picture, once over the part in its middle with `centre` of the sides: (2, levels,
// M) float32 on the CPU.
at::Tensor text_gains(const pipeline::Model& model, const at::Tensor& latents,
                      const at::Tensor& texts, const at::Tensor& noises,
                      const std::vector<double>& levels, double centre);

// What each word gains in the mean over the other names' words, beside the mean of all. gains: (2,
// levels, words of the first name, words of the second...) -> (2, levels, words of all names)
// float64.
at::Tensor word_features(const at::Tensor& gains);

class ModelCaptioner {
  public:
    // Throws Error naming a file of the CLIP that is missing or does not fit.
    ModelCaptioner(pipeline::Model model, CaptionWords words);
    // The centred square is looked at, at the model's own size.
    std::string operator()(const Pixels& pixels) const;

  private:
    NamedWords name(const Pixels& pixels, const at::Tensor& latents) const;
    void add_clip_scores(const Pixels& pixels, std::vector<std::vector<double>>& scores) const;
    void ask_again(const at::Tensor& latents, std::vector<std::vector<double>>& scores) const;
    void note(const at::Tensor& latents, NamedWords& found) const;
    NamedWords best(const std::vector<std::vector<double>>& scores) const;
    at::Tensor gains_of(const at::Tensor& latents, const at::Tensor& texts,
                        const std::vector<double>& levels, std::int64_t noises) const;
    at::Tensor encoded(const std::vector<std::string>& texts) const;

    pipeline::Model model_;
    CaptionWords words_;
    std::optional<pipeline::Clip> clip_;
    at::Tensor texts_;  // (combinations, T, D)
};

}  // namespace keepsake::editor
