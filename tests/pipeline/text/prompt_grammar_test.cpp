// The examples that stable-diffusion-webui gives of its own grammar (modules/prompt_parser.py), and
// what they leave open.
#include "pipeline/text/prompt_grammar.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"

namespace keepsake::pipeline {

void PrintTo(const WeightedText& text, std::ostream* out) {
    *out << "\"" << text.text << "\" " << text.weight << (text.starts_block ? " BREAK" : "");
}
void PrintTo(const ScheduledText& text, std::ostream* out) {
    *out << text.until << " \"" << text.text << "\"";
}

namespace {

using Schedule = std::vector<ScheduledText>;

void expect_weights(const std::string& prompt, const std::vector<WeightedText>& expected) {
    const std::vector<WeightedText> found = weighted_texts(prompt);
    ASSERT_EQ(found.size(), expected.size()) << prompt << ": " << ::testing::PrintToString(found);
    for (std::size_t i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].text, expected[i].text) << prompt;
        EXPECT_NEAR(found[i].weight, expected[i].weight, 1e-12) << prompt << ": " << found[i].text;
        EXPECT_EQ(found[i].starts_block, expected[i].starts_block) << prompt;
    }
}

TEST(PromptGrammar, Attention) {
    expect_weights("", {{"", 1}});
    expect_weights("normal text", {{"normal text", 1}});
    expect_weights("an (important) word", {{"an ", 1}, {"important", 1.1}, {" word", 1}});
    expect_weights("(unbalanced", {{"unbalanced", 1.1}});
    expect_weights("\\(literal\\]", {{"(literal]", 1}});
    expect_weights("(unnecessary)(parens)", {{"unnecessaryparens", 1.1}});
    expect_weights("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
                   {{"a ", 1},
                    {"house", 1.5730000000000004},
                    {" ", 1.1},
                    {"on", 1},
                    {" a ", 1.1},
                    {"hill", 0.55},
                    {", sun, ", 1.1},
                    {"sky", 1.4641000000000006},
                    {".", 1.1}});
    expect_weights("((x))", {{"x", 1.21}});
    expect_weights("[x]", {{"x", 1 / 1.1}});
    expect_weights("a:b) c]", {{"a:b) c]", 1}});
    expect_weights("(x : 1.2 )", {{"x ", 1.2}});
    expect_weights("(x:-0.5)", {{"x", -0.5}});
    expect_weights("(x:1.2.3)", {{"x:1.2.3", 1.1}});  // no number: text
    expect_weights("C:\\dir\\", {{"C:dir", 1}});
}

TEST(PromptGrammar, EscapedTextIsItself) {
    for (const std::string text : {"a (b) [c:d:0.5]", "C:\\x", "(((", "plain"}) {
        expect_weights(escaped_prompt(text), {{text, 1}});
        EXPECT_EQ(scheduled_texts(escaped_prompt(text), 10),
                  (Schedule{{10, escaped_prompt(text)}}));
    }
}

TEST(PromptGrammar, Breaks) {
    expect_weights("a BREAK b", {{"a", 1}, {"b", 1, true}});
    expect_weights("aBREAK BREAKb", {{"aBREAK BREAKb", 1}});
    expect_weights("a BREAK BREAK b", {{"a", 1}, {"", 1, true}, {"b", 1, true}});
    expect_weights("(a BREAK b:1.5)", {{"a", 1.5}, {"BREAK", -1.5}, {"b", 1.5}});
}

TEST(PromptGrammar, Schedules) {
    const auto g = [](const char* prompt) { return scheduled_texts(prompt, 10); };
    EXPECT_EQ(g("test"), (Schedule{{10, "test"}}));
    EXPECT_EQ(g("a [b:3]"), (Schedule{{3, "a "}, {10, "a b"}}));
    EXPECT_EQ(g("a [b: 3]"), (Schedule{{3, "a "}, {10, "a b"}}));
    EXPECT_EQ(g("a [[[b]]:2]"), (Schedule{{2, "a "}, {10, "a [[b]]"}}));
    EXPECT_EQ(g("[(a:2):3]"), (Schedule{{3, ""}, {10, "(a:2)"}}));
    EXPECT_EQ(g("a [b : c : 1] d"), (Schedule{{1, "a b  d"}, {10, "a  c  d"}}));
    EXPECT_EQ(g("a[b:[c:d:2]:1]e"), (Schedule{{1, "abe"}, {2, "ace"}, {10, "ade"}}));
    EXPECT_EQ(g("a [unbalanced"), (Schedule{{10, "a [unbalanced"}}));
    EXPECT_EQ(g("a [b:.5] c"), (Schedule{{5, "a  c"}, {10, "a b c"}}));
    EXPECT_EQ(g("((a][:b:c [d:3]"), (Schedule{{3, "((a][:b:c "}, {10, "((a][:b:c d"}}));
    EXPECT_EQ(g("[a::4]b"), (Schedule{{4, "ab"}, {10, "b"}}));
    EXPECT_EQ(g("[a:b:1.5]"), (Schedule{{10, "a"}}));
    EXPECT_EQ(g("[a:b:0]"), (Schedule{{10, "b"}}));
    EXPECT_EQ(g("[a:b:-3]"), (Schedule{{10, "b"}}));
    EXPECT_EQ(g("\\[a:b:3\\]"), (Schedule{{10, "\\[a:b:3\\]"}}));
    EXPECT_EQ(g("a | b [c:3]"), (Schedule{{10, "a | b [c:3]"}}));
    EXPECT_EQ(g("a [c:3]\\"), (Schedule{{10, "a [c:3]\\"}}));
}

