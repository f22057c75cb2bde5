// Files of textual inversion in every layout, and the text encoder with their vectors
// (goldens/make_word_goldens.py).
#include "pipeline/networks/word_file.h"

#include "pipeline/networks/text_encoder.h"
#include "tests/pipeline/networks/network_golden.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using keepsake::testing::TemporaryFolder;
using keepsake::testing::write_bytes;

Tensor vectors_of(std::int64_t n, std::int64_t width) {
    return (at::arange(n * width, at::kFloat) / 64 - 1).reshape({n, width});
}

struct WordFiles : ::testing::Test {
    TemporaryFolder folder;

    std::filesystem::path write(const std::string& name, const TensorMap& tensors) const {
        write_safetensors(folder.path / name, tensors);
        return folder.path / name;
    }
    static std::string refusal(const std::filesystem::path& path,
                               const WordFileRequest& request = {}) {
        return error_of([&] { read_word_file(path, request); });
    }
};

TEST(WordsGolden, HiddenStatesAndTheVectorsGradient) {
    const NetworkGolden base("text_encoder_sd1");
    const TensorMap golden = read_safetensors(std::string(KEEPSAKE_GOLDENS) + "/words.safetensors");
    const TextEncoder plain(TextEncoderConfig::from_json(base.config),
                            Weights::from_tensors(base.weights));
    // In two parts, as two files bring them.
    Tensor one = golden.at("rows").slice(0, 0, 1).clone(),
           two = golden.at("rows").slice(0, 1, 3).clone();
    one.set_requires_grad(true);
    two.set_requires_grad(true);
    const TextEncoder encoder = plain.with_tokens(one).with_tokens(two);
    EXPECT_EQ(encoder.vocabulary_size(), 63);
    EXPECT_EQ(plain.vocabulary_size(), 60);
    const Tensor output = encoder(golden.at("ids"));
    EXPECT_LE(relative_error(output, golden.at("output")), tolerance);
    (output * golden.at("probe")).sum().backward();
    EXPECT_LE(relative_error(at::cat({one.grad(), two.grad()}), golden.at("grad")), tolerance);
    // The other rows are the very same memory, and nothing learns of them.
    const char* table = "embeddings.token_embedding.weight";
    EXPECT_EQ(encoder.parameters().at(table).data_ptr(), plain.parameters().at(table).data_ptr());
    EXPECT_FALSE(encoder.parameters().at(table).grad().defined());
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(encoder(base["ids"]), plain(base["ids"])));
    EXPECT_CONTAINS(error_of([&] { plain(golden.at("ids")); }), "vocabulary has 60");
    EXPECT_CONTAINS(error_of([&] {
                        encoder(at::full({1, 3}, 63, at::kLong));
                    }),
                    "vocabulary has 63");
    EXPECT_CONTAINS(error_of([&] { plain.with_tokens(at::zeros({1, 31})); }), "width 32");
    two.mutable_grad() = Tensor();
    two.zero_();  // in place: it reaches the encoder
    EXPECT_GT(relative_error(encoder(golden.at("ids")), golden.at("output")), 10 * tolerance);
}

TEST_F(WordFiles, EveryLayoutIsRead) {
    const Tensor two = vectors_of(2, 768);
    struct Case {
        const char *file, *key, *name;
        Tensor tensor;
    };
    for (const Case& one : {Case{"learned_embeds.safetensors", "<my-rose>", "<my-rose>", two},
                            Case{"old.safetensors", "<d>", "<d>", two[0]},
                            Case{"half.safetensors", "<h>", "<h>", two.to(at::kHalf)},
                            Case{"my rose.safetensors", "emb_params", "my rose", two},
                            Case{"brain.safetensors", "emb_params", "brain", two.to(at::kBFloat16)},
                            Case{"trained.safetensors", "emp_params", "trained", two},
                            Case{"star.safetensors", "*", "star", two},
                            Case{"converted.safetensors", "string_to_param.*", "converted", two}}) {
        const WordFile read = read_word_file(write(one.file, {{one.key, one.tensor}}), {768, {}});
        ASSERT_EQ(read.words.size(), 1u) << one.file;
        EXPECT_EQ(read.words[0].name, one.name);
        EXPECT_TRUE(at::equal(read.words[0].vectors, one.tensor.to(at::kFloat).reshape({-1, 768})))
            << one.file;
        EXPECT_EQ(read.left_alone, "");
        const WordFile named = read_word_file(folder.path / one.file, {768, "<other>"});
        EXPECT_EQ(named.words[0].name, "<other>");
    }
}

TEST_F(WordFiles, SeveralWordsAndWhatIsLeftAlone) {
    const auto trained = write("trained.safetensors", {{"emp_params", vectors_of(2, 768)},
                                                       {"emp_params_out", vectors_of(2, 768)}});
    EXPECT_EQ(read_word_file(trained).words[0].name, "trained");
    EXPECT_EQ(read_word_file(trained).left_alone, "1 other tensor");
    const auto pair = write("pair.safetensors",
                            {{"<s1>", vectors_of(1, 768)[0]}, {"<s2>", vectors_of(1, 768)[0] + 1}});
    const WordFile words = read_word_file(pair);
    ASSERT_EQ(words.words.size(), 2u);
    EXPECT_EQ(words.words[1].name, "<s2>");
    EXPECT_CONTAINS(refusal(pair, {768, "<x>"}), "holds 2 words");
    const auto bundle =
        write("bundle.safetensors", {{"bundle_emb.<one>.string_to_param.*", vectors_of(2, 768)},
                                     {"bundle_emb.<two>.string_to_param.*", vectors_of(1, 768)},
                                     {"lora_unet_x.lora_down.weight", vectors_of(4, 8)}});
    const WordFile bundled = read_word_file(bundle);
    ASSERT_EQ(bundled.words.size(), 2u);
    EXPECT_EQ(bundled.words[0].name, "<one>");
    EXPECT_EQ(bundled.words[0].vectors.size(0), 2);
    EXPECT_EQ(bundled.left_alone, "1 other tensor");
}

