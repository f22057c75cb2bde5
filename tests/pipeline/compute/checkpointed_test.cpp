// Gradients with recomputed activations beside those with kept ones.
#include "pipeline/compute/checkpointed.h"

#include "pipeline/networks/activation_bytes.h"
#include "pipeline/networks/lora.h"
#include "tests/pipeline/compute/memory_use.h"
#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

// Of a tensor's largest value: gradients of what is used twice are added in another order. In
// float64 it shows that nothing else differs; of float32 up to 3.1e-5 was seen (AVX2, one thread).
constexpr double rounding32 = 1e-4, rounding64 = 1e-13;

UNet unet_of(const NetworkGolden& golden, at::ScalarType dtype) {
    Weights weights = Weights::from_tensors(golden.weights);
    weights.set_target(dtype, at::kCPU);  // float64: by LibTorch's operators
    return UNet(UNetConfig::from_json(golden.config), std::move(weights));
}

struct Passed {
    Tensor output;
    TensorMap gradients;
};

// One forward and backward at this size of latents, for what of `leaves` requires a gradient.
Passed pass(const UNet& unet, const NetworkGolden& golden, at::IntArrayRef size,
            const TensorMap& leaves, Activations activations) {
    at::manual_seed(5);
    const auto& config = unet.config();
    const auto options = unet.parameters().at("conv_in.weight").options();
    const Tensor sample = at::randn({2, config.in_channels, size[0], size[1]}, options);
    const Tensor probe = at::randn({2, config.out_channels, size[0], size[1]}, options);
    const auto given = leaves.find("context");
    const Tensor context = given == leaves.end() ? golden["context"] : given->second;
    Passed passed;
    passed.output = unet(sample, golden["timestep"], context, activations);
    (passed.output * probe).sum().backward();
    for (const auto& [name, leaf] : leaves) {
        passed.gradients[name] = leaf.grad();
        leaf.mutable_grad() = Tensor();
    }
    return passed;
}

void expect_same(const UNet& unet, const NetworkGolden& golden, at::IntArrayRef size,
                 const TensorMap& leaves, double rounding) {
    require_gradients(leaves);
    const Passed kept = pass(unet, golden, size, leaves, Activations::kept);
    const Passed recomputed = pass(unet, golden, size, leaves, Activations::recomputed);
    EXPECT_TRUE(at::equal(recomputed.output, kept.output));
    double largest_of_all = 0;
    for (const auto& [name, gradient] : kept.gradients)
        if (gradient.defined()) largest_of_all = std::max(largest_of_all, largest(gradient));
    ASSERT_GT(largest_of_all, 0);
    for (const auto& [name, gradient] : kept.gradients) {
        ASSERT_TRUE(gradient.defined()) << name;
        ASSERT_TRUE(recomputed.gradients.at(name).defined()) << name;
        // Where a gradient is nothing but rounding its digits mean nothing: see expect_gradients.
        const double scale = std::max(largest(gradient), 1e-3 * largest_of_all);
        EXPECT_LE(largest(recomputed.gradients.at(name) - gradient) / scale, rounding) << name;
    }
}

using Case = std::tuple<const char*, std::vector<std::int64_t>>;
class Checkpointed : public ::testing::TestWithParam<Case> {
  protected:
    NetworkGolden golden{std::get<0>(GetParam())};
    std::vector<std::int64_t> size = std::get<1>(GetParam());
};

TEST_P(Checkpointed, AllWeightsLearn) {
    const UNet unet = unet_of(golden, at::kFloat);
    expect_same(unet, golden, size, unet.parameters(), rounding32);
}

TEST_P(Checkpointed, TheTextLearns) {
    const UNet unet = unet_of(golden, at::kFloat);
    expect_same(unet, golden, size, {{"context", golden["context"].clone()}}, rounding32);
}

TEST_P(Checkpointed, ALoraLearns) {
    const UNet unet = unet_of(golden, at::kFloat);
    at::manual_seed(6);
    const LoraSet loras = make_loras(unet, 4, at::Generator());
    for (const auto& [layer, lora] : loras) Tensor(lora.up).normal_(0, 0.2);
    expect_same(with_loras(unet, loras), golden, size, lora_tensors(loras), rounding32);
}

TEST_P(Checkpointed, ByLibTorchsOperatorsAlone) {
    const UNet unet = unet_of(golden, at::kDouble);
    TensorMap leaves = unet.parameters();
    leaves["context"] = golden["context"].to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
    expect_same(unet, golden, size, leaves, rounding64);
}

INSTANTIATE_TEST_SUITE_P(Networks, Checkpointed,
                         ::testing::Combine(::testing::Values("unet_sd1", "unet_sd2",
                                                              "unet_bundled", "unet_options"),
                                            ::testing::Values(std::vector<std::int64_t>{8, 8},
                                                              std::vector<std::int64_t>{7, 11})));

UNet bundled_unet() {
    const std::string folder = KEEPSAKE_ASSETS "/models/flowers/unet/";
    return UNet(UNetConfig::from_json(read_json(folder + "config.json")),
                read_weights(folder + "diffusion_pytorch_model.safetensors"));
}

