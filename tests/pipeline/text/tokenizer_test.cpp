// The tokenizer against ids made with transformers' CLIPTokenizer
// (goldens/make_tokenizer_goldens.py).
#include "pipeline/text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/error.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using keepsake::testing::write_bytes;
using Ids = std::vector<std::int64_t>;

const fs::path kBundled = fs::path(KEEPSAKE_ASSETS) / "models/flowers/tokenizer";

const json& golden() {
    static const json values =
        json::parse(std::ifstream(fs::path(KEEPSAKE_GOLDENS) / "tokenizer.json"));
    return values;
}

const Tokenizer& bundled() {
    static const Tokenizer tokenizer(kBundled);
    return tokenizer;
}

std::string read(const fs::path& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
}

std::string from_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

class TokenizerFolder : public ::testing::Test {
  protected:
    void clear() const {
        for (const auto& entry : fs::directory_iterator(folder)) fs::remove(entry.path());
    }
    // Files by name: JSON, or text where it is a string. With the bundled vocabulary and merges
    // where they are not among them.
    void fill(const json& files) const {
        for (const auto& [name, content] : files.items())
            write_bytes(folder / name,
                        content.is_string() ? content.get<std::string>() : content.dump());
        if (fs::exists(folder / "tokenizer.json")) return;
        for (const char* name : {"vocab.json", "merges.txt"})
            if (!fs::exists(folder / name)) fs::create_symlink(kBundled / name, folder / name);
    }
    // What the Error says when the folder is loaded; empty when it loads.
    std::string failure() const {
        try {
            Tokenizer tokenizer(folder);
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    }

    keepsake::testing::TemporaryFolder temporary;
    const fs::path& folder = temporary.path;
};

// The bundled vocabulary as tokenizer.json, with merges as "a b" lines or as pairs.
json as_tokenizer_json(const std::string& form) {
    json merges = json::array();
    std::ifstream lines(kBundled / "merges.txt");
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("#version")) continue;
        const std::size_t space = line.find(' ');
        if (form == "pairs")
            merges.push_back({line.substr(0, space), line.substr(space + 1)});
        else
            merges.push_back(line);
    }
    return {{"model",
             {{"type", "BPE"},
              {"vocab", json::parse(read(kBundled / "vocab.json"))},
              {"merges", merges}}}};
}

TEST(Tokenizer, IdsEqualTheReference) {
    ASSERT_GT(golden()["texts"].size(), 5000u);
    std::size_t wrong = 0;
    for (const json& entry : golden()["texts"]) {
        const auto text = entry[0].get<std::string>();
        const Ids ids = bundled().encode(text);
        if (ids == entry[1].get<Ids>()) continue;
        if (++wrong > 5) continue;
        EXPECT_EQ(json(ids), entry[1])
            << json(text.substr(0, 200)).dump(-1, ' ', true, json::error_handler_t::replace);
    }
    EXPECT_EQ(wrong, 0u) << "of " << golden()["texts"].size() << " texts";
}

TEST(Tokenizer, MalformedBytesAreReplacementCharacters) {
    for (const json& entry : golden()["bytes"])
        EXPECT_EQ(json(bundled().encode(from_hex(entry[0]))), entry[1]) << entry[0];
}

TEST(Tokenizer, PadsTruncatesAndTellsWhatWasCut) {
    std::size_t cut = 0;
    for (const json& entry : golden()["padded"]) {
        const auto text = entry[0].get<std::string>();
        const Tokenized result = bundled()(text);
        EXPECT_EQ(json(result.ids), entry[1]) << text.substr(0, 200);
        EXPECT_EQ(result.cut_tokens, entry[2].get<std::size_t>()) << text.substr(0, 200);
        EXPECT_EQ(result.cut_text, entry[3].get<std::string>()) << text.substr(0, 200);
        EXPECT_EQ(result.text_tokens + result.cut_tokens, bundled().encode(text).size());
        cut += result.cut_tokens > 0;
    }
    EXPECT_GT(cut, 40u);
    EXPECT_LT(cut, golden()["padded"].size() - 40);
}

