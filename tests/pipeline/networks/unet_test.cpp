#include "pipeline/networks/unet.h"

#include <limits>

#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

constexpr const char* styles[] = {"unet_sd1", "unet_sd2", "unet_bundled", "unet_options"};

UNet unet_of(const NetworkGolden& golden) {
    return UNet(UNetConfig::from_json(golden.config), Weights::from_tensors(golden.weights));
}

Tensor run(const UNet& unet, const NetworkGolden& golden) {
    return unet(golden["sample"], golden["timestep"], golden["context"]);
}

class UNetGolden : public testing::TestWithParam<const char*> {};

TEST_P(UNetGolden, OutputAndGradients) {
    const NetworkGolden golden(GetParam());
    const UNet unet = unet_of(golden);
    require_gradients(unet.parameters());
    const Tensor context = golden["context"].clone().requires_grad_();
    const Tensor output = unet(golden["sample"], golden["timestep"], context);
    EXPECT_LE(relative_error(output, golden["output"]), tolerance);
    (output * golden["probe"]).sum().backward();
    EXPECT_LE(relative_error(context.grad(), golden["context_grad"]), tolerance);
    expect_gradients(unet.parameters(), golden);
}

TEST_P(UNetGolden, SharesOfTheText) {
    const NetworkGolden golden(GetParam());
    const Tensor expected =
        read_safetensors(std::string(KEEPSAKE_GOLDENS) + "/text_shares.safetensors").at(GetParam());
    const Tensor shares =
        unet_of(golden).text_shares(golden["sample"], golden["timestep"], golden["context"]);
    EXPECT_LE(relative_error(shares, expected), tolerance);
    EXPECT_LE(relative_error(shares.sum(1), at::ones_like(shares.select(1, 0))), 1e-5);
}

TEST_P(UNetGolden, WithoutGradients) {
    const NetworkGolden golden(GetParam());
    const UNet unet = unet_of(golden);
    const at::NoGradGuard no_grad;
    const Tensor output = run(unet, golden);
    EXPECT_LE(relative_error(output, golden["output"]), tolerance);
    EXPECT_TRUE(output.is_contiguous());
    const Tensor context = golden["context"].slice(0, 0, 1);
    const Tensor timestep = at::tensor({std::int64_t{500}});
    EXPECT_LE(relative_error(unet(golden["single_sample"], timestep, context), golden["single"]),
              tolerance);
    // One timestep for the whole batch, and the same written out.
    EXPECT_LE(relative_error(unet(golden["sample"], timestep, golden["context"]),
                             unet(golden["sample"], timestep.expand({2}), golden["context"])),
              1e-5);
}

INSTANTIATE_TEST_SUITE_P(Styles, UNetGolden, testing::ValuesIn(styles),
                         [](const auto& info) { return std::string(info.param); });

// What is kept of a timestep is made anew when a weight that it comes from was written.
TEST(UNet, KeptTimesFollowTheWeights) {
    const NetworkGolden golden("unet_bundled");
    const UNet unet = unet_of(golden);
    const at::NoGradGuard no_grad;
    const auto predict = [&](const UNet& net, double t) {
        return net(golden["sample"], at::full({1}, t), golden["context"]);
    };
    const Tensor early = predict(unet, 500), late = predict(unet, 20);
    EXPECT_TRUE(at::equal(predict(unet, 500), early));
    EXPECT_FALSE(at::equal(early, late));
    for (const char* name : {"time_embedding.linear_1.bias", "time_embedding.linear_2.weight",
                             "mid_block.resnets.1.time_emb_proj.bias"}) {
        const Tensor before = predict(unet, 500);
        Tensor weight = unet.parameters().at(name);
        weight.add_(0.5);
        EXPECT_FALSE(at::equal(predict(unet, 500), before)) << name;
        EXPECT_TRUE(at::equal(predict(unet, 500), predict(unet.clone(), 500))) << name;
    }
}

TEST(UNet, EmbeddingGradientWithFrozenWeights) {
    const NetworkGolden golden("unet_bundled");
    const UNet unet = unet_of(golden);
    const Tensor context = golden["context"].clone().requires_grad_();
    (unet(golden["sample"], golden["timestep"], context) * golden["probe"]).sum().backward();
    EXPECT_LE(relative_error(context.grad(), golden["context_grad"]), tolerance);
    for (const auto& [name, parameter] : unet.parameters())
        EXPECT_FALSE(parameter.grad().defined()) << name;
}

