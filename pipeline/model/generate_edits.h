// Pictures of an edit beside the photo that they are of: Imagic's stage C with the words pulled by
// guidance, the photo's layout kept, and what the words are not about left alone. How it was found:
// docs/fast-mode.md.
//
// Per step, of a network that was tuned on the photo (v_photo) and of the model's own, which knows
// the words best (v_words; SINE's two networks: Zhang et al., arXiv 2212.04489):
//
//   v = v_photo(e_opt) + pull mask (v_words(e_target) - from)
//   from = (1 - f) v_words(e_null) + f v_photo(e_opt)
//
// The words are held against none, or against those of a negative prompt. With f above 0 the pull
// also leads away from what only the tuned network knows, which is the
// photo itself (forgetting: Zhang et al., Forgedit, arXiv 2309.10556): more colour for less
// structure. The photo itself, pull 0, is sampled in the same batch. In every self-attention the
// pictures take its queries and keys (UNet::with_layout), and where the mask is 0 its prediction,
// so that there they are the photo's reconstruction to the last digit.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/model/generate.h"

namespace keepsake::pipeline {

// The one home of these defaults (docs/fast-mode.md has what else was tried).
struct PullOptions {
    double steps_share = 0.75;  // of the steps, the first, in which the words pull
    double photo_share = 0.18;  // f
    double layout_share = 1;    // of the steps, the first, in which attention is laid out as the
                                // photo's; 0: each picture's own
};

struct EditTask {
    const UNet& photo;  // tuned; may be the model's own
    Tensor target;      // (1, T, D) the text's embedding
    Tensor optimised;   // (1, T, D) e_opt
    Tensor uncond;      // (1, T, D) e_null: of the negative prompt, which may be empty
    Tensor mask;        // (1, 1, h, w) in [0, 1]; undefined: the words pull everywhere
    std::int64_t width = 0, height = 0;  // pixels
    std::optional<Tensor> inverted;      // of invert_latents, for noise_share below 1
};

// One picture. pull: the weight of the words, the formula's; 0 is the photo's reconstruction.
struct EditPicture {
    std::uint64_t seed = 0;
    double pull = 0;
};

// Of each picture the final latents, (n, C, h, w), in order. options.guidance_scale above 1 guides
// v_photo away from `uncond`. Each picture is what it is alone. Throws Error naming what is missing
// or does not fit, and Cancelled.
Tensor generate_edits(const Model& model, const EditTask& task,
                      const std::vector<EditPicture>& pictures, const SampleOptions& options,
                      const PullOptions& pull, Monitor& monitor);

// The most pictures of one seed that are worth a batch of their own, that seed's photo not counted
// (pictures_at_once).
std::size_t edits_at_once(const Model& model, const SampleOptions& options, std::int64_t width,
                          std::int64_t height);

}  // namespace keepsake::pipeline
