// An autoencoder from nothing, beside diffusers and PyTorch
// (tests/goldens/make_scratch_goldens.py).
#include "optimize/scratch/vae.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "optimize/scratch/fresh_weights.h"
#include "optimize/scratch/similarity.h"
#include "tests/optimize/scratch/scratch_golden.h"

namespace keepsake::optimize {
namespace {

constexpr std::uint64_t seed = 5;

pipeline::VaeConfig tiny_config() {
    pipeline::VaeConfig config;
    config.block_out_channels = {16, 32};
    config.layers_per_block = 1;
    config.norm_num_groups = 8;
    return config;
}

class ScratchVae : public ScratchGolden {
  protected:
    ScratchVae() : ScratchGolden("vae.safetensors") {}
    double number(const std::string& name) const { return golden(name).item<double>(); }
    VaeTask task() const {
        return {golden("pictures"), at::arange(5), golden("held_out"), true, seed};
    }
    static VaeOptions options() {
        VaeOptions options;
        options.stage.steps = 3;
        options.stage.batch_size = 2;
        options.schedule.rate = 2e-3;
        options.weight_decay = 0.1;
        options.kl = 1e-2;
        return options;
    }
    static LearnedVae fresh() { return {fresh_vae(tiny_config(), seed), 0, {}, {}, {}, {}}; }
};

TEST_F(ScratchVae, SimilarityIsScikitImages) {
    const Tensor a = golden("ssim.a"), b = golden("ssim.b");
    expect_near(structural_similarity(a.to(at::kDouble), b.to(at::kDouble), 2), "ssim.each", 1e-9);
    expect_near(structural_similarity(a, b, 2), "ssim.each", 1e-5);
    expect_near(similarity_at_scales(a.to(at::kDouble), b.to(at::kDouble), 2), "ssim.scales", 1e-7);
    expect_near(peak_signal_to_noise(a, b, 2), "ssim.psnr", 1e-5);
    EXPECT_NEAR(structural_similarity(a, a, 2).min().item<double>(), 1, 1e-5);
    const Tensor small = at::zeros({1, 3, 10, 40});
    EXPECT_THROW(structural_similarity(small, small, 2), Error);
}

TEST_F(ScratchVae, BeginsAsPyTorchWould) {
    expect_near(fresh().vae.parameters().at("encoder.conv_in.weight"),
                "fresh.encoder.conv_in.weight", 1e-6);
}

TEST_F(ScratchVae, ThreeStepsAreThoseOfDiffusers) {
    LearnedVae learned = fresh();
    // The loss of a step comes before its update, so the losses of three steps tell of two updates.
    train_vae(task(), options(), learned);
    ASSERT_EQ(learned.losses.training.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i)
        EXPECT_NEAR(learned.losses.training[i],
                    golden("losses")[static_cast<std::int64_t>(i)][0].item<double>(), 2e-5);
    for (const auto& [name, tensor] : learned.vae.parameters())
        if (goldens.contains("after." + name)) expect_near(tensor, "after." + name, 2e-3);
    expect_near(learned.averages.at("decoder.conv_out.weight"), "averaged.decoder.conv_out.weight",
                2e-3);
    ASSERT_EQ(learned.evaluations.size(), 1u);
    EXPECT_NEAR(learned.evaluations[0].psnr, number("psnr"), 1e-2);
    EXPECT_NEAR(learned.evaluations[0].ssim, number("ssim"), 1e-3);
    EXPECT_NEAR(latent_scale(averaged(learned), task().pictures, seed), number("scale"), 1e-3);
}

TEST_F(ScratchVae, TheLossAndItsGradientAreThoseOfPyTorch) {
    // The first step's, over the parts of the loss.
    LearnedVae learned = fresh();
    VaeOptions first = options();
    first.ema.reset();
    first.stage.steps = 1;
    first.schedule.rate = 0;
    first.weight_decay = 0;
    train_vae(task(), first, learned);
    EXPECT_NEAR(learned.losses.training[0], golden("losses")[0][0].item<double>(), 1e-5);
    // The gradient, on pictures and noise that are drawn likewise: by SGD's shape of Adam's first
    // moment, exp_avg = (1 - beta1) * gradient, which the state holds before the last step.
    first.stage.steps = 2;
    first.max_gradient_norm = 0;
    LearnedVae watched = fresh();
    VaeControls controls;
    TensorMap gradients;
    controls.after_step = [&] {
        if (watched.steps == 1)
            for (const auto& [name, state] : watched.optimiser)
                if (name.ends_with(".exp_avg"))
                    gradients[name.substr(0, name.size() - 8)] = state / 0.1;
    };
    train_vae(task(), first, watched, controls);
    for (const char* name :
         {"encoder.conv_in.weight", "quant_conv.weight", "decoder.conv_out.weight"})
        expect_near(gradients.at(name), std::string("gradient.") + name, 2e-3);
}

TEST_F(ScratchVae, AStoppedTrainingGoesOnWithTheSameNumbers) {
    LearnedVae whole = fresh(), parts = fresh();
    VaeOptions all = options();
    all.stage.steps = 5;
    train_vae(task(), all, whole);
    StopsAfterTwo stops;
    VaeControls controls;
    controls.monitor = &stops.monitor;
    EXPECT_THROW(train_vae(task(), all, parts, controls), Cancelled);
    EXPECT_EQ(parts.steps, 2);
    train_vae(task(), all, parts);
    for (const auto& [name, tensor] : whole.vae.parameters())
        EXPECT_TRUE(at::equal(tensor, parts.vae.parameters().at(name))) << name;
    for (const auto& [name, tensor] : whole.averages)
        EXPECT_TRUE(at::equal(tensor, parts.averages.at(name))) << name;
}

TEST_F(ScratchVae, LearnsToBringPicturesBack) {
    VaeOptions longer = options();
    longer.stage.steps = 150;
    longer.stage.batch_size = 4;
    longer.kl = 1e-6;
    longer.ema->decay = 0.9;
    VaeTask pictures = task();
    LearnedVae learned = fresh();
    const double before = measure_vae(learned.vae, pictures.pictures).psnr;
    train_vae(pictures, longer, learned);
    EXPECT_GT(measure_vae(averaged(learned), pictures.pictures).psnr, before + 5);
}

TEST_F(ScratchVae, PicturesThatDoNotFitAreTold) {
    LearnedVae learned = fresh();
    VaeTask none = task();
    none.rows = none.rows.slice(0, 0, 0);
    EXPECT_THROW(train_vae(none, options(), learned), Error);
    VaeTask odd = task();
    odd.pictures = odd.pictures.slice(2, 0, 31);
    EXPECT_THROW(train_vae(odd, options(), learned), Error);
}

}  // namespace
}  // namespace keepsake::optimize