TEST(UNet, HalfPrecisionIsCloseAndKeepsTheSamplesType) {
    for (const char* style : {"unet_sd1", "unet_sd2"}) {  // without and with upcast attention
        const NetworkGolden golden(style);
        for (const auto dtype : {at::kHalf, at::kBFloat16}) {
            Weights weights = Weights::from_tensors(golden.weights);
            weights.set_target(dtype, at::kCPU);
            const UNet unet(UNetConfig::from_json(golden.config), std::move(weights));
            const at::NoGradGuard no_grad;
            const Tensor output = run(unet, golden);
            EXPECT_EQ(output.scalar_type(), at::kFloat);
            EXPECT_LE(relative_error(output, golden["output"]), dtype == at::kHalf ? 0.02 : 0.15);
            EXPECT_EQ(unet.parameters().at("conv_in.weight").scalar_type(), dtype);
        }
    }
}

TEST(UNet, ParametersReachTheModel) {
    const NetworkGolden golden("unet_sd1");
    const UNet unet = unet_of(golden);
    const at::NoGradGuard no_grad;
    const Tensor before = run(unet, golden);
    // A pointwise projection: the layer uses it as a matrix, the parameter has the file's shape.
    Tensor weight = unet.parameters().at("down_blocks.0.attentions.0.proj_in.weight");
    EXPECT_EQ(weight.dim(), 4);
    weight.mul_(1.5);
    EXPECT_GT(relative_error(run(unet, golden), before), 1e-3);
}

TEST(UNet, CloneHasWeightsOfItsOwn) {
    const NetworkGolden golden("unet_bundled");
    const UNet unet = unet_of(golden);
    require_gradients(unet.parameters());
    const UNet copy = unet.clone();
    const at::NoGradGuard no_grad;
    const Tensor before = run(unet, golden);
    EXPECT_TRUE(at::equal(run(copy, golden), before));
    ASSERT_EQ(copy.parameters().size(), unet.parameters().size());
    for (const auto& [name, parameter] : copy.parameters()) {
        EXPECT_FALSE(parameter.requires_grad());
        EXPECT_NE(parameter.data_ptr(), unet.parameters().at(name).data_ptr()) << name;
        Tensor(parameter).add_(0.1);
    }
    EXPECT_TRUE(at::equal(run(unet, golden), before));
    EXPECT_GT(relative_error(run(copy, golden), before), 1e-2);
}

TEST(UNet, NamesTheInputThatDoesNotFit) {
    const NetworkGolden golden("unet_sd1");
    const UNet unet = unet_of(golden);
    const Tensor sample = golden["sample"], timestep = golden["timestep"],
                 context = golden["context"];
    EXPECT_CONTAINS(error_of([&] { unet(sample.slice(1, 0, 3), timestep, context); }),
                    "latents: should be (B, 4, h, w)");
    EXPECT_CONTAINS(error_of([&] { unet(sample, at::zeros({3}), context); }), "timestep");
    EXPECT_CONTAINS(error_of([&] { unet(sample, timestep, context.slice(2, 0, 9)); }),
                    "text embedding: should be (2, T, 20)");
    EXPECT_CONTAINS(error_of([&] { unet(sample, timestep, context.slice(0, 0, 1)); }),
                    "text embedding");
}

TEST(UNet, OneErrorNamesEveryTensorThatDoesNotFit) {
    NetworkGolden golden("unet_sd2");
    golden.weights.erase("conv_in.weight");
    golden.weights.erase("mid_block.attentions.0.proj_in.weight");
    golden.weights["up_blocks.0.resnets.1.conv1.bias"] = at::zeros({5});
    golden.weights["up_blocks.9.resnets.0.conv1.bias"] = at::zeros({5});
    golden.weights["time_embedding.linear_1.bias"][3] = std::numeric_limits<float>::quiet_NaN();
    const std::string message = error_of([&] { unet_of(golden); });
    for (const char* part :
         {"2 missing: conv_in.weight (8, 4, 3, 3), mid_block.attentions.0.proj_in.weight (24, 24)",
          "1 of another shape: up_blocks.0.resnets.1.conv1.bias is (5), should be (24)",
          "1 not part of this model: up_blocks.9.resnets.0.conv1.bias",
          "1 with values that are not finite: time_embedding.linear_1.bias"})
        EXPECT_CONTAINS(message, part);
}

TEST(UNet, BundledWeights) {
    const NetworkGolden golden("bundled");
    const std::string folder = KEEPSAKE_ASSETS "/models/flowers/unet/";
    const UNet unet(UNetConfig::from_json(read_json(folder + "config.json")),
                    read_weights(folder + "diffusion_pytorch_model.safetensors"));
    require_gradients(unet.parameters());
    const Tensor context = golden["embedding"].clone().requires_grad_();
    const Tensor prediction = unet(golden["sample"], golden["timestep"], context);
    EXPECT_LE(relative_error(prediction, golden["prediction"]), tolerance);
    (prediction * golden["probe"]).sum().backward();
    EXPECT_LE(relative_error(context.grad(), golden["context_grad"]), tolerance);
    expect_gradients(unet.parameters(), golden);
}

}  // namespace
}  // namespace keepsake::pipeline