TEST(PromptGrammar, ByTurns) {
    const Schedule turns = scheduled_texts("[a|(b:1.1)]", 10);
    ASSERT_EQ(turns.size(), 10u);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(turns[i], (ScheduledText{i + 1, i % 2 == 0 ? "a" : "(b:1.1)"}));
    EXPECT_EQ(scheduled_texts("[fe|]male", 3),
              (Schedule{{1, "female"}, {2, "male"}, {3, "female"}}));
    EXPECT_EQ(scheduled_texts("[fe|||]male", 5),
              (Schedule{{1, "female"}, {2, "male"}, {3, "male"}, {4, "male"}, {5, "female"}}));
}

TEST(PromptGrammar, ManyBracketsTakeNoTime) {
    const std::string many(20'000, '[');
    EXPECT_EQ(scheduled_texts(many, 10), (Schedule{{10, many}}));
    weighted_texts(many);
}

TEST(PromptGrammar, Networks) {
    const PromptWithNetworks taken =
        take_networks("a <lora:my style v2:0.8> cat<lora:b> <lyco:c:1.5:0.5> a<b <:x> <lora:> <3");
    EXPECT_EQ(taken.prompt, "a  cat  a<b <:x> <lora:> <3");
    EXPECT_EQ(taken.networks,
              (std::vector<NamedNetwork>{
                  {"lora", "my style v2", 0.8}, {"lora", "b", 1}, {"lyco", "c", 1.5}}));
}

std::vector<std::int64_t> counted(std::int64_t from, std::int64_t count) {
    std::vector<std::int64_t> ids;
    for (std::int64_t i = 0; i < count; ++i) ids.push_back(from + i);
    return ids;
}

constexpr BlockTokens tokens{.start = -10, .end = -20, .pad = -30, .comma = 7, .max_length = 77};

TEST(PromptGrammar, OneBlock) {
    const auto blocks = token_blocks({{"a", 1}, {"b", 1.5}}, {{1, 2}, {3}}, tokens);
    ASSERT_EQ(blocks.size(), 1u);
    EXPECT_EQ(blocks[0].ids.size(), 77u);
    EXPECT_EQ(std::vector<std::int64_t>(blocks[0].ids.begin(), blocks[0].ids.begin() + 6),
              (std::vector<std::int64_t>{-10, 1, 2, 3, -20, -30}));
    EXPECT_EQ(std::vector<double>(blocks[0].weights.begin(), blocks[0].weights.begin() + 5),
              (std::vector<double>{1, 1, 1, 1.5, 1}));
    EXPECT_EQ(token_blocks({{"", 1}}, {{}}, tokens).size(), 1u);
}

TEST(PromptGrammar, MoreThan75Tokens) {
    const auto blocks = token_blocks({{"", 1}}, {counted(1000, 150)}, tokens);
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_EQ(blocks[0].ids[75], 1074);
    EXPECT_EQ(blocks[0].ids[76], -20);
    EXPECT_EQ(blocks[1].ids[1], 1075);
    EXPECT_EQ(blocks[1].ids[75], 1149);
    EXPECT_EQ(token_blocks({{"", 1}}, {counted(1000, 151)}, tokens).size(), 3u);
}

TEST(PromptGrammar, ABlockEndsAtAComma) {
    std::vector<std::int64_t> ids = counted(1000, 80);
    ids[60] = tokens.comma;
    const auto blocks = token_blocks({{"", 1}}, {ids}, tokens);
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_EQ(blocks[0].ids[61], tokens.comma);
    EXPECT_EQ(blocks[0].ids[62], -20);
    EXPECT_EQ(blocks[1].ids[1], 1061);
    ids[60] = 1060;
    ids[54] = tokens.comma;  // 21 tokens before the end
    EXPECT_EQ(token_blocks({{"", 1}}, {ids}, tokens)[1].ids[1], 1075);
}

TEST(PromptGrammar, BreaksMakeBlocks) {
    const auto blocks = token_blocks({{"a", 1}, {"b", 1, true}}, {{1}, {2}}, tokens);
    ASSERT_EQ(blocks.size(), 2u);
    EXPECT_EQ(blocks[1].ids[1], 2);
}

}  // namespace
}  // namespace keepsake::pipeline
