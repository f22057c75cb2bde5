#include "pipeline/networks/text_encoder.h"

#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

TextEncoder encoder_of(const NetworkGolden& golden, std::int64_t skip_last_layers = 0) {
    TextEncoderConfig config = TextEncoderConfig::from_json(golden.config);
    config.skip_last_layers = skip_last_layers;
    return TextEncoder(config, Weights::from_tensors(golden.weights));
}

class TextEncoderGolden : public testing::TestWithParam<std::pair<const char*, int>> {};

TEST_P(TextEncoderGolden, OutputAndGradients) {
    const NetworkGolden golden(GetParam().first);
    const TextEncoder encoder = encoder_of(golden, GetParam().second);
    require_gradients(encoder.parameters());
    const Tensor output = encoder(golden["ids"]);
    EXPECT_LE(relative_error(output, golden["output"]), tolerance);
    (output * golden["probe"]).sum().backward();
    expect_gradients(encoder.parameters(), golden);
}

INSTANTIATE_TEST_SUITE_P(Styles, TextEncoderGolden,
                         testing::Values(std::pair{"text_encoder_sd1", 0},
                                         std::pair{"text_encoder_sd2", 0},
                                         std::pair{"text_encoder_sd2_skip", 1}),
                         [](const auto& info) { return std::string(info.param.first); });

TEST(TextEncoder, LeavingTheLastLayerOutOfFileOrModelIsTheSame) {
    const NetworkGolden golden("text_encoder_sd2_skip");
    TextEncoderConfig shorter = TextEncoderConfig::from_json(golden.config);
    shorter.num_hidden_layers = 3;
    TensorMap tensors = golden.weights;
    std::erase_if(tensors,
                  [](const auto& entry) { return entry.first.starts_with("encoder.layers.3."); });
    const TextEncoder without(shorter, Weights::from_tensors(tensors));
    const TextEncoder skipping = encoder_of(golden, 1);
    EXPECT_TRUE(at::equal(without(golden["ids"]), skipping(golden["ids"])));
    EXPECT_EQ(without.parameters().size(), skipping.parameters().size());
}

TEST(TextEncoder, TakesTheNamesOfOlderFiles) {
    const NetworkGolden golden("text_encoder_sd1");
    TensorMap older;
    for (const auto& [name, tensor] : golden.weights) older["text_model." + name] = tensor;
    older["text_model.embeddings.position_ids"] = at::arange(13).unsqueeze(0);
    const TextEncoder encoder(TextEncoderConfig::from_json(golden.config),
                              Weights::from_tensors(older));
    EXPECT_LE(relative_error(encoder(golden["ids"]), golden["output"]), tolerance);
    EXPECT_TRUE(encoder.parameters().contains("final_layer_norm.weight"));
    EXPECT_EQ(encoder.parameters().size(), golden.weights.size());
}

TEST(TextEncoder, ShortTextsAndWrongIds) {
    const NetworkGolden golden("text_encoder_sd1");
    const TextEncoder encoder = encoder_of(golden);
    // Causal: the beginning of a text does not depend on what follows.
    const Tensor head = encoder(golden["ids"].slice(1, 0, 4));
    EXPECT_LE(relative_error(head, golden["output"].slice(1, 0, 4)), tolerance);
    EXPECT_CONTAINS(error_of([&] {
                        encoder(at::zeros({1, 14}, at::kLong));
                    }),
                    "14 tokens, the text encoder takes 13");
    EXPECT_CONTAINS(error_of([&] {
                        encoder(at::full({1, 3}, 60, at::kLong));
                    }),
                    "vocabulary has 60");
    EXPECT_CONTAINS(error_of([&] { encoder(at::full({1, 3}, -1, at::kLong)); }), "out of range");
    EXPECT_CONTAINS(error_of([&] { encoder(at::zeros({3}, at::kLong)); }), "token ids");
}

TEST(TextEncoder, AMissingTensorAndASurplusOneAreNamedTogether) {
    const NetworkGolden golden("text_encoder_sd1");
    TensorMap tensors = golden.weights;
    tensors.erase("embeddings.token_embedding.weight");
    tensors["logit_scale"] = at::ones({1});
    tensors["encoder.layers.2.layer_norm1.weight"] = at::ones({32});
    const std::string message = error_of([&] {
        TextEncoder(TextEncoderConfig::from_json(golden.config),
                    Weights::from_tensors(tensors, "text_encoder/model.safetensors"));
    });
    EXPECT_CONTAINS(message, "text_encoder/model.safetensors");
    EXPECT_CONTAINS(message, "1 missing: embeddings.token_embedding.weight (60, 32)");
    EXPECT_CONTAINS(message,
                    "2 not part of this model: encoder.layers.2.layer_norm1.weight, "
                    "logit_scale");
}

