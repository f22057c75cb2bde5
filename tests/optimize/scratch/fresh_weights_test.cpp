// Networks that begin from nothing.
#include "optimize/scratch/fresh_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "optimize/scratch/digit_denoiser.h"

namespace keepsake::optimize {
namespace {

TEST(FreshWeights, StartAsPyTorchsLayersDo) {
    const pipeline::UNet unet = fresh_unet(digit_unet_config(), 7);
    const TensorMap& weights = unet.parameters();
    const auto at = [&](const std::string& name) { return weights.at(name); };
    // Uniform in +-1/sqrt(fan in): its ends, its mean and its variance (bound^2 / 3).
    const Tensor conv = at("mid_block.resnets.0.conv1.weight");
    const double bound = 1 / std::sqrt(32.0 * 9);
    EXPECT_LE(conv.abs().max().item<double>(), bound);
    EXPECT_GT(conv.abs().max().item<double>(), 0.99 * bound);
    EXPECT_NEAR(conv.mean().item<double>(), 0, bound / 50);
    EXPECT_NEAR(conv.var().item<double>(), bound * bound / 3, bound * bound / 50);
    const Tensor bias = at("mid_block.resnets.0.conv1.bias");
    EXPECT_LE(bias.abs().max().item<double>(), bound);
    EXPECT_GT(bias.abs().max().item<double>(), bound / 2);
    EXPECT_TRUE((at("mid_block.resnets.0.norm1.weight") == 1).all().item<bool>());
    EXPECT_TRUE((at("mid_block.resnets.0.norm1.bias") == 0).all().item<bool>());
}

TEST(FreshWeights, AreThoseOfTheSeedAndTheName) {
    const pipeline::UNet one = fresh_unet(digit_unet_config(), 7);
    const pipeline::UNet same = fresh_unet(digit_unet_config(), 7);
    const pipeline::UNet other = fresh_unet(digit_unet_config(), 8);
    const auto of = [](const pipeline::UNet& unet, const std::string& name) {
        return unet.parameters().at(name);
    };
    const std::string name = "mid_block.resnets.0.conv1.weight";
    EXPECT_TRUE(at::equal(of(one, name), of(same, name)));
    EXPECT_FALSE(at::equal(of(one, name), of(other, name)));
    EXPECT_FALSE(at::equal(of(one, name), of(one, "mid_block.resnets.0.conv2.weight")));
    // A deeper network begins with the same numbers where it has the same names.
    pipeline::UNetConfig deeper = digit_unet_config();
    deeper.layers_per_block = 2;
    EXPECT_TRUE(at::equal(of(one, name), of(fresh_unet(deeper, 7), name)));
}

TEST(FreshWeights, MakeAnAutoencoder) {
    pipeline::VaeConfig config;
    config.block_out_channels = {16, 32};
    config.layers_per_block = 1;
    config.norm_num_groups = 8;
    const pipeline::Vae vae = fresh_vae(config, 1);
    const Tensor picture = at::zeros({1, 3, 8, 8});
    EXPECT_EQ(vae.decode(vae.encode(picture).mean).sizes(), picture.sizes());
}

}  // namespace
}  // namespace keepsake::optimize
