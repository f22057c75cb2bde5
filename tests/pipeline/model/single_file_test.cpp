// Single-file checkpoints in the original LDM layout, against diffusers' conversion of the same
// file.
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/describe_model.h"
#include "pipeline/model/model.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::pipeline {
namespace {

using testing::bundled_model;
using testing::golden_checkpoint;
using testing::TemporaryFolder;
using testing::thrown_message;

void expect_contains(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

// A checkpoint file of its own in a fresh folder.
struct CheckpointFile : TemporaryFolder {
    std::filesystem::path file = path / "model.safetensors";
    LoadOptions options{.default_tokenizer = bundled_model() / "tokenizer"};

    explicit CheckpointFile(const TensorMap& tensors) { write_safetensors(file, tensors); }
    Model load() const { return load_model(file, options); }
    std::string why_not() const {
        return thrown_message<Error>([&] { load(); });
    }
};

void expect_close(const Tensor& found, const Tensor& expected, const std::string& what) {
    ASSERT_EQ(found.sizes(), expected.sizes()) << what;
    const auto error =
        (found - expected).abs().max().item<double>() / expected.abs().max().item<double>();
    EXPECT_LT(error, 1e-4) << what;
}

class SingleFileGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(SingleFileGolden, ComputesWhatTheReferenceDoes) {
    const CheckpointFile checkpoint(golden_checkpoint(GetParam()));
    const auto model = checkpoint.load();
    const auto expected =
        read_safetensors(std::string(KEEPSAKE_GOLDENS "/") + GetParam() + "_outputs.safetensors");
    const Tensor hidden = model.text_encoder(expected.at("ids"));
    expect_close(hidden, expected.at("hidden"), "text encoder");
    expect_close(model.vae.encode(expected.at("image")).mean, expected.at("mean"), "VAE encoder");
    expect_close(model.vae.decode(expected.at("z")), expected.at("decoded"), "VAE decoder");
    expect_close(model.unet(expected.at("z"), expected.at("timestep"), expected.at("hidden")),
                 expected.at("noise_prediction"), "U-Net");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, SingleFileGolden, ::testing::Values("ldm_sd1", "ldm_sd2"),
                         [](const auto& info) { return info.param; });

TEST(SingleFile, StableDiffusion1) {
    const CheckpointFile checkpoint(golden_checkpoint("ldm_sd1"));
    const auto model = checkpoint.load();
    EXPECT_EQ(model.schedule.config.prediction_type, PredictionType::epsilon);
    EXPECT_EQ(model.schedule.config.beta_end, 0.012);
    EXPECT_EQ(model.native_size(), 512);
    EXPECT_EQ(model.text_encoder.config().hidden_act, "quick_gelu");
    EXPECT_EQ(model.tokenizer.pad_id(), model.tokenizer.end_id());
    EXPECT_EQ(model.fingerprint, model_fingerprint(checkpoint.file));
    const auto text = describe_model(checkpoint.file);
    for (const char* part :
         {"Stable Diffusion 1.x checkpoint, original LDM layout", "(model.safetensors)",
          "epsilon (assumed for SD 1.x)", "512x512 pixels"})
        expect_contains(text, part);
}

TEST(SingleFile, StableDiffusion2) {
    const CheckpointFile checkpoint(golden_checkpoint("ldm_sd2"));
    const auto model = checkpoint.load();
    EXPECT_EQ(model.schedule.config.prediction_type, PredictionType::v_prediction);
    EXPECT_EQ(model.native_size(), 768);
    EXPECT_EQ(model.text_encoder.config().hidden_act, "gelu");
    EXPECT_EQ(model.text_encoder.config().num_hidden_layers -
                  model.text_encoder.config().skip_last_layers,
              23);
    EXPECT_TRUE(model.unet.config().use_linear_projection);
    EXPECT_EQ(model.tokenizer("a").ids.back(), 0) << "SD 2.x pads with '!'";
    expect_contains(describe_model(checkpoint.file), "v_prediction (assumed for SD 2.x)");
}

// What a file says of its prediction: its last training step, a file beside it, the caller.
TEST(SingleFile, PredictionTypeOfStableDiffusion2) {
    auto tensors = golden_checkpoint("ldm_sd2");
    tensors["global_step"] = at::scalar_tensor(110000, at::kLong);
    CheckpointFile v_model(tensors);
    EXPECT_EQ(v_model.load().schedule.config.prediction_type, PredictionType::v_prediction);
    v_model.options.prediction_type = PredictionType::epsilon;
    EXPECT_EQ(v_model.load().schedule.config.prediction_type, PredictionType::epsilon);
    EXPECT_EQ(v_model.load().native_size(), 512);

    tensors["global_step"] = at::scalar_tensor(875000, at::kLong);
    const CheckpointFile base(tensors);
    EXPECT_EQ(base.load().schedule.config.prediction_type, PredictionType::epsilon);
    EXPECT_EQ(base.load().native_size(), 512);
}

TEST(SingleFile, ScheduleBesideTheFile) {
    const CheckpointFile checkpoint(golden_checkpoint("ldm_sd1"));
    const auto beside = checkpoint.path / "model.json";
    testing::write_bytes(beside, R"({"prediction_type": "v_prediction"})");
    auto config = checkpoint.load().schedule.config;
    EXPECT_EQ(config.prediction_type, PredictionType::v_prediction);
    EXPECT_EQ(config.beta_schedule, "scaled_linear");
    EXPECT_EQ(config.beta_end, 0.012);
    expect_contains(describe_model(checkpoint.file), "v_prediction (model.json)");

    testing::write_bytes(beside, read_file(bundled_model() / "scheduler/scheduler_config.json"));
    config = checkpoint.load().schedule.config;
    EXPECT_EQ(config.beta_end, 0.02);

    testing::write_bytes(beside, R"({"description": "another program's notes"})");
    EXPECT_EQ(checkpoint.load().schedule.config.prediction_type, PredictionType::epsilon);

    testing::write_bytes(beside, R"({"prediction_type": "flow"})");
    expect_contains(checkpoint.why_not(), beside.string());
    testing::write_bytes(beside, "{");
    expect_contains(checkpoint.why_not(), beside.string() + ": is not JSON");
}

TEST(SingleFile, WhereTheTokenizerComesFrom) {
    CheckpointFile checkpoint(golden_checkpoint("ldm_sd2"));
    EXPECT_EQ(checkpoint.load().tokenizer.pad_id(), 0);
    // A folder beside the file, and one that is given, say themselves how to pad.
    create_directory_symlink(absolute(bundled_model() / "tokenizer"),
                             checkpoint.path / "tokenizer");
    EXPECT_EQ(checkpoint.load().tokenizer.pad_id(), 49407);
    checkpoint.options.tokenizer = checkpoint.path / "none";
    expect_contains(checkpoint.why_not(), (checkpoint.path / "none").string());
    checkpoint.options = {};
    EXPECT_EQ(checkpoint.load().tokenizer.pad_id(), 49407);
    std::filesystem::remove(checkpoint.path / "tokenizer");
    expect_contains(checkpoint.why_not(),
                    "has no tokenizer: put CLIP's vocab.json and merges.txt into");
}

TEST(SingleFile, TensorsThatDoNotFitAreNamed) {
    auto tensors = golden_checkpoint("ldm_sd1");
    tensors.erase("model.diffusion_model.out.2.bias");
    tensors["model.diffusion_model.label_emb.weight"] = at::zeros({3});
    tensors["model.diffusion_model.time_embed.0.bias"] = at::zeros({3});
    const CheckpointFile checkpoint(tensors);
    const auto why = checkpoint.why_not();
    for (const char* part :
         {"model.safetensors (U-Net)", "conv_out.bias", "model.diffusion_model.label_emb.weight",
          "time_embedding.linear_1.bias is (3)"})
        expect_contains(why, part);
}

TEST(SingleFile, TensorsOfNoComponentAreToldAndLeftAlone) {
    auto tensors = golden_checkpoint("ldm_sd1");
    EXPECT_EQ(CheckpointFile(tensors).load().left_alone, "");
    const auto fingerprint = CheckpointFile(tensors).load().fingerprint;
    tensors["control_model.x"] = at::zeros({1});
    CheckpointFile one(tensors);
    EXPECT_EQ(one.load().left_alone, "1 tensor of no component: control_model.x");
    EXPECT_EQ(one.load().fingerprint, fingerprint);
    for (const char* name : {"depth.y", "lora_unet_a.lora_down.weight", "b", "c", "d"})
        tensors[name] = at::zeros({1});
    CheckpointFile many(tensors);
    const std::string told = "6 tensors of no component: b, c, control_model.x, d, depth.y, ...";
    EXPECT_EQ(many.load().left_alone, told);
    expect_contains(describe_model(many.file, many.options), "left alone    " + told);
}

TensorMap with_tensor(TensorMap tensors, const std::string& name) {
    tensors[name] = at::empty({0});
    return tensors;
}

TEST(SingleFile, TensorsThatSayThePrediction) {
    const CheckpointFile v(with_tensor(golden_checkpoint("ldm_sd1"), "v_pred"));
    auto config = v.load().schedule.config;
    EXPECT_EQ(config.prediction_type, PredictionType::v_prediction);
    EXPECT_FALSE(config.rescale_betas_zero_snr);
    EXPECT_EQ(v.load().left_alone, "");
    expect_contains(describe_model(v.file), "v_prediction (its tensor v_pred)");

    CheckpointFile zero(with_tensor(with_tensor(golden_checkpoint("ldm_sd1"), "v_pred"), "ztsnr"));
    config = zero.load().schedule.config;
    EXPECT_TRUE(config.rescale_betas_zero_snr);
    EXPECT_EQ(config.timestep_spacing, TimestepSpacing::trailing);
    expect_contains(describe_model(zero.file),
                    "v_prediction (its tensor v_pred, zero terminal SNR)");
    zero.options.prediction_type = PredictionType::epsilon;  // which all noise tells nothing of
    EXPECT_FALSE(zero.load().schedule.config.rescale_betas_zero_snr);
    expect_contains(describe_model(zero.file, zero.options), "epsilon (as asked for)");
}

TEST(SingleFile, MetadataThatSaysThePrediction) {
    const auto predicts = [](const std::string& name) {
        const CheckpointFile checkpoint({});
        write_safetensors(checkpoint.file, golden_checkpoint("ldm_sd1"),
                          {{"modelspec.prediction_type", name}});
        return checkpoint.load().schedule.config.prediction_type;
    };
    EXPECT_EQ(predicts("v"), PredictionType::v_prediction);
    EXPECT_EQ(predicts("v_prediction"), PredictionType::v_prediction);
    EXPECT_EQ(predicts("epsilon"), PredictionType::epsilon);
    EXPECT_EQ(predicts("something else"), PredictionType::epsilon);
    // The tensor is looked for by every program, so it is the one that is right.
    const CheckpointFile both({});
    write_safetensors(both.file, with_tensor(golden_checkpoint("ldm_sd1"), "v_pred"),
                      {{"modelspec.prediction_type", "epsilon"}});
    EXPECT_EQ(both.load().schedule.config.prediction_type, PredictionType::v_prediction);
}

TEST(SingleFile, YamlBesideTheFile) {
    const CheckpointFile checkpoint(golden_checkpoint("ldm_sd1"));
    const auto beside = checkpoint.path / "model.yaml";
    const auto predicts = [&](const std::string& yaml) {
        testing::write_bytes(beside, yaml);
        return checkpoint.load().schedule.config.prediction_type;
    };
    const std::string begin = "model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n";
    EXPECT_EQ(predicts(begin + "  params:\r\n    parameterization: \"v\"  # as SD 2\r\n"),
              PredictionType::v_prediction);
    expect_contains(describe_model(checkpoint.file), "v_prediction (model.yaml)");
    EXPECT_EQ(predicts("    parameterization: 'v'"), PredictionType::v_prediction);
    EXPECT_EQ(predicts("parameterization: eps"), PredictionType::epsilon);
    EXPECT_EQ(predicts("parameterization: x0"), PredictionType::sample);
    EXPECT_EQ(predicts("# parameterization: v\nparameterizations: v"), PredictionType::epsilon);
    testing::write_bytes(beside, "parameterization: flow");
    EXPECT_EQ(checkpoint.why_not(), beside.string() + ": parameterization is none of eps, v, x0");

    // The original configuration of SD 2.x base says nothing, and that means "eps".
    const CheckpointFile base(golden_checkpoint("ldm_sd2"));
    testing::write_bytes(base.path / "model.yaml", begin);
    EXPECT_EQ(base.load().schedule.config.prediction_type, PredictionType::epsilon);
    testing::write_bytes(base.path / "model.yaml", "notes: of another program");
    EXPECT_EQ(base.load().schedule.config.prediction_type, PredictionType::v_prediction);
}

// What is described is what loads.
TEST(SingleFile, InfoRefusesWhatDoesNotLoad) {
    const auto same_end = [](const TensorMap& tensors) {
        const CheckpointFile checkpoint(tensors);
        const std::string why = checkpoint.why_not();
        EXPECT_EQ(
            thrown_message<Error>([&] { describe_model(checkpoint.file, checkpoint.options); }),
            why);
    };
    auto tensors = golden_checkpoint("ldm_sd1");
    tensors["model.diffusion_model.label_emb.weight"] = at::zeros({3});
    tensors["model.diffusion_model.time_embed.0.bias"] = at::zeros({3});
    same_end(tensors);
    tensors = golden_checkpoint("ldm_sd1");
    tensors.erase("first_stage_model.decoder.conv_out.bias");
    same_end(tensors);
    tensors = golden_checkpoint("ldm_sd1");
    auto& first = tensors.at("model.diffusion_model.input_blocks.0.0.weight");
    first = at::zeros({first.size(0), 7, 3, 3});
    same_end(tensors);
    // A vocabulary that is too small for the tokenizer.
    same_end(read_safetensors(KEEPSAKE_GOLDENS "/ldm_sd1.safetensors"));
}

TEST(SingleFile, MissingComponentsAreNamed) {
    const auto without = [](const std::string& prefix) {
        auto tensors = golden_checkpoint("ldm_sd1");
        std::erase_if(tensors, [&](const auto& item) { return item.first.starts_with(prefix); });
        return CheckpointFile(tensors).why_not();
    };
    expect_contains(without("first_stage_model."), "has no VAE (first_stage_model.*)");
    expect_contains(without("cond_stage_model."), "has no text encoder (cond_stage_model.*)");
    expect_contains(without("model.diffusion_model."),
                    "is no Stable Diffusion 1.x or 2.x checkpoint");
    // So little is left of a component that its size cannot be told.
    expect_contains(without("first_stage_model.decoder.conv_in"), "model.safetensors: ");
    expect_contains(without("cond_stage_model.transformer.text_model.embeddings"),
                    "model.safetensors: ");
    expect_contains(without("model.diffusion_model.input_blocks.1"), "model.safetensors");
}

TEST(SingleFile, OtherFilesAreToldApart) {
    const auto why = [](const std::string& name) {
        return CheckpointFile({{name, at::zeros({2, 2})}}).why_not();
    };
    expect_contains(why("conditioner.embedders.0.transformer.x"),
                    "is a Stable Diffusion XL checkpoint");
    expect_contains(why("a.lora_down.weight"), "is a LoRA, not a model");
    expect_contains(why("down_blocks.0.resnets.0.conv1.weight"), "is one component of a model");
    expect_contains(why("anything"), "is no Stable Diffusion 1.x or 2.x checkpoint");
}

// The latents, the mask and the masked picture's latents; any other number is told.
TEST(SingleFile, InpaintingModelsOpen) {
    auto tensors = golden_checkpoint("ldm_sd1");
    auto& first = tensors.at("model.diffusion_model.input_blocks.0.0.weight");
    first = at::zeros({first.size(0), 9, 3, 3});
    const Model model = CheckpointFile(tensors).load();
    EXPECT_EQ(model.unet.config().in_channels, 9);
    EXPECT_EQ(model.unet.config().out_channels, 4);
    first = at::zeros({first.size(0), 7, 3, 3});
    expect_contains(CheckpointFile(tensors).why_not(), "7 channels");
}

}  // namespace
}  // namespace keepsake::pipeline