TEST(Tokenizer, TheLimitIsMetExactly) {
    const std::string red75 = [] {
        std::string text;
        for (int i = 0; i < 75; ++i) text += "red ";
        return text;
    }();
    const Tokenized full = bundled()(red75);
    EXPECT_EQ(full.text_tokens, 75u);
    EXPECT_EQ(full.cut_tokens, 0u);
    EXPECT_EQ(full.cut_text, "");
    EXPECT_EQ(full.ids.size(), 77u);
    EXPECT_EQ(full.ids.back(), bundled().end_id());

    const Tokenized over = bundled()(red75 + "Tulip, at night");
    EXPECT_EQ(over.text_tokens, 75u);
    EXPECT_EQ(over.cut_tokens, 4u);
    EXPECT_EQ(over.cut_text, "tulip , at night");
    EXPECT_EQ(over.ids, full.ids);
}

TEST(Tokenizer, DecodesAsTheReference) {
    for (const json& entry : golden()["decoded"])
        EXPECT_EQ(bundled().decode(entry[0].get<Ids>()), entry[1].get<std::string>()) << entry[0];
    EXPECT_EQ(bundled().decode({-1, 1 << 30}), "");
}

TEST_F(TokenizerFolder, ConfigurationsEqualTheReference) {
    for (const json& configuration : golden()["configurations"]) {
        SCOPED_TRACE(configuration["name"].get<std::string>());
        clear();
        json files = configuration["files"];
        if (configuration.contains("tokenizer.json")) {
            const json& whole = configuration["tokenizer.json"];
            files["tokenizer.json"] = as_tokenizer_json(whole["merges"]);
            files["tokenizer.json"]["added_tokens"] = whole["added_tokens"];
        }
        fill(files);

        const Tokenizer tokenizer(folder);
        for (const json& entry : configuration["cases"]) {
            const auto text = entry[0].get<std::string>();
            EXPECT_EQ(json(tokenizer.encode(text)), entry[1]) << text;
            EXPECT_EQ(json(tokenizer(text).ids), entry[2]) << text;
            EXPECT_EQ(tokenizer.decode(entry[1].get<Ids>()), entry[3].get<std::string>()) << text;
        }
    }
}

// Small, so that it loads at once.
const json kTiny = {{"vocab.json",
                     {{"i", 0},
                      {"n", 1},
                      {"in", 2},
                      {"t", 3},
                      {"h", 4},
                      {"th", 5},
                      {"<|startoftext|>", 6},
                      {"<|endoftext|>", 7}}},
                    {"merges.txt", "#version: 0.2\ni n\nt h\n"}};

TEST_F(TokenizerFolder, AMissingFileIsNamed) {
    EXPECT_NE(failure().find((folder / "vocab.json").string()), std::string::npos) << failure();
    fs::create_symlink(kBundled / "vocab.json", folder / "vocab.json");
    EXPECT_NE(failure().find((folder / "merges.txt").string()), std::string::npos) << failure();
    fs::create_symlink(kBundled / "merges.txt", folder / "merges.txt");
    EXPECT_EQ(failure(), "");
}