TEST_F(WordFiles, WhatIsNoWordOfThisModelIsRefusedByName) {
    const auto sdxl =
        write("xl.safetensors", {{"clip_l", vectors_of(2, 768)}, {"clip_g", vectors_of(2, 1280)}});
    EXPECT_CONTAINS(refusal(sdxl), "xl.safetensors");
    EXPECT_CONTAINS(refusal(sdxl), "SDXL, which has two text encoders");
    const auto sd2 = write("sd2.safetensors", {{"<a>", vectors_of(1, 1024)}});
    EXPECT_CONTAINS(refusal(sd2, {768, {}}),
                    "'<a>' is for Stable Diffusion 2.x; this model has "
                    "text of width 768 (Stable Diffusion 1.x)");
    const auto other = write("other.safetensors", {{"emb_params", vectors_of(1, 640)}});
    EXPECT_CONTAINS(refusal(other, {768, {}}), "'other' is for text of width 640");
    const auto lora = write("lora.safetensors", {{"lora_unet_a.lora_down.weight", vectors_of(4, 8)},
                                                 {"lora_unet_a.lora_up.weight", vectors_of(8, 4)}});
    EXPECT_CONTAINS(refusal(lora), "is a LoRA");
    const auto network = write("network.safetensors",
                               {{"a.weight", vectors_of(4, 8)}, {"a.bias", vectors_of(1, 8)[0]}});
    EXPECT_CONTAINS(refusal(network), "none of its 2 tensors is a word's vectors");
    EXPECT_CONTAINS(refusal(write("whole.safetensors", {{"<a>", at::zeros({2, 4}, at::kLong)}})),
                    "no file of textual inversion");
    EXPECT_CONTAINS(refusal(write("none.safetensors", {{"<a>", at::zeros({0, 768})}})),
                    "no file of textual inversion");
    EXPECT_CONTAINS(
        refusal(write("nan.safetensors", {{"<a>", vectors_of(1, 768) / at::zeros({1, 768})}})),
        "not finite");
    // As Python's torch.save begins them, and under any name.
    write_bytes(folder.path / "old.pt", std::string("PK\x03\x04") + std::string(40, 'x'));
    write_bytes(folder.path / "bare.safetensors", std::string("\x80\x02}q") + std::string(40, 'x'));
    for (const char* name : {"old.pt", "bare.safetensors"}) {
        EXPECT_CONTAINS(refusal(folder.path / name), "is a pickle");
        EXPECT_CONTAINS(refusal(folder.path / name), "string_to_param");
    }
    EXPECT_CONTAINS(refusal(folder.path / "nothing.safetensors"), "nothing.safetensors");
}

TEST_F(WordFiles, WhatIsWrittenIsReadBack) {
    const LearnedWord word{"<my-rose>", vectors_of(3, 768)};
    const auto by_tensor = folder.path / "any.safetensors";
    write_word_file(by_tensor, word, WordLayout::by_tensor, {{"modelspec.title", "x"}});
    const SafetensorsFile file(by_tensor);
    EXPECT_EQ(file.metadata().at("format"), "pt");
    EXPECT_EQ(file.metadata().at("modelspec.title"), "x");
    EXPECT_EQ(file.tensors().at("<my-rose>").shape, (std::vector<std::int64_t>{3, 768}));
    const auto by_stem = folder.path / "<my-rose>.safetensors";
    write_word_file(by_stem, word, WordLayout::by_stem);
    EXPECT_TRUE(SafetensorsFile(by_stem).tensors().contains("emb_params"));
    for (const auto& path : {by_tensor, by_stem}) {
        const WordFile read = read_word_file(path);
        EXPECT_EQ(read.words[0].name, word.name);
        EXPECT_TRUE(at::equal(read.words[0].vectors, word.vectors));
        EXPECT_EQ(fingerprint_of_word(read.words[0]), fingerprint_of_word(word));
        EXPECT_TRUE(is_word_file(SafetensorsFile(path)));
    }
    EXPECT_CONTAINS(error_of([&] { write_word_file(by_tensor, word, WordLayout::by_stem); }),
                    "has to be called <my-rose>.safetensors");
    Tensor other = word.vectors.clone();
    other[2][767] += 1;
    EXPECT_NE(fingerprint_of_word({"<my-rose>", other}), fingerprint_of_word(word));
    const std::string described = describe_word_file(by_tensor);
    EXPECT_CONTAINS(described,
                    "word '<my-rose>': 3 vectors of width 768, for Stable Diffusion 1.x");
    EXPECT_CONTAINS(described, fingerprint_of_word(word));
}

}  // namespace
}  // namespace keepsake::pipeline
