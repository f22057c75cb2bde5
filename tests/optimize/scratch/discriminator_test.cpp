// What an autoencoder learns from beside the photo (tests/goldens/make_scratch_goldens.py).
#include "optimize/scratch/discriminator.h"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "optimize/scratch/fresh_weights.h"
#include "optimize/scratch/vae.h"
#include "tests/optimize/scratch/scratch_golden.h"

namespace keepsake::optimize {
namespace {

class DiscriminatorGolden : public ScratchGolden {
  protected:
    DiscriminatorGolden() : ScratchGolden("discriminator.safetensors") {}
    // What a decoder with one layer draws of the golden's hidden values.
    Tensor decoded(const Tensor& last) const {
        return at::tanh(at::conv2d(golden("hidden"), last, {}, 1, 1));
    }
};

TEST_F(DiscriminatorGolden, SaysWhatTheReferenceSaysAndLearnsAsItDoes) {
    const Discriminator discriminator = Discriminator::fresh(5);
    for (const auto& [name, weight] : discriminator.parameters()) weight.set_requires_grad(true);
    const Tensor real = discriminator(golden("pictures"));
    const Tensor fake = discriminator(decoded(golden("last")));
    expect_near(real, "real", 1e-4);
    expect_near(fake, "fake", 1e-4);
    const Tensor hinge = hinge_loss(real, fake);
    expect_near(hinge, "hinge", 1e-5);
    hinge.backward();
    for (const auto& [name, weight] : discriminator.parameters())
        expect_near(weight.grad().flatten().slice(0, 0, 64), "gradient." + name, 1e-3);
}

TEST_F(DiscriminatorGolden, TheDecoderLearnsByTheAdaptiveShare) {
    const Discriminator discriminator = Discriminator::fresh(5);
    for (const auto& [name, weight] : discriminator.parameters()) weight.set_requires_grad(true);
    const Tensor last = golden("last").clone().set_requires_grad(true);
    const Tensor drawn = decoded(last);
    const Tensor nll = (drawn - golden("pictures")).abs().mean();
    const Tensor adversarial = -discriminator.held()(drawn).mean();
    expect_near(adversarial, "g_loss", 1e-4);
    expect_near(adaptive_share(nll, adversarial, last), "share", 1e-3);
    const Tensor terms =
        adversarial_terms(discriminator, golden("pictures"), drawn, nll, last, 0.5);
    EXPECT_NEAR(
        terms.item<double>(),
        0.5 * (golden("share") * golden("g_loss")).item<double>() + golden("hinge").item<double>(),
        1e-4);
    // Each learns by its own part alone.
    (nll + terms).backward();
    expect_near(last.grad(), "last_gradient", 1e-3);
    for (const auto& [name, weight] : discriminator.parameters())
        expect_near(weight.grad().flatten().slice(0, 0, 64), "gradient." + name, 1e-3);
}

TEST(Discriminator, NamesWhatItLacks) {
    TensorMap weights = Discriminator::fresh(1).parameters();
    weights.erase("main.6.bias");
    try {
        Discriminator{weights};
        FAIL();
    } catch (const Error& error) {
        EXPECT_NE(std::string(error.what()).find("main.6.bias"), std::string::npos);
    }
}

TEST(Discriminator, AnAutoencoderLearnsWithItFromItsStepOnAndGoesOnTheSame) {
    pipeline::VaeConfig config;
    config.block_out_channels = {8, 8};
    config.layers_per_block = 1;
    config.norm_num_groups = 4;
    const auto begun = [&](bool with) {
        LearnedVae learned{fresh_vae(config, 3), 0, {}, {}, {}, {}};
        if (with) learned.discriminator = Discriminator::fresh(3);
        return learned;
    };
    const at::Generator generator = at::detail::createCPUGenerator(2);
    const VaeTask task{at::randint(0, 256, {6, 3, 32, 32}, generator, at::TensorOptions(at::kByte)),
                       at::arange(6), at::empty({0, 3, 32, 32}, at::kByte), false, 3};
    VaeOptions options;
    options.stage.batch_size = 3;
    options.stage.steps = 2;
    options.schedule.rate = 1e-3;
    options.ema.reset();
    const VaeOptions plain = options;
    options.adversarial = {0.5, 2};
    // Until the step that it begins at both are as without it.
    LearnedVae without = begun(false), with = begun(true);
    train_vae(task, plain, without);
    train_vae(task, options, with);
    for (const auto& [name, tensor] : without.vae.parameters())
        EXPECT_TRUE(at::equal(tensor, with.vae.parameters().at(name))) << name;
    const TensorMap untouched = Discriminator::fresh(3).parameters();
    for (const auto& [name, tensor] : with.discriminator->parameters())
        EXPECT_TRUE(at::equal(tensor, untouched.at(name))) << name;
    // Then both learn otherwise; in one go or in two it is the same.
    options.stage.steps = 4;
    options.adversarial.begins = 1;
    LearnedVae whole = begun(true), parts = begun(true);
    train_vae(task, options, whole);
    EXPECT_FALSE(at::equal(whole.discriminator->parameters().at("main.0.weight"),
                           untouched.at("main.0.weight")));
    VaeOptions half = options;
    half.stage.steps = 4;
    StopsAfterTwo stops;
    VaeControls controls;
    controls.monitor = &stops.monitor;
    EXPECT_THROW(train_vae(task, half, parts, controls), Cancelled);
    train_vae(task, half, parts);
    for (const auto& [name, tensor] : learning(whole))
        EXPECT_TRUE(at::equal(tensor, learning(parts).at(name))) << name;
}

TEST(Discriminator, HasToBeThereWhereItHasAWeight) {
    pipeline::VaeConfig config;
    config.block_out_channels = {8, 8};
    config.layers_per_block = 1;
    config.norm_num_groups = 4;
    LearnedVae learned{fresh_vae(config, 3), 0, {}, {}, {}, {}};
    VaeOptions options;
    options.adversarial.weight = 0.5;
    const VaeTask task{at::zeros({1, 3, 32, 32}, at::kByte), at::arange(1),
                       at::empty({0, 3, 32, 32}, at::kByte), false, 3};
    EXPECT_THROW(train_vae(task, options, learned), Error);
}

}  // namespace
}  // namespace keepsake::optimize
