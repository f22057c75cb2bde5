// The prompt grammar of stable-diffusion-webui (AUTOMATIC1111): text in, plain data out. What is
// malformed is text, as there; nothing here fails.
//
// Rules: https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/Features and its
// modules/prompt_parser.py, sd_hijack_clip.py, extra_networks.py, whose examples are the tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

// Which texts are read by this grammar.
enum class PromptSyntax { plain, a1111 };
// "plain", "a1111". parse_prompt_syntax throws Error naming the text and the choices.
PromptSyntax parse_prompt_syntax(std::string_view name);
std::string_view prompt_syntax_name(PromptSyntax syntax);

// A stretch of text and how strongly it is attended to.
struct WeightedText {
    std::string text;
    double weight = 1;
    bool starts_block = false;  // BREAK stood before it
    bool operator==(const WeightedText&) const = default;
};

// (x) 1.1 times, ((x)) 1.21, (x:1.3), [x] 1 / 1.1; \( \) \[ \] \\ are plain characters; brackets
// that are never closed reach to the end. BREAK outside of brackets begins a new block. Never
// empty.
std::vector<WeightedText> weighted_texts(std::string_view prompt);

// A text and the last step (from 1) of `steps` at which it holds.
struct ScheduledText {
    int until = 0;
    std::string text;
    bool operator==(const ScheduledText&) const = default;
};

// [a:b:when] is a up to the step `when`, then b; [b:when] and [a::when] likewise with one of the
// two empty; `when` with a point in it is a part of all steps, without one a step. [a|b|c] is one
// after the other, step by step. They may lie in one another and within ( ) and [ ], which stay.
// A text with a bare `|` in it, or a backslash at its end, stays as it is. In order of `until`, the
// last of which is `steps`. steps: at least 1.
std::vector<ScheduledText> scheduled_texts(std::string_view prompt, int steps);

// A plain text so that this grammar reads it as it is: brackets and backslashes behind backslashes.
std::string escaped_prompt(std::string_view text);

// <lora:name:0.8>
struct NamedNetwork {
    std::string kind;  // "lora", "lyco", "hypernet", as written
    std::string name;
    double weight = 1;  // of U-Net and text encoder; what more is written is left out
    bool operator==(const NamedNetwork&) const = default;
};
struct PromptWithNetworks {
    std::string prompt;  // without them
    std::vector<NamedNetwork> networks;
};
PromptWithNetworks take_networks(std::string_view prompt);

// One block of the text encoder's input: start, at most `max_length` - 2 tokens, end and padding.
struct TokenBlock {
    std::vector<std::int64_t> ids;
    std::vector<double> weights;  // as many
    bool operator==(const TokenBlock&) const = default;
};

// How a tokenizer does it; its members are those of Tokenizer (tokenizer.h), so that this needs
// none.
struct BlockTokens {
    std::int64_t start = 0, end = 0, pad = 0, comma = -1;  // comma: the token ",</w>"; -1: none
    std::size_t max_length = 77;
};

// Blocks of tokens, at least one. Where a block is full and a comma lies within its last 20 tokens,
// what stands behind the comma begins the next block. encoded: the tokens of each of `texts`.
std::vector<TokenBlock> token_blocks(const std::vector<WeightedText>& texts,
                                     const std::vector<std::vector<std::int64_t>>& encoded,
                                     const BlockTokens& tokens);

}  // namespace keepsake::pipeline
