// The bundled model in bfloat16 arithmetic beside float32.
#include "pipeline/compute/arithmetic.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <tuple>

#include "pipeline/compute/bfloat16_trial.h"
#include "pipeline/compute/drawing_arithmetic.h"
#include "pipeline/compute/kernels.h"
#include "pipeline/model/generate.h"
#include "pipeline/model/model.h"
#include "pipeline/networks/lora.h"

namespace keepsake::pipeline {
namespace {

double relative_error(const Tensor& found, const Tensor& expected) {
    return ((found - expected).norm() / expected.norm()).item<double>();
}

class Bfloat16 : public testing::Test {
  protected:
    void SetUp() override {
        if (!kernels::kernels_for(Arithmetic::bfloat16))
            GTEST_SKIP() << "this processor does not multiply in bfloat16";
    }
    static Model model_in(Arithmetic arithmetic) {
        return load_model(KEEPSAKE_ASSETS "/models/flowers", {.arithmetic = arithmetic});
    }

    const Model plain_ = model_in(Arithmetic::float32), rounded_ = model_in(Arithmetic::bfloat16);
    const Tensor sample_ = randn({2, 8, 16, 16}, make_generator(1));
    const Tensor timestep_ = at::full({1}, 400.0);
    const Tensor text_ = encode_text(plain_, "a photo of a red tulip").expand({2, -1, -1});
};

TEST_F(Bfloat16, PredictsNearlyTheSame) {
    const at::NoGradGuard no_grad;
    const double error = relative_error(rounded_.unet(sample_, timestep_, text_),
                                        plain_.unet(sample_, timestep_, text_));
    EXPECT_LT(error, 0.01);
    EXPECT_GT(error, 1e-4) << "nothing was rounded";
}

TEST_F(Bfloat16, IsForAWhile) {
    const at::NoGradGuard no_grad;
    const Tensor exact = plain_.unet(sample_, timestep_, text_);
    const Tensor later = at::full({1}, 401.0), exact_later = plain_.unet(sample_, later, text_);
    const Model fresh = model_in(Arithmetic::float32);  // of which no timestep is known yet
    {
        const DrawIn quicker(Arithmetic::bfloat16);
        EXPECT_LT(relative_error(plain_.unet(sample_, timestep_, text_),
                                 rounded_.unet(sample_, timestep_, text_)),
                  5e-3)
            << "but for what is kept of the timestep and the text, which stays as it ever is";
        EXPECT_GT(relative_error(fresh.unet(sample_, later, text_), exact_later), 1e-4);
        {
            const DrawIn as_ever(std::nullopt);
            EXPECT_TRUE(at::equal(plain_.unet(sample_, timestep_, text_), exact));
        }
        EXPECT_GT(relative_error(plain_.unet(sample_, timestep_, text_), exact), 1e-4);
    }
    EXPECT_TRUE(at::equal(plain_.unet(sample_, timestep_, text_), exact));
    EXPECT_TRUE(at::equal(fresh.unet(sample_, later, text_), exact_later))
        << "something was kept that was rounded";
}

TEST_F(Bfloat16, ReachesCopiesAndLoras) {
    const at::NoGradGuard no_grad;
    const Tensor expected = rounded_.unet(sample_, timestep_, text_);
    EXPECT_TRUE(at::equal(rounded_.unet.clone()(sample_, timestep_, text_), expected));
    // A LoRA that has learned nothing yet.
    const LoraSet loras = make_loras(rounded_.unet, 4, make_generator(2));
    const UNet beside = with_loras(rounded_.unet, loras);
    EXPECT_EQ(beside.arithmetic(), Arithmetic::bfloat16);
    // Other sums of the last digits round other factors up.
    EXPECT_LT(relative_error(beside(sample_, timestep_, text_), expected), 0.01);
}

TEST_F(Bfloat16, LearnsInFloat32) {
    const auto learned = [&](const Model& model) {
        const LoraSet loras = make_loras(model.unet, 4, make_generator(2));
        for (const auto& [name, tensor] : lora_tensors(loras)) Tensor(tensor).requires_grad_();
        const UNet unet = with_loras(model.unet, loras);
        const Tensor text = text_.detach().clone().requires_grad_();
        const Tensor prediction = unet(sample_, timestep_, text);
        prediction.square().mean().backward();
        return std::tuple(prediction.detach(), text.grad(),
                          loras.at("mid_block.resnets.0.conv1").up.grad());
    };
    const auto [prediction, text, lora] = learned(rounded_);
    const auto [expected_prediction, expected_text, expected_lora] = learned(plain_);
    EXPECT_TRUE(at::equal(prediction, expected_prediction));
    EXPECT_TRUE(at::equal(text, expected_text));
    EXPECT_TRUE(at::equal(lora, expected_lora));
}

// A layer's y, dL/dx and dL/dW, each of rounded factors and summed in float32.
TEST_F(Bfloat16, LearnsInItWhereItIsAskedTo) {
    at::manual_seed(5);
    const Tensor x = at::randn({1200, 64}), weight = at::randn({96, 64}),
                 dy = at::randn({1200, 96});
    const auto learned = [&](Arithmetic arithmetic) {
        FusedLayer layer;
        layer.weight = weight.clone().requires_grad_();
        layer.packed = std::make_shared<PackedWeights>();
        const Tensor input = x.clone().requires_grad_();
        const LearnIn multiplying(arithmetic);
        const Tensor y = run_fused(layer, input);
        y.backward(dy);
        return std::vector<Tensor>{y.detach(), input.grad(), layer.weight.grad()};
    };
    const auto seen = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
    const std::vector<Tensor> expected = {seen(x).mm(seen(weight).t()), seen(dy).mm(seen(weight)),
                                          seen(dy).t().mm(seen(x))};
    const std::vector<Tensor> rounded = learned(Arithmetic::bfloat16);
    const std::vector<Tensor> plain = learned(Arithmetic::float32);
    for (std::size_t i = 0; i < expected.size(); ++i) {
        const double size = expected[i].abs().max().item<double>();
        EXPECT_LT((rounded[i] - expected[i]).abs().max().item<double>(), 2e-6 * size) << i;
        const double rounding = (rounded[i] - plain[i]).abs().max().item<double>();
        EXPECT_LT(rounding, 0.01 * size) << i;
        EXPECT_GT(rounding, 1e-4 * size) << i;
    }
    EXPECT_EQ(learning_arithmetic(), Arithmetic::float32);
}

// A convolution by Winograd's tiles, and one with a stride, which is a product.
TEST_F(Bfloat16, AConvolutionLearnsNearlyTheSame) {
    for (const std::int64_t stride : {1, 2}) {
        at::manual_seed(6);
        const auto last = at::MemoryFormat::ChannelsLast;
        const Tensor x = at::randn({2, 64, 16, 16}).contiguous(last);
        const Tensor weight = at::randn({32, 64, 3, 3}).contiguous(last);
        const auto learned = [&](Arithmetic arithmetic) {
            FusedLayer layer;
            layer.weight = weight.clone().requires_grad_();
            layer.packed = std::make_shared<PackedWeights>();
            layer.stride = stride;
            layer.padding = 1;
            const Tensor input = x.clone().requires_grad_();
            const LearnIn multiplying(arithmetic);
            const Tensor y = run_fused(layer, input);
            (y * y).mean().backward();
            return std::vector<Tensor>{y.detach(), input.grad(), layer.weight.grad()};
        };
        const std::vector<Tensor> rounded = learned(Arithmetic::bfloat16);
        const std::vector<Tensor> plain = learned(Arithmetic::float32);
        for (std::size_t i = 0; i < plain.size(); ++i) {
            const double size = plain[i].abs().max().item<double>();
            const double difference = (rounded[i] - plain[i]).abs().max().item<double>();
            EXPECT_LT(difference, 0.02 * size) << stride << ", " << i;
            EXPECT_GT(difference, 0) << stride << ", " << i;
        }
    }
}

TEST_F(Bfloat16, DrawsThePictureThatFloat32Draws) {
    const auto picture = [&](const Model& model) {
        GenerateInput input;
        input.cond = encode_text(model, "a photo of a red tulip");
        input.uncond = encode_text(model, "");
        input.noise = initial_noise(model, 128, 128, make_generator(3));
        SampleOptions options;
        options.steps = 20;
        Monitor monitor;
        return decode_latents(model, generate_latents(model, input, options, monitor));
    };
    const Tensor difference = picture(rounded_) - picture(plain_);
    const double psnr = -10 * std::log10(difference.square().mean().item<double>());
    EXPECT_GT(psnr, 30) << "dB";
}

TEST(Arithmetic, Bfloat16IsNotFastWhereThereIsNone) {
    if (kernels::kernels_for(Arithmetic::bfloat16)) GTEST_SKIP() << "there is";
    EXPECT_FALSE(has_fast_bfloat16());
}

TEST(Arithmetic, TheTrialRunsEveryKernel) {
    for (const kernels::Kernels* k : kernels::usable_kernels()) {
        SCOPED_TRACE(k->name);
        const KernelRace taken = race(*kernels::usable_kernels().front(), *k);
        for (const KernelSeconds& seconds : {taken.one, taken.other}) {
            for (const double time : {seconds.product, seconds.convolution}) {
                EXPECT_GT(time, 0);
                EXPECT_LT(time, 10);
            }
        }
    }
}

// The figures of docs/speed.md: an Emerald Rapids, whose products in bfloat16 reach 95 GFLOP/s and
// those in float32 165; a Zen 4, where they take half the time.
TEST(Arithmetic, Bfloat16IsTakenWhereItPays) {
    const KernelSeconds float32{1.0 / 165, 1.0 / 290};
    EXPECT_FALSE(bfloat16_pays(float32, {1.0 / 95, 1.0 / 170}));
    EXPECT_FALSE(bfloat16_pays(float32, float32)) << "a tie is float32's";
    EXPECT_TRUE(bfloat16_pays(float32, {0.5 / 165, 0.6 / 290}));
    EXPECT_FALSE(bfloat16_pays(float32, {0.7 / 165, 1.4 / 290}))
        << "faster products do not make up for slower convolutions";
    EXPECT_TRUE(bfloat16_pays(float32, {0.6 / 165, 0.9 / 290}));
}

}  // namespace
}  // namespace keepsake::pipeline