TEST_F(TokenizerFolder, AMalformedFileIsNamedWithTheReason) {
    struct Case {
        const char *file, *content, *why;
    };
    const Case cases[] = {
        {"vocab.json", "", "is not JSON"},
        {"vocab.json", R"({"i": 0, "n": 1, "in)", "is not JSON"},
        {"vocab.json", "[]", "not a JSON object"},
        {"vocab.json", "3", "not a JSON object"},
        {"vocab.json", "{}", "no tokens"},
        {"vocab.json", R"({"a": "b"})", "token 'a' has the id \"b\""},
        {"vocab.json", R"({"a": -1})", "token 'a' has the id -1"},
        {"vocab.json", R"({"a": 4000000000})", "token 'a' has the id 4000000000"},
        {"vocab.json", R"({"a": 1.5})", "token 'a' has the id 1.5"},
        {"vocab.json", R"({"a": {"b": 1}})", "token 'a'"},
        {"merges.txt", "", "no merges"},
        {"merges.txt", "#version: 0.2\n", "no merges"},
        {"merges.txt", "#version: 0.2\ni n\nt h e\n", "line 3"},
        {"merges.txt", "i n\n\nt h\n", "line 2"},
        {"merges.txt", "#version: 0.2\ni n\nt", "line 3"},
        {"merges.txt", "i n\nqqq n\n", "line 2 needs the token 'qqq'"},
        {"merges.txt", "i n\ni qqq\n", "line 2 needs the token 'qqq'"},
        {"merges.txt", "i n\nn i\n", "line 2 needs the token 'ni'"},
        {"tokenizer_config.json", "{", "is not JSON"},
        {"tokenizer_config.json", R"({"model_max_length": 2})", "model_max_length is 2"},
        {"tokenizer_config.json", R"({"model_max_length": "77"})", "model_max_length is \"77\""},
        {"tokenizer_config.json", R"({"padding_side": "left"})", "padding_side is \"left\""},
        {"tokenizer_config.json", R"({"bos_token": null})", "no bos_token"},
        {"tokenizer_config.json", R"({"bos_token": {"text": "x"}})", "not a token"},
        {"tokenizer_config.json", R"({"added_tokens_decoder": {"x": "y"}})", "'x' is no id"},
        {"special_tokens_map.json", "[1]", "not a JSON object"},
        {"added_tokens.json", R"({"new": "x"})", "token 'new' has the id \"x\""},
        {"tokenizer.json", "{}", "no tokens"},
        {"tokenizer.json", R"({"model": {"vocab": {"a": 0}}})", "no merges"},
        {"tokenizer.json", R"({"model": {"vocab": {"a": 0}, "merges": [["a"]]}})", "merge 0"},
        {"tokenizer.json", R"({"model": {"vocab": {"a": 0}, "merges": ["a b"]}})", "'b'"},
        {"tokenizer.json", R"({"model": {"vocab": {"a": 0}, "merges": [7]}})", "merge 0"},
    };
    for (const Case& damage : cases) {
        SCOPED_TRACE(std::string(damage.file) + ": " + std::string(damage.content).substr(0, 60));
        clear();
        fill(kTiny);
        EXPECT_EQ(failure(), "");
        write_bytes(folder / damage.file, damage.content);
        const std::string message = failure();
        EXPECT_TRUE(message.starts_with((folder / damage.file).string() + ": ")) << message;
        EXPECT_NE(message.find(damage.why), std::string::npos) << message;
    }
}

// Each declared token is compared with the others: a stranger's million of them would never end.
TEST_F(TokenizerFolder, DeclaredTokensHaveALimit) {
    fill(kTiny);
    nlohmann::json added;
    for (int i = 0; i < 10'001; ++i) added["<" + std::to_string(i) + ">"] = 100'000 + i;
    write_bytes(folder / "added_tokens.json", added.dump());
    EXPECT_NE(failure().find("tokens beside the vocabulary, and at most 10000"), std::string::npos)
        << failure();
}

TEST_F(TokenizerFolder, AVocabularyThatLacksANeededTokenIsRefused) {
    const std::string at = (folder / "vocab.json").string() + ": ";
    json files = kTiny;
    files["tokenizer_config.json"] = {{"pad_token", "<|pad|>"}};
    fill(files);
    EXPECT_EQ(failure(), at + "no token '<|pad|>' (pad_token)");

    files["tokenizer_config.json"] = {{"unk_token", "<|unknown|>"}};
    fill(files);
    EXPECT_EQ(failure(), at + "neither the token 'Ā' nor an unknown token");

    files["vocab.json"].erase("<|startoftext|>");
    fill(files);
    EXPECT_EQ(failure(), at + "no token '<|startoftext|>' (bos_token)");
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
    const json& texts = golden()["texts"];
    std::vector<std::size_t> wrong(4, 0);
    {
        std::vector<std::jthread> threads;
        for (std::size_t t = 0; t < wrong.size(); ++t)
            threads.emplace_back([&, t] {
                for (std::size_t i = t; i < texts.size(); i += 3)
                    wrong[t] +=
                        bundled().encode(texts[i][0].get<std::string>()) != texts[i][1].get<Ids>();
            });
    }
    EXPECT_EQ(wrong, std::vector<std::size_t>(4, 0));
}

TEST(Tokenizer, OneLongWordIsNotQuadratic) {
    // Processor time, so that a busy machine does not count.
    const auto ticks = [](std::size_t letters) {
        const std::clock_t begin = std::clock();
        EXPECT_GT(bundled().encode(std::string(letters, 'q')).size(), letters / 100);
        return static_cast<double>(std::clock() - begin);
    };
    ticks(1000);
    // 64 times the letters: about 80 to 400 times the time with a heap (the caches end between the
    // two), above 4096 times without.
    const double shorter = std::max({ticks(10000), ticks(10000), ticks(10000)});
    EXPECT_LT(ticks(640000), 1500 * shorter);
}

}  // namespace
}  // namespace keepsake::pipeline
