// The pictures and options of tests/goldens/make_learning_goldens.py, and how runs are compared
// with its numbers.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "optimize/learn/pictures.h"
#include "tests/optimize/learn/tiny_networks.h"

namespace keepsake::testing {

using namespace optimize;
using pipeline::Schedule;
using pipeline::ScheduleConfig;

// A task of five pictures on the tiny networks, as the goldens have it.
struct TinyPictures {
    const TensorMap golden = pipeline::read_safetensors(KEEPSAKE_GOLDENS "/pictures.safetensors");
    const UNet unet = tiny_unet();
    const TextEncoder text = tiny_text(golden);
    const Schedule schedule{ScheduleConfig::stable_diffusion(pipeline::PredictionType::epsilon)};
    PictureTask task{unet,     text,
                     schedule, [this](const std::string& caption) { return ids_of(caption); },
                     {},       42};

    TinyPictures() {
        const std::vector<std::vector<std::string>> captions = {
            {"1"}, {"1", "2"}, {"2"}, {"3"}, {"4"}};
        for (std::int64_t i = 0; i < 5; ++i) {
            LearnPicture picture;
            picture.latents = golden.at("latents").slice(0, i, i + 1);
            picture.captions = captions[static_cast<std::size_t>(i)];
            task.pictures.push_back(picture);
        }
    }
    TinyPictures(const TinyPictures&) = delete;

    Tensor ids_of(const std::string& caption) const {
        const std::int64_t row = caption.empty() ? 0 : std::stoll(caption);
        return golden.at("ids").slice(0, row, row + 1);
    }
    // The reference's, which starts from a LoRA that is not zero.
    LearnedPictures with_golden_loras() const {
        LearnedPictures learned;
        learned.loras = pipeline::loras_from_tensors(group(golden, "lora.unet."), "golden");
        learned.text_loras =
            pipeline::loras_from_tensors(group(golden, "lora.text_encoder."), "golden");
        return learned;
    }
    static PictureOptions lora_options() {
        PictureOptions options;
        options.stage.steps = 10;
        options.schedule.rate = 3e-3;
        options.stage.batch_size = 2;
        options.weight_decay = 1e-2;
        options.max_gradient_norm = 1;
        options.text_encoder = true;
        options.prior_weight = 0.7;
        return options;
    }
    static PictureOptions caption_options() {
        PictureOptions options;
        options.stage.steps = 3;
        options.schedule.rate = 1e-3;
        options.stage.batch_size = 2;
        options.weight_decay = 1e-2;
        options.max_gradient_norm = 1;
        options.accumulation = 2;
        options.min_snr_gamma = 5;
        options.noising.offset = 0.1;
        options.caption_dropout = 0.5;
        options.all_weights = true;
        return options;
    }
    void make_prior() { task.pictures[3].is_prior = task.pictures[4].is_prior = true; }
};

inline void expect_losses(const StageLosses& found, const Tensor& wanted) {
    ASSERT_EQ(static_cast<std::int64_t>(found.training.size()), wanted.size(0));
    for (std::size_t i = 0; i < found.training.size(); ++i)
        EXPECT_NEAR(found.training[i] / wanted[static_cast<std::int64_t>(i)].item<double>(), 1,
                    2e-4)
            << "step " << i;
}

// The bound is on a tensor's whole movement: Adam divides by a gradient's own size, so that a
// number with next to no gradient may move anyhow.
inline void expect_moved(const Tensor& before, const Tensor& found, const Tensor& wanted,
                         const std::string& name) {
    const double movement = (wanted - before).norm().item<double>();
    EXPECT_GT(movement, 0) << name;
    EXPECT_LT((found - wanted).norm().item<double>(), 2e-2 * movement) << name;
}

}  // namespace keepsake::testing
