// Models from diffusers folders: every form that loads, and everything that does not.
#include "pipeline/model/model.h"
#include "pipeline/model/describe_model.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <limits>

#include "pipeline/compute/kept_buffers.h"
#include "pipeline/compute/kernels.h"
#include "pipeline/error.h"
#include "tests/pipeline/compute/memory_use.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::pipeline {
namespace {

using testing::bundled_model;
using testing::ModelFolder;
using testing::TemporaryFolder;
using testing::thrown_message;

const std::string unet_file = "unet/diffusion_pytorch_model.safetensors";

void expect_contains(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

std::string why_not(const ModelFolder& folder) {
    const auto message = thrown_message<Error>([&] { load_model(folder.path); });
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
}

TensorMap converted(const TensorMap& tensors, at::ScalarType dtype) {
    TensorMap result;
    for (const auto& [name, tensor] : tensors) result[name] = tensor.to(dtype);
    return result;
}

// The U-Net's parameters must be the file's values, whatever form they were stored in.
void expect_unet(const Model& model, const TensorMap& tensors) {
    ASSERT_EQ(model.unet.parameters().size(), tensors.size());
    for (const auto& [name, tensor] : tensors)
        ASSERT_TRUE(at::equal(model.unet.parameters().at(name), tensor.to(model.dtype))) << name;
}

TEST(LoadModel, TheBundledModel) {
    const auto model = load_model(bundled_model());
    EXPECT_EQ(model.native_size(), 128);
    EXPECT_EQ(model.schedule.config.prediction_type, PredictionType::v_prediction);
    EXPECT_EQ(model.fingerprint, model_fingerprint(bundled_model()));
    EXPECT_EQ(model.fingerprint.size(), 16u);
    EXPECT_NEAR(model.vae.config().scaling_factor, 0.34698188304901123, 1e-15);
    expect_unet(model, read_safetensors(bundled_model() / unet_file));
    for (const auto& [name, tensor] : model.unet.parameters()) {
        EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
        EXPECT_FALSE(tensor.requires_grad()) << name;
    }
}

TEST(LoadModel, StoredInAnyPrecisionForAnyPrecision) {
    const auto half = read_safetensors(bundled_model() / unet_file);
    for (const auto stored : {at::kFloat, at::kHalf, at::kBFloat16})
        for (const auto working : {at::kFloat, at::kBFloat16}) {
            const ModelFolder folder;
            const auto tensors = converted(half, stored);
            folder.replace(unet_file, tensors);
            const auto model = load_model(folder.path, {.dtype = working});
            EXPECT_EQ(model.dtype, working);
            expect_unet(model, tensors);
        }
}

// `value` + 1 in every tensor tells which of two files was read.
TensorMap plus_one(TensorMap tensors) {
    for (auto& [name, tensor] : tensors) tensor = tensor + 1;
    return tensors;
}

TEST(LoadModel, HalfPrecisionVariantWhereThereIsNoPlainFile) {
    const ModelFolder folder;
    const auto plain = read_safetensors(bundled_model() / unet_file);
    const auto variant = plus_one(plain);
    folder.replace("unet/diffusion_pytorch_model.fp16.safetensors", variant);
    expect_unet(load_model(folder.path), plain);
    std::filesystem::remove(folder.path / unet_file);
    expect_unet(load_model(folder.path), variant);
}

TEST(LoadModel, FileNamesOfTransformersForEveryComponent) {
    const ModelFolder folder;
    for (const char* part : {"unet", "vae"})
        rename(folder.path / part / "diffusion_pytorch_model.safetensors",
               folder.path / part / "model.safetensors");
    EXPECT_EQ(load_model(folder.path).fingerprint, model_fingerprint(bundled_model()));
}

// Splits a component's weights over three files with an index; its name and the shards'.
void shard(const ModelFolder& folder, const std::string& plain, const std::string& index_name) {
    const auto tensors = read_safetensors(folder.path / plain);
    const auto place = std::filesystem::path(plain).parent_path();
    std::array<TensorMap, 3> shards;
    nlohmann::json index = {{"metadata", {{"total_size", 1}}}};
    std::size_t i = 0;
    for (const auto& [name, tensor] : tensors) {
        const auto number = i++ % 3;
        shards[number][name] = tensor;
        index["weight_map"][name] = "part-" + std::to_string(number) + ".safetensors";
    }
    for (std::size_t number = 0; number < 3; ++number)
        folder.replace(place / ("part-" + std::to_string(number) + ".safetensors"), shards[number]);
    std::filesystem::remove(folder.path / plain);
    folder.replace(place / index_name, index.dump());
}

TEST(LoadModel, ShardedWeights) {
    for (const char* index :
         {"diffusion_pytorch_model.safetensors.index.json", "model.safetensors.index.json",
          "diffusion_pytorch_model.safetensors.index.fp16.json",
          "diffusion_pytorch_model.safetensors.fp16.index.json"}) {
        const ModelFolder folder;
        shard(folder, unet_file, index);
        shard(folder, "text_encoder/model.safetensors", "model.safetensors.index.json");
        const auto model = load_model(folder.path);
        expect_unet(model, read_safetensors(bundled_model() / unet_file));
        EXPECT_EQ(model.fingerprint, model_fingerprint(bundled_model())) << "sharding matters";
    }
}

TEST(LoadModel, ShardsThatDoNotFitTheirIndex) {
    const std::string index_name = "unet/diffusion_pytorch_model.safetensors.index.json";
    const ModelFolder folder;
    shard(folder, unet_file, "diffusion_pytorch_model.safetensors.index.json");
    const auto index = folder.json(index_name);
    const auto why_with = [&](const auto& change) {
        auto changed = index;
        change(changed);
        folder.replace(index_name, changed.dump());
        return why_not(folder);
    };
    expect_contains(
        why_with([](auto& j) { j["weight_map"]["conv_in.weight"] = "../x.safetensors"; }),
        "'conv_in.weight' is in no file of this folder");
    expect_contains(why_with([](auto& j) { j["weight_map"]["conv_in.weight"] = 3; }),
                    "'conv_in.weight' is in no file of this folder");
    expect_contains(why_with([](auto& j) { j["weight_map"]["more"] = "part-0.safetensors"; }),
                    "names tensors that are not in their files: more (part-0.safetensors)");
    expect_contains(why_with([](auto& j) { j.erase("weight_map"); }), "has no weight_map");
    folder.replace(index_name, index.dump());
    std::filesystem::remove(folder.path / "unet" / "part-1.safetensors");
    expect_contains(why_not(folder), "part-1.safetensors: cannot read: No such file");
    const auto doubled = read_safetensors(folder.path / "unet" / "part-0.safetensors");
    folder.replace("unet/part-1.safetensors", doubled);
    expect_contains(why_not(folder), "which part-0.safetensors holds as well");
}

TEST(LoadModel, EveryFileThatIsMissingIsNamed) {
    for (const std::string name :
         {"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
          "text_encoder/model.safetensors", "tokenizer/vocab.json", "tokenizer/merges.txt",
          "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "vae/config.json",
          "vae/diffusion_pytorch_model.safetensors"}) {
        const ModelFolder folder;
        std::filesystem::remove(folder.path / name);
        expect_contains(why_not(folder), (folder.path / name).string());
    }
    const TemporaryFolder empty;
    expect_contains(thrown_message<Error>([&] { load_model(empty.path); }),
                    (empty.path / "model_index.json").string() + ": cannot read: No such file");
    expect_contains(thrown_message<Error>([&] { load_model(empty.path / "none"); }),
                    (empty.path / "none").string() + ": no such model folder or checkpoint");
}

TEST(LoadModel, EveryJsonFileThatIsBrokenIsNamed) {
    for (const std::string name :
         {"model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
          "unet/config.json", "vae/config.json"})
        for (const std::string content : {"{\"a\": ", "[]", ""}) {
            const ModelFolder folder;
            folder.replace(name, content);
            expect_contains(why_not(folder), (folder.path / name).string());
        }
}

TEST(LoadModel, PicklesInAFolderAreRefused) {
    const ModelFolder folder;
    std::filesystem::remove(folder.path / unet_file);
    testing::write_bytes(folder.path / "unet" / "diffusion_pytorch_model.bin",
                         "PK\x03\x04 and so on");
    const auto why = why_not(folder);
    expect_contains(why, (folder.path / "unet" / "diffusion_pytorch_model.bin").string());
    expect_contains(why, "is a pickle checkpoint");
}

TEST(LoadModel, OtherKindsOfModelAreRefused) {
    const ModelFolder folder;
    const auto index = folder.json("model_index.json");
    auto other = index;
    other["unet"][1] = "UNet3DConditionModel";
    folder.replace("model_index.json", other.dump());
    expect_contains(why_not(folder),
                    "unet should be a UNet2DConditionModel, is \"UNet3DConditionModel\"");
    other = index;
    other.erase("vae");
    folder.replace("model_index.json", other.dump());
    expect_contains(why_not(folder), "vae should be a AutoencoderKL, is none");
    other = index;
    other["text_encoder_2"] = {"transformers", "CLIPTextModelWithProjection"};
    folder.replace("model_index.json", other.dump());
    expect_contains(why_not(folder), "has a second text encoder");
}

TEST(LoadModel, MissingSurplusAndMisshapenTensorsAreNamedTogether) {
    const ModelFolder folder;
    auto tensors = read_safetensors(bundled_model() / unet_file);
    tensors.erase("conv_in.bias");
    tensors.erase("time_embedding.linear_1.weight");
    tensors["conv_out.bias"] = at::zeros({3});
    tensors["surplus.weight"] = at::zeros({3});
    folder.replace(unet_file, tensors);
    const auto why = why_not(folder);
    for (const auto& part :
         {(folder.path / unet_file).string(), std::string("conv_in.bias"),
          std::string("time_embedding.linear_1.weight"), std::string("surplus.weight"),
          std::string("conv_out.bias is (3), should be (8)")})
        expect_contains(why, part);
}

TEST(LoadModel, ValuesThatAreNotNumbersAreNamed) {
    const ModelFolder folder;
    auto tensors = read_safetensors(bundled_model() / "vae/diffusion_pytorch_model.safetensors");
    auto& values = tensors.at("encoder.conv_in.weight");
    values.view(-1)[5] = std::numeric_limits<double>::quiet_NaN();
    folder.replace("vae/diffusion_pytorch_model.safetensors", tensors);
    const auto why = why_not(folder);
    expect_contains(why, "vae/diffusion_pytorch_model.safetensors");
    expect_contains(why, "encoder.conv_in.weight");
}

TEST(LoadModel, TruncatedWeights) {
    const ModelFolder folder;
    const auto whole = read_file(bundled_model() / unet_file);
    folder.replace(unet_file, whole.substr(0, whole.size() - 1000));
    expect_contains(why_not(folder), "the file is truncated");
}

TEST(LoadModel, ComponentsThatDoNotFitOneAnother) {
    const ModelFolder folder;
    auto config = folder.json("unet/config.json");
    config["in_channels"] = 9;
    folder.replace("unet/config.json", config.dump());
    expect_contains(why_not(folder), "the U-Net takes 9 channels and the VAE has 8");
    config["in_channels"] = 8;
    config["cross_attention_dim"] = 768;
    folder.replace("unet/config.json", config.dump());
    expect_contains(why_not(folder),
                    "the U-Net takes text of width 768 and the text encoder has 192");
}

TEST(LoadModel, TokensThatTheTextEncoderLacks) {
    const ModelFolder folder;
    auto config = folder.json("text_encoder/config.json");
    config["vocab_size"] = 49407;
    folder.replace("text_encoder/config.json", config.dump());
    expect_contains(why_not(folder),
                    "the tokenizer has a token 49407 and the text encoder only 49407");
}

TEST(LoadModel, PredictionTypeCanBeForced) {
    const auto model = load_model(bundled_model(), {.prediction_type = PredictionType::epsilon});
    EXPECT_EQ(model.schedule.config.prediction_type, PredictionType::epsilon);
}

TEST(Fingerprint, FollowsTheWeightsAndNothingElse) {
    const auto bundled = model_fingerprint(bundled_model());
    const ModelFolder folder;
    EXPECT_EQ(model_fingerprint(folder.path), bundled);
    auto tensors = read_safetensors(bundled_model() / unet_file);
    folder.replace(unet_file, tensors);
    EXPECT_EQ(model_fingerprint(folder.path), bundled);
    auto changed = tensors;
    changed.at("conv_in.bias") = changed.at("conv_in.bias") + 0.01;
    folder.replace(unet_file, changed);
    const auto other = model_fingerprint(folder.path);
    EXPECT_NE(other, bundled);
    folder.replace(unet_file, converted(tensors, at::kFloat));
    EXPECT_NE(model_fingerprint(folder.path), bundled);
    EXPECT_NE(model_fingerprint(folder.path), other);
}

TEST(DescribeModel, Folder) {
    const auto text = describe_model(bundled_model());
    for (const char* part :
         {"diffusers folder", "text encoder  ", "unet  ", "vae  ", " F16, ", "widths 64-128-192",
          "4 layers of width 192, 77 tokens", "8 latent channels, 1/8",
          "scaled_linear 0.00085 to 0.02", "v_prediction (scheduler/scheduler_config.json)",
          "128x128 pixels", "fingerprint"})
        expect_contains(text, part);
    std::int64_t parameters = 0;
    for (const auto& [name, tensor] : read_safetensors(bundled_model() / unet_file))
        parameters += tensor.numel();
    auto digits = std::to_string(parameters);
    digits.insert(digits.size() - 6, ",").insert(digits.size() - 3, ",");
    expect_contains(text, digits + " parameters");
}

TEST(DescribeModel, LoraAndOtherFiles) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    write_safetensors(
        path, {{"lora_unet_down_blocks_0.lora_down.weight", at::zeros({4, 320})},
               {"lora_unet_down_blocks_0.lora_up.weight", at::zeros({320, 4})},
               {"lora_unet_down_blocks_0.alpha", at::scalar_tensor(4.0f)},
               {"lora_te_text_model_encoder_layers_0.lora_down.weight", at::zeros({8, 768})},
               {"lora_te_text_model_encoder_layers_0.lora_up.weight", at::zeros({768, 8})}});
    EXPECT_EQ(describe_model(path),
              "LoRA of rank 4 to 8 for 2 layers of the U-Net and the text encoder\n"
              "14,849 parameters, F32, 59.4 kB\n");
    expect_contains(thrown_message<Error>([&] { load_model(path); }), "is a LoRA, not a model");
    write_safetensors(path, {{"latents", at::zeros({1, 8, 16, 16})}});
    EXPECT_EQ(describe_model(path),
              "safetensors file, no whole model: 1 tensors\n2,048 parameters, F32, 8.2 kB\n");
    expect_contains(thrown_message<Error>([&] { describe_model(folder.path / "none"); }),
                    "none: no such");
    testing::write_bytes(folder.path / "m.ckpt", "PK\x03\x04");
    expect_contains(thrown_message<Error>([&] { describe_model(folder.path / "m.ckpt"); }),
                    "is a pickle");
}

// 160 million parameters. What the load adds to the process at its peak, beyond a first load's
// one-time costs, against the weights in working precision.
TEST(LoadModel, PeakMemoryIsThatOfTheWeights) {
#if defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "AddressSanitizer keeps freed memory";
#endif
    const TemporaryFolder folder;
    testing::write_model_folder(folder.path, "layout_medium", [](const auto& shape, const auto&) {
        return at::full(shape, 0.01, at::kHalf);
    });
    load_model(bundled_model());
    for (const auto dtype : {at::kHalf, at::kFloat}) {
        give_back_buffers();
        ASSERT_TRUE(testing::reset_peak_memory()) << "/proc/self/clear_refs cannot be written";
        const auto before = testing::memory_use("VmRSS");
        const auto model = load_model(folder.path, {.dtype = dtype});
        const auto peak = testing::memory_use("VmHWM") - before;
        std::size_t weights = 0;
        for (const auto* part :
             {&model.text_encoder.parameters(), &model.vae.parameters(), &model.unet.parameters()})
            for (const auto& [name, tensor] : *part) weights += tensor.nbytes();
        const auto ratio = static_cast<double>(peak) / static_cast<double>(weights);
        std::printf("weights %.0f MB, peak %.0f MB, ratio %.3f\n",
                    static_cast<double>(weights) / 1e6, static_cast<double>(peak) / 1e6, ratio);
        // Where there are kernels, large networks stay as they are stored.
        const auto least = dtype == at::kHalf        ? 250'000'000u
                           : kernels::best_kernels() ? 400'000'000u
                                                     : 500'000'000u;
        EXPECT_GT(weights, least);
        EXPECT_LT(ratio, 1.3);
        EXPECT_GT(ratio, 0.9) << "the measurement misses the weights";
    }
}

// A large U-Net that is kept in float16 predicts, and hands gradients down, as one in float32.
TEST(LoadModel, StoredPrecisionChangesNoNumber) {
    if (!kernels::best_kernels()) GTEST_SKIP() << "no kernels for this processor";
    const TemporaryFolder folder;
    at::manual_seed(3);
    testing::write_model_folder(folder.path, "layout_medium", [](const auto& shape, const auto&) {
        return (at::randn(shape) * 0.02).to(at::kHalf);
    });
    const auto model = load_model(folder.path);
    const auto wide = model.unet.clone();
    std::int64_t kept = 0, widened = 0;
    for (const auto& [name, tensor] : model.unet.parameters()) kept += tensor.dtype() == at::kHalf;
    for (const auto& [name, tensor] : wide.parameters()) widened += tensor.dtype() == at::kFloat;
    EXPECT_GT(kept, 50);
    EXPECT_EQ(widened, static_cast<std::int64_t>(wide.parameters().size()));

    const auto& config = model.unet.config();
    const Tensor sample = at::randn({1, config.in_channels, 8, 8});
    const Tensor text = at::randn({1, 7, config.cross_attention_dim});
    const Tensor timestep = at::full({1}, 500.0);
    {
        const at::NoGradGuard no_grad;
        EXPECT_TRUE(at::equal(model.unet(sample, timestep, text), wide(sample, timestep, text)));
    }
    const auto gradient = [&](const UNet& unet) {
        const Tensor learns = text.clone().requires_grad_();
        unet(sample, timestep, learns).pow(2).sum().backward();
        return learns.grad();
    };
    EXPECT_TRUE(at::equal(gradient(model.unet), gradient(wide)));
}

}  // namespace
}  // namespace keepsake::pipeline
