// Networks that take the strength of guidance as an input, against diffusers
// (tests/goldens/make_network_goldens.py, guided_unet).
#include "pipeline/networks/guidance_embedding.h"

#include "pipeline/networks/unet.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

UNet unet_of(const NetworkGolden& golden) {
    return UNet(UNetConfig::from_json(golden.config), Weights::from_tensors(golden.weights));
}

class GuidedUNet : public testing::TestWithParam<const char*> {};

TEST_P(GuidedUNet, EmbedsTheStrength) {
    const NetworkGolden golden(GetParam());
    const std::int64_t dim = golden.config.at("time_cond_proj_dim");
    // 1000 w is up to 13000 radians: float32 knows such an angle to a thousandth.
    EXPECT_LE(largest(guidance_embedding(golden["w"], dim) - golden["embedding"]), 2e-3);
}

TEST_P(GuidedUNet, OutputAndGradients) {
    const NetworkGolden golden(GetParam());
    const UNet unet = unet_of(golden);
    require_gradients(unet.parameters());
    EXPECT_EQ(unet.parameters().at("time_embedding.cond_proj.weight").sizes(),
              (std::vector<std::int64_t>{8, golden.config.at("time_cond_proj_dim")}));
    const Tensor output =
        unet.guided_by(golden["w"])(golden["sample"], golden["timestep"], golden["context"]);
    EXPECT_LE(relative_error(output, golden["output"]), tolerance);
    (output * golden["probe"]).sum().backward();
    expect_gradients(unet.parameters(), golden);
}

TEST_P(GuidedUNet, OneStrengthForAllAndNone) {
    const NetworkGolden golden(GetParam());
    const UNet unet = unet_of(golden);
    const at::NoGradGuard no_grad;
    const auto untold = [&] {
        return unet(golden["sample"], golden["timestep"], golden["context"]);
    };
    EXPECT_LE(relative_error(untold(), golden["untold"]), tolerance);
    const Tensor t = at::full({1}, 321.0);
    for (int i = 0; i < 2; ++i) {  // the second time from what was kept
        const UNet told = unet.guided_by(golden["w"][1].item<double>());
        EXPECT_LE(relative_error(told(golden["sample"], t, golden["context"]), golden["one"]),
                  tolerance);
        const UNet other = unet.guided_by(2.0);
        EXPECT_GT(relative_error(other(golden["sample"], t, golden["context"]), golden["one"]),
                  1e-3);
    }
    EXPECT_LE(relative_error(untold(), golden["untold"]), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Widths, GuidedUNet, testing::Values("unet_guided", "unet_guided_odd"),
                         [](const auto& info) { return std::string(info.param); });

TEST(GuidedUNetConfig, IsFoundInTheWeights) {
    const NetworkGolden golden("unet_guided");
    EXPECT_EQ(UNetConfig::from_json(golden.config).time_cond_proj_dim, 10);
    EXPECT_EQ(
        UNetConfig::detect_from_weights(Weights::from_tensors(golden.weights)).time_cond_proj_dim,
        10);
}

TEST(GuidedUNetConfig, ANetworkWithoutTheInputSaysSo) {
    const NetworkGolden golden("unet_options");
    const UNet unet = unet_of(golden);
    EXPECT_FALSE(unet.takes_guidance());
    try {
        unet.guided_by(3);
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()),
                  "guidance: the U-Net has no input for it (time_cond_proj_dim)");
    }
}

}  // namespace
}  // namespace keepsake::pipeline