struct Bytes {
    double kept, peak;  // after the forward pass, over both
};

Bytes bytes_of(const UNet& unet, const Tensor& sample, const Tensor& context,
               Activations activations) {
    const testing::CountedTensors counted;
    const std::size_t before = counted.now();
    counted.reset_peak();
    const Tensor loss = unet(sample, at::full({1}, 500.0), context, activations).square().mean();
    const std::size_t kept = counted.now() - before;
    loss.backward();
    return {static_cast<double>(kept), static_cast<double>(counted.peak() - before)};
}

// What is kept is what activation_bytes() says, and with recomputation a small part of it; the peak
// falls with it.
TEST(CheckpointedMemory, KeepsLittleAndPeaksLower) {
    UNet unet = bundled_unet();
    for (const auto dtype : {at::kFloat, at::kDouble}) {
        SCOPED_TRACE(at::toString(dtype));
        if (dtype == at::kDouble) {
            Weights weights = Weights::from_tensors(unet.parameters());
            weights.set_target(dtype, at::kCPU);
            unet = UNet(unet.config(), std::move(weights));
        }
        const auto& config = unet.config();
        const Tensor context = at::randn({2, 77, config.cross_attention_dim}, dtype);
        context.requires_grad_();
        const Tensor sample = at::randn({2, config.in_channels, 30, 45}, dtype);
        bytes_of(unet, sample, context, Activations::kept);  // packs weights, which stay
        const auto estimate = static_cast<double>(activation_bytes(unet, 2, 30, 45));
        require_gradients(unet.parameters());
        EXPECT_NEAR(bytes_of(unet, sample, context, Activations::kept).kept / estimate, 1, 0.05);
        // Without the weights' gradients, which are more than all this at such a size.
        for (const auto& [name, weight] : unet.parameters()) Tensor(weight).requires_grad_(false);
        const Bytes kept = bytes_of(unet, sample, context, Activations::kept);
        const Bytes recomputed = bytes_of(unet, sample, context, Activations::recomputed);
        EXPECT_LT(recomputed.kept, 0.25 * kept.kept);
        EXPECT_LT(recomputed.peak, 0.5 * kept.peak);
    }
}

// Blocks of functions, without a network.
Tensor doubled_sine(const std::vector<Tensor>& in) {
    return at::sin(in[0]) * 2;
}

TEST(CheckpointedBlock, LetsGradientsBeAskedForInAnyWay) {
    const Tensor x = at::randn({5}, at::kDouble).requires_grad_();
    const Tensor weight = at::randn({5}, at::kDouble).requires_grad_();
    const Block block = [weight](const std::vector<Tensor>& in) { return at::sin(in[0]) * weight; };
    const Tensor y = checkpointed(block, {x}, {weight}).sum();
    for (int again = 0; again < 2; ++again) {  // the graph is kept
        y.backward({}, /*retain_graph=*/true);
        EXPECT_TRUE(at::allclose(x.grad(), (again + 1) * at::cos(x) * weight));
        EXPECT_TRUE(at::allclose(weight.grad(), (again + 1) * at::sin(x)));
    }
    // Nothing but what learns beside the inputs.
    weight.mutable_grad() = Tensor();
    checkpointed(block, {x.detach()}, {weight}).sum().backward();
    EXPECT_TRUE(at::allclose(weight.grad(), at::sin(x)));
}

TEST(CheckpointedBlock, NeedsNoGradientWhereNothingLearns) {
    const Tensor x = at::randn({5}, at::kDouble);
    EXPECT_FALSE(checkpointed(doubled_sine, {x}, {}).requires_grad());
    x.requires_grad_();
    EXPECT_TRUE(checkpointed(doubled_sine, {x}, {}).requires_grad());
    const at::NoGradGuard no_grad;
    EXPECT_FALSE(checkpointed(doubled_sine, {x}, {}).requires_grad());
}

// Autograd's own rule: what the backward pass needs must be what the forward pass saw.
TEST(CheckpointedBlock, RefusesWeightsThatWereWrittenInBetween) {
    const Tensor weight = at::randn({5}).requires_grad_();
    const Block block = [weight](const std::vector<Tensor>& in) { return in[0] * weight; };
    const Tensor y = checkpointed(block, {at::randn({5})}, {weight}).sum();
    {
        const at::NoGradGuard no_grad;
        Tensor(weight).mul_(2);
    }
    EXPECT_THROW(y.backward(), c10::Error);
}

TEST(CheckpointedBlock, OutlivesTheNetwork) {
    const NetworkGolden golden("unet_sd1");
    const Tensor context = golden["context"].clone().requires_grad_();
    const Tensor y = unet_of(golden, at::kFloat)(golden["sample"], golden["timestep"], context,
                                                 Activations::recomputed);
    (y * golden["probe"]).sum().backward();
    EXPECT_LE(relative_error(context.grad(), golden["context_grad"]), tolerance);
}

}  // namespace
}  // namespace keepsake::pipeline