TEST(TextEncoderConfig, NamesEveryUnsupportedKey) {
    nlohmann::json config = NetworkGolden("text_encoder_sd1").config;
    config["hidden_act"] = "relu";
    config["model_type"] = "t5";
    config["num_attention_heads"] = 5;
    config["num_hidden_layers"] = "two";
    config.erase("vocab_size");
    const std::string message = error_of([&] { TextEncoderConfig::from_json(config); });
    for (const char* part :
         {"text encoder config", "hidden_act = \"relu\"", "model_type = \"t5\"",
          "num_attention_heads = 5", "num_hidden_layers = \"two\"", "vocab_size (missing)"})
        EXPECT_CONTAINS(message, part);
    EXPECT_CONTAINS(error_of([] { TextEncoderConfig::from_json(nlohmann::json::array()); }),
                    "not a JSON object");
}

TEST(TextEncoderConfig, DepthHasALimit) {
    nlohmann::json config = NetworkGolden("text_encoder_sd1").config;
    config["num_hidden_layers"] = 1'000'000;
    EXPECT_CONTAINS(error_of([&] { TextEncoderConfig::from_json(config); }),
                    "num_hidden_layers = 1000000 (at most 1000");
}

Weights shapes_only(const std::map<std::string, std::vector<std::int64_t>>& shapes) {
    std::map<std::string, Weights::Source> sources;
    for (const auto& [name, shape] : shapes) sources[name] = {shape};
    return Weights(sources, "checkpoint");
}

TEST(TextEncoderConfig, DetectsStableDiffusionsEncoders) {
    std::map<std::string, std::vector<std::int64_t>> shapes;
    const auto fill = [&](const std::string& prefix, std::int64_t width, int layers) {
        shapes.clear();
        shapes[prefix + "embeddings.token_embedding.weight"] = {49408, width};
        shapes[prefix + "embeddings.position_embedding.weight"] = {77, width};
        for (int i = 0; i < layers; ++i)
            shapes[prefix + "encoder.layers." + std::to_string(i) + ".mlp.fc1.weight"] = {4 * width,
                                                                                          width};
    };
    fill("text_model.", 768, 12);
    const TextEncoderConfig sd1 = TextEncoderConfig::detect_from_weights(shapes_only(shapes));
    EXPECT_EQ(sd1.hidden_size, 768);
    EXPECT_EQ(sd1.intermediate_size, 3072);
    EXPECT_EQ(sd1.num_hidden_layers, 12);
    EXPECT_EQ(sd1.num_attention_heads, 12);
    EXPECT_EQ(sd1.hidden_act, "quick_gelu");
    EXPECT_EQ(sd1.skip_last_layers, 0);
    fill("", 1024, 24);
    const TextEncoderConfig sd2 = TextEncoderConfig::detect_from_weights(shapes_only(shapes));
    EXPECT_EQ(sd2.vocab_size, 49408);
    EXPECT_EQ(sd2.max_position_embeddings, 77);
    EXPECT_EQ(sd2.num_hidden_layers, 24);
    EXPECT_EQ(sd2.num_attention_heads, 16);
    EXPECT_EQ(sd2.hidden_act, "gelu");
    EXPECT_EQ(sd2.skip_last_layers, 1);
    fill("", 1024, 23);
    EXPECT_EQ(TextEncoderConfig::detect_from_weights(shapes_only(shapes)).skip_last_layers, 0);
    EXPECT_CONTAINS(error_of([] { TextEncoderConfig::detect_from_weights(shapes_only({})); }),
                    "no tensor embeddings.token_embedding.weight");
}

TEST(TextEncoder, BundledWeights) {
    const NetworkGolden golden("bundled");
    const std::string folder = KEEPSAKE_ASSETS "/models/flowers/text_encoder/";
    const TextEncoder encoder(TextEncoderConfig::from_json(read_json(folder + "config.json")),
                              read_weights(folder + "model.safetensors"));
    const at::NoGradGuard no_grad;
    EXPECT_LE(relative_error(encoder(golden["ids"]), golden["embedding"]), tolerance);
}

}  // namespace
}  // namespace keepsake::pipeline
