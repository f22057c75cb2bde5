// Edits by instruction, against diffusers' pipeline (tests/goldens/make_instruction_goldens.py).
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/describe_model.h"
#include "pipeline/model/generate.h"
#include "tests/pipeline/model/model_on_disk.h"
#include "tests/pipeline/sampling/toy_denoiser.h"

namespace keepsake::pipeline {
namespace {

using testing::thrown_message;

const TensorMap& goldens() {
    static const TensorMap tensors = read_safetensors(KEEPSAKE_GOLDENS "/instruction.safetensors");
    return tensors;
}

void write_checkpoint(const std::filesystem::path& path) {
    TensorMap tensors = testing::golden_checkpoint("ldm_sd1");
    testing::widen_checkpoint(tensors, 4, make_generator(6));
    write_safetensors(path, tensors);
}

const Model& model() {
    static const testing::TemporaryFolder folder;
    static const Model loaded = [] {
        write_checkpoint(folder.path / "model.safetensors");
        return load_model(folder.path / "model.safetensors",
                          {.default_tokenizer = testing::bundled_model() / "tokenizer"});
    }();
    return loaded;
}

struct Case {
    std::string sampler;
    double guidance, image_guidance;
    std::string name;
};

GenerateInput input_of(const Case& c) {
    GenerateInput input;
    input.generators = {make_generator(11)};
    input.noise = initial_noise(model(), 16, 16, input.generators[0]);
    input.instruction =
        Instruction{picture_latents(model(), goldens().at("image")).mean, c.image_guidance};
    input.cond = model().text_encoder(goldens().at("ids"));
    input.uncond = model().text_encoder(goldens().at("negative_ids"));
    return input;
}

// Every step of the sampler around the denoiser, and the whole way to the picture.
TEST(Instruction, DrawsWhatTheReferenceDraws) {
    const at::NoGradGuard no_grad;
    const std::vector<Case> cases = {
        {"ddim", 7.5, 1.5, "ddim-7.5-1.5"},       {"pndm", 3, 1.5, "pndm-3.0-1.5"},
        {"euler", 7.5, 1, "euler-7.5-1.0"},       {"euler_a", 7.5, 1.5, "euler_a-7.5-1.5"},
        {"dpmpp_2m", 5, 2.2, "dpmpp_2m-5.0-2.2"}, {"heun", 3, 1.5, "heun-3.0-1.5"},
        {"unipc", 2, 1.2, "unipc-2.0-1.2"},       {"ddim", 1, 1.5, "ddim-1.0-1.5"}};
    double worst = 0;
    for (const Case& c : cases) {
        SCOPED_TRACE(c.name);
        const Tensor expected = goldens().at(c.name);
        const SampleOptions options{
            .sampler = parse_sampler(c.sampler), .steps = 6, .guidance_scale = c.guidance};
        GenerateInput input = input_of(c);
        const Timetable table =
            make_timetable(options.sampler, schedule_for(model(), options), options.steps);
        SamplerControls controls{.generators = input.generators};
        std::int64_t step = 0;
        controls.on_step = [&](std::size_t, const Tensor& x) {
            ASSERT_LT(step, expected.size(0));
            worst = std::max(worst, relative_error(x, expected.slice(0, step, step + 1)));
            EXPECT_LT(relative_error(x, expected.slice(0, step, step + 1)), 1e-4) << step;
            ++step;
        };
        const Denoiser denoise = instructed_denoiser(model().unet, input.cond, input.uncond,
                                                     *input.instruction, c.guidance);
        sample(denoise, schedule_for(model(), options), table, input.noise * table.init_noise_sigma,
               controls);
        EXPECT_EQ(step, expected.size(0));

        Monitor monitor;
        const Tensor latents = generate_latents(model(), input_of(c), options, monitor);
        EXPECT_LT(relative_error(latents, expected.slice(0, -1)), 1e-4);
        const Tensor picture = decode_latents(model(), latents);
        EXPECT_LT((picture - goldens().at(c.name + "-picture")).abs().max().item<double>(), 1e-3);
    }
    std::printf("worst relative error of a step %.2g\n", worst);
}

// A picture among others is what it is alone, and each may have its own photo.
TEST(Instruction, PicturesInABatchAreThemselves) {
    const at::NoGradGuard no_grad;
    const Case c{"ddim", 7.5, 1.5, ""};
    GenerateInput one = input_of(c), two = input_of(c);
    const Tensor other = picture_latents(model(), goldens().at("image").flip({-1})).mean;
    two.noise = at::cat({two.noise, randn({1, 4, 8, 8}, make_generator(12))});
    two.instruction->image_latents = at::cat({two.instruction->image_latents, other});
    Monitor monitor;
    const SampleOptions options{.sampler = Sampler::ddim, .steps = 3};
    const Tensor both = generate_latents(model(), two, options, monitor);
    EXPECT_LT(relative_error(both.slice(0, 0, 1), generate_latents(model(), one, options, monitor)),
              1e-4);
    one.noise = two.noise.slice(0, 1);
    one.instruction->image_latents = other;
    EXPECT_LT(relative_error(both.slice(0, 1), generate_latents(model(), one, options, monitor)),
              1e-4);
}

// Where a mask says that something stays, it stays.
TEST(Instruction, WithinAMask) {
    const at::NoGradGuard no_grad;
    GenerateInput input = input_of({"euler", 7.5, 1.5, ""});
    input.init_latents = encode_image(model(), goldens().at("image"));
    Tensor mask = at::zeros({1, 1, 8, 8});
    mask.slice(3, 0, 4).fill_(1);
    input.inpainting = Inpainting{mask, {}};
    Monitor monitor;
    const Tensor found =
        generate_latents(model(), input, {.sampler = Sampler::euler, .steps = 3}, monitor);
    EXPECT_TRUE(at::equal(found * (1 - mask), *input.init_latents * (1 - mask)));
    EXPECT_GT(((found - *input.init_latents) * mask).abs().max().item<double>(), 0.1);
}

TEST(Instruction, WhatIsMissingIsNamed) {
    const at::NoGradGuard no_grad;
    const auto refusal = [](auto change) {
        GenerateInput input = input_of({"ddim", 7.5, 1.5, ""});
        change(input);
        Monitor monitor;
        return thrown_message<Error>([&] {
            generate_latents(model(), input, {.sampler = Sampler::ddim, .steps = 2}, monitor);
        });
    };
    EXPECT_NE(refusal([](GenerateInput& i) {
                  i.instruction.reset();
              }).find("edits a picture by an instruction: it needs the picture's latents"),
              std::string::npos);
    EXPECT_NE(refusal([](GenerateInput& i) {
                  i.instruction->image_guidance = 0.5;
              }).find("image guidance: 0.5"),
              std::string::npos);
    EXPECT_EQ(refusal([](GenerateInput& i) { i.uncond.reset(); }),
              "guidance: needs the embedding of the negative prompt");
    static const Model plain = load_model(testing::bundled_model());
    GenerateInput input;
    input.instruction = Instruction{at::zeros({1, 4, 8, 8})};
    Monitor monitor;
    EXPECT_NE(thrown_message<Error>([&] {
                  generate_latents(plain, input, {}, monitor);
              }).find("is not made to edit a picture by an instruction"),
              std::string::npos);
}

TEST(Instruction, BothLayoutsSayWhatTheyAreFor) {
    const testing::TemporaryFolder single;
    write_checkpoint(single.path / "m.safetensors");
    const LoadOptions options{.default_tokenizer = testing::bundled_model() / "tokenizer"};
    const std::string line = "made for      edits by instruction: keepsake generate --image\n";
    EXPECT_NE(describe_model(single.path / "m.safetensors", options).find(line), std::string::npos);
    const testing::ModelFolder folder;
    testing::widen_conv_in(folder, 8);
    EXPECT_NE(describe_model(folder.path, {}).find(line), std::string::npos);
    EXPECT_TRUE(takes_instructions(load_model(folder.path)));
    EXPECT_FALSE(is_inpainting(load_model(folder.path)));
}

}  // namespace
}  // namespace keepsake::pipeline
