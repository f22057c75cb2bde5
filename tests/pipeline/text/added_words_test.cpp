// Words of textual inversion against ids of transformers and diffusers
// (goldens/make_word_goldens.py).
#include "pipeline/text/added_words.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/text/tokenizer.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;

const Tokenizer& bundled() {
    static const Tokenizer tokenizer(std::filesystem::path(KEEPSAKE_ASSETS) /
                                     "models/flowers/tokenizer");
    return tokenizer;
}

// What the Error says when the words are added; empty when they are.
std::string refusal(const std::vector<AddedWord>& words) {
    try {
        bundled().with_words(words, bundled().next_id());
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

#define EXPECT_CONTAINS(text, part) \
    EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

TEST(AddedWordsGolden, IdsEqualTheReference) {
    const json golden =
        json::parse(std::ifstream(std::filesystem::path(KEEPSAKE_GOLDENS) / "words.json"));
    std::vector<AddedWord> words;
    for (const json& word : golden["words"])
        words.push_back({word[0].get<std::string>(), word[1].get<std::size_t>()});
    ASSERT_EQ(bundled().next_id(), 49408);
    const Tokenizer tokenizer = bundled().with_words(words, 49408);
    ASSERT_GE(golden["texts"].size(), 20u);
    for (const json& entry : golden["texts"])
        EXPECT_EQ(json(tokenizer.encode(entry[0].get<std::string>())), entry[1]) << entry[0];
    for (const json& entry : golden["padded"])
        EXPECT_EQ(json(tokenizer(entry[0].get<std::string>()).ids), entry[1]) << entry[0];
    EXPECT_EQ(tokenizer.next_id(), 49418);
}

TEST(AddedWords, TheTokenizerThatIsExtendedStaysAsItWas) {
    const std::vector<std::int64_t> before = bundled().encode("a photo of <c>");
    const Tokenizer with = bundled().with_words({{"<c>", 2}}, 49408);
    EXPECT_NE(with.encode("a photo of <c>"), before);
    EXPECT_EQ(bundled().encode("a photo of <c>"), before);
    EXPECT_EQ(bundled().next_id(), 49408);
    // And what was extended is extended again.
    const Tokenizer more = with.with_words({{"<d>", 1}}, with.next_id());
    EXPECT_EQ(more.encode("<c><d>"), (std::vector<std::int64_t>{49408, 49409, 49410}));
    EXPECT_EQ(more.with_pad_id(0)("<d>").ids[3], 0);
    EXPECT_EQ(more.with_pad_id(0)("<d>").ids[1], 49410);
}

TEST(AddedWords, WhatIsCutIsToldByName) {
    const Tokenizer tokenizer = bundled().with_words({{"<my-rose>", 3}}, 49408);
    std::string text = "rose";
    for (int i = 1; i < 75; ++i) text += " rose";
    const Tokenized cut = tokenizer(text + " <my-rose> rose");
    EXPECT_EQ(cut.cut_tokens, 4u);
    EXPECT_EQ(cut.cut_text, "<my-rose>rose");
}

TEST(AddedWords, NamesThatTheVocabularyHasAreRefusedWithAProposal) {
    // As a word, inside words, in other letters; "sks" is a word of CLIP's.
    for (const char* name : {"photo", "rose", "Rose", "sks", "ing", "!", "1", "é"})
        EXPECT_CONTAINS(refusal({{name, 1}}), "is in the model's vocabulary") << name;
    EXPECT_CONTAINS(refusal({{"Rose", 1}}), "word 'Rose': ");
    EXPECT_CONTAINS(refusal({{"Rose", 1}}), "'<rose>' is free");
    EXPECT_EQ(refusal({{"<rose>", 1}}), "");
    EXPECT_CONTAINS(refusal({{"", 1}}), "is empty");
    EXPECT_CONTAINS(refusal({{" \t", 1}}), "is empty");
    EXPECT_CONTAINS(refusal({{" <a>", 1}}), "blank");
    EXPECT_CONTAINS(refusal({{"<a>\n<b>", 1}}), "line break");
    EXPECT_CONTAINS(refusal({{std::string(65, 'q'), 1}}), "longer than 64");
    EXPECT_CONTAINS(refusal({{"<|endoftext|>", 1}}), "is in the model's vocabulary");
    EXPECT_CONTAINS(refusal({{"x<|endoftext|>x", 1}}), "call it otherwise");
    EXPECT_CONTAINS(refusal({{"<a>", 1}, {"<A>", 1}}), "a token of this name already");
    EXPECT_CONTAINS(refusal({{"<a>", 2}, {"<a>_1", 1}}), "a token of this name already");
    EXPECT_CONTAINS(refusal({{"<a>_1", 1}, {"<a>", 2}}), "a token of this name already");
    EXPECT_CONTAINS(refusal({{"<a>", 0}}), "room for 1 to 75");
    EXPECT_CONTAINS(refusal({{"<a>", 80}}), "has 80 vectors; a text has room for 1 to 75");
    EXPECT_EQ(refusal({{"<a>", 75}}), "");
}

}  // namespace
}  // namespace keepsake::pipeline
