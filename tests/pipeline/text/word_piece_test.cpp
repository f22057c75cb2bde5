// WordPiece against transformers' BertTokenizer (goldens/make_blip_goldens.py).
#include "pipeline/text/word_piece.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using keepsake::testing::thrown_message;
using keepsake::testing::write_bytes;
using Ids = std::vector<std::int64_t>;

const fs::path golden_folder = fs::path(KEEPSAKE_GOLDENS) / "blip";

std::string why_not(const fs::path& folder) {
    return thrown_message<Error>([&] { const WordPiece tokenizer(folder); });
}

class WordPieceFiles : public ::testing::Test {
  protected:
    const keepsake::testing::TemporaryFolder folder;
    const fs::path vocabulary = folder.path / "vocab.txt";
};

TEST(WordPiece, IdsAndTextsAreThoseOfTransformers) {
    const WordPiece tokenizer(golden_folder / "base");
    const json all = json::parse(std::ifstream(golden_folder / "outputs.json"));
    ASSERT_GT(all["word_pieces"].size(), 50U);
    for (const json& one : all["word_pieces"]) {
        const auto text = one[0].get<std::string>();
        const Ids ids = one[1].get<Ids>();
        EXPECT_EQ(tokenizer.encode(text), ids) << one[0];
        EXPECT_EQ(tokenizer.decode(ids), one[2].get<std::string>()) << one[0];
    }
}

TEST(WordPiece, BytesThatAreNoTextAreDropped) {
    const WordPiece tokenizer(golden_folder / "base");
    EXPECT_EQ(tokenizer.encode("red \xff rose\xc3"), tokenizer.encode("red rose"));
}

TEST(WordPiece, IdsThatAreNoTokensSpellNothing) {
    const WordPiece tokenizer(golden_folder / "base");
    Ids ids = tokenizer.encode("a red rose");
    ids.insert(ids.begin(), {-1, tokenizer.size(), tokenizer.size() + 1});
    ids.push_back(tokenizer.end_id());
    EXPECT_EQ(tokenizer.decode(ids), "a red rose");
}

TEST_F(WordPieceFiles, TokenizerJsonGivesTheSameIds) {
    json pieces = json::object();
    std::ifstream lines(golden_folder / "base/vocab.txt");
    std::int64_t id = 0;
    for (std::string line; std::getline(lines, line);) pieces[line] = id++;
    const json whole = {{"model", {{"type", "WordPiece"}, {"vocab", pieces}}}};
    write_bytes(folder.path / "tokenizer.json", whole.dump());
    const WordPiece from_json(folder.path), from_text(golden_folder / "base");
    EXPECT_EQ(from_json.size(), from_text.size());
    const std::string text = "A photo of sunflowers, at sunset.";
    EXPECT_EQ(from_json.encode(text), from_text.encode(text));
}

TEST_F(WordPieceFiles, LinesMayEndAsOnWindows) {
    write_bytes(vocabulary, "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\na\r\n##b");
    EXPECT_EQ(WordPiece(folder.path).encode("ab a b"), (Ids{4, 5, 4, 1}));
}

TEST_F(WordPieceFiles, WhatIsNoSuchVocabularyIsRefusedByName) {
    EXPECT_NE(why_not(folder.path).find("vocab.txt: is missing"), std::string::npos);
    write_bytes(vocabulary, "[PAD]\n[UNK]\n[CLS]\na\n");
    EXPECT_NE(why_not(folder.path).find("vocab.txt: has no token [SEP]"), std::string::npos);
    write_bytes(vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nA\n");
    EXPECT_NE(why_not(folder.path).find("capitals"), std::string::npos);
    write_bytes(folder.path / "tokenizer.json", R"({"model": {"vocab": {"a": -1}}})");
    EXPECT_NE(why_not(folder.path).find("token 'a' has the id -1"), std::string::npos);
    write_bytes(folder.path / "tokenizer.json", R"({"model": []})");
    EXPECT_NE(why_not(folder.path).find("has no vocabulary of word pieces"), std::string::npos);
    write_bytes(folder.path / "tokenizer.json", "{");
    EXPECT_NE(why_not(folder.path).find("tokenizer.json: is not JSON"), std::string::npos);
}

}  // namespace
}  // namespace keepsake::pipeline
