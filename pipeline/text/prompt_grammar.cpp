#include "pipeline/text/prompt_grammar.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "pipeline/error.h"

namespace keepsake::pipeline {
namespace {

constexpr double round_weight = 1.1;
constexpr double square_weight = 1 / 1.1;
constexpr double break_weight = -1;  // marks a BREAK, which brackets around it turn into text

struct Stretch {
    std::string text;
    double weight = 1;
};

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool is_word(char c) {
    const auto code = static_cast<unsigned char>(c);
    return code >= 0x80 || c == '_' || (c >= '0' && c <= '9') ||
           ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

// `text` cut at each BREAK that is a word of its own, with the spaces around it.
std::vector<std::string> cut_at_breaks(std::string_view text) {
    constexpr std::string_view mark = "BREAK";
    std::vector<std::string> parts;
    std::size_t from = 0;
    for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
        const std::size_t behind = at + mark.size();
        if (at < from || (at > 0 && is_word(text[at - 1])) ||
            (behind < text.size() && is_word(text[behind])))
            continue;
        std::size_t first = at, last = behind;
        while (first > from && is_space(text[first - 1])) --first;
        while (last < text.size() && is_space(text[last])) ++last;
        parts.emplace_back(text.substr(from, first - from));
        from = last;
    }
    parts.emplace_back(text.substr(from));
    return parts;
}

std::optional<double> number_in(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = code == std::errc() && end == text.data() + text.size();
    return whole ? std::optional(number) : std::nullopt;
}

// ":1.3)" at `at`, with spaces around the number; where it ends, and the number.
struct BracketWeight {
    std::size_t end = 0;
    double weight = 1;
};
std::optional<BracketWeight> bracket_weight(std::string_view text, std::size_t at) {
    if (text[at] != ':') return std::nullopt;
    std::size_t first = at + 1;
    while (first < text.size() && is_space(text[first])) ++first;
    std::size_t last = first;
    if (last < text.size() && (text[last] == '+' || text[last] == '-')) ++last;
    while (last < text.size() && (text[last] == '.' || (text[last] >= '0' && text[last] <= '9')))
        ++last;
    std::size_t close = last;
    while (close < text.size() && is_space(text[close])) ++close;
    const auto number = number_in(text.substr(first, last - first));
    if (!number || close == text.size() || text[close] != ')') return std::nullopt;
    return BracketWeight{close + 1, *number};
}

class AttentionReader {
  public:
    explicit AttentionReader(std::string_view text) : text_(text) {}

    std::vector<Stretch> read() {
        while (at_ < text_.size()) step();
        for (const std::size_t from : round_) multiply(from, round_weight);
        for (const std::size_t from : square_) multiply(from, square_weight);
        if (stretches_.empty()) stretches_.push_back({});
        return merged();
    }

  private:
    void multiply(std::size_t from, double weight) {
        for (std::size_t i = from; i < stretches_.size(); ++i) stretches_[i].weight *= weight;
    }

    static std::size_t pop(std::vector<std::size_t>& brackets) {
        const std::size_t from = brackets.back();
        brackets.pop_back();
        return from;
    }

    void add_text(std::string_view text) {
        const std::vector<std::string> parts = cut_at_breaks(text);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i > 0) stretches_.push_back({"BREAK", break_weight});
            stretches_.push_back({parts[i], 1});
        }
    }

    void step() {
        const char c = text_[at_];
        if (c == '\\') return escape();
        if (c == '(') return open(round_);
        if (c == '[') return open(square_);
        if (const auto weight = bracket_weight(text_, at_)) {
            if (round_.empty()) {
                add_text(text_.substr(at_, weight->end - at_));
            } else {
                multiply(pop(round_), weight->weight);
            }
            at_ = weight->end;
        } else if (c == ')' && !round_.empty()) {
            multiply(pop(round_), round_weight);
            ++at_;
        } else if (c == ']' && !square_.empty()) {
            multiply(pop(square_), square_weight);
            ++at_;
        } else if (c == ')' || c == ']' || c == ':') {
            add_text(text_.substr(at_++, 1));
        } else {
            const std::size_t end = std::min(text_.find_first_of("\\()[]:", at_), text_.size());
            add_text(text_.substr(at_, end - at_));
            at_ = end;
        }
    }

    void open(std::vector<std::size_t>& brackets) {
        brackets.push_back(stretches_.size());
        ++at_;
    }

    // A bracket or a backslash behind a backslash is text; alone it is nothing.
    void escape() {
        const bool escapes =
            at_ + 1 < text_.size() &&
            std::string_view("()[]\\").find(text_[at_ + 1]) != std::string_view::npos;
        stretches_.push_back({escapes ? std::string(1, text_[at_ + 1]) : std::string(), 1});
        at_ += escapes ? 2 : 1;
    }

    std::vector<Stretch> merged() const {
        std::vector<Stretch> runs;
        for (const Stretch& stretch : stretches_) {
            if (!runs.empty() && runs.back().weight == stretch.weight) {
                runs.back().text += stretch.text;
            } else {
                runs.push_back(stretch);
            }
        }
        return runs;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::vector<Stretch> stretches_;
    std::vector<std::size_t> round_, square_;  // where open brackets began
};

}  // namespace

PromptSyntax parse_prompt_syntax(std::string_view name) {
    for (const PromptSyntax syntax : {PromptSyntax::plain, PromptSyntax::a1111})
        if (name == prompt_syntax_name(syntax)) return syntax;
    throw Error("prompt syntax '" + std::string(name) + "'", "is none of plain, a1111");
}

std::string_view prompt_syntax_name(PromptSyntax syntax) {
    return syntax == PromptSyntax::a1111 ? "a1111" : "plain";
}

std::vector<WeightedText> weighted_texts(std::string_view prompt) {
    std::vector<WeightedText> texts;
    bool starts_block = false;
    for (const Stretch& stretch : AttentionReader(prompt).read()) {
        if (stretch.weight == break_weight && stretch.text == "BREAK") {
            if (starts_block) texts.push_back({"", 1, true});
            starts_block = true;
            continue;
        }
        texts.push_back({stretch.text, stretch.weight, starts_block});
        starts_block = false;
    }
    if (starts_block) texts.push_back({"", 1, true});
    return texts;
}

std::string escaped_prompt(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        if (std::string_view("()[]\\").find(c) != std::string_view::npos) escaped += '\\';
        escaped += c;
    }
    return escaped;
}

PromptWithNetworks take_networks(std::string_view prompt) {
    PromptWithNetworks taken;
    while (!prompt.empty()) {
        const std::size_t open = prompt.find('<');
        taken.prompt += prompt.substr(0, open);
        if (open == prompt.npos) break;
        prompt.remove_prefix(open);
        std::size_t colon = 1;
        while (colon < prompt.size() && is_word(prompt[colon])) ++colon;
        const std::size_t close = prompt.find('>');
        if (colon == 1 || colon >= prompt.size() || prompt[colon] != ':' || close == prompt.npos ||
            close <= colon + 1) {
            taken.prompt += '<';
            prompt.remove_prefix(1);
            continue;
        }
        std::string_view rest = prompt.substr(colon + 1, close - colon - 1);
        const std::size_t second = std::min(rest.find(':'), rest.size());
        NamedNetwork network{std::string(prompt.substr(1, colon - 1)),
                             std::string(rest.substr(0, second)), 1};
        rest.remove_prefix(std::min(second + 1, rest.size()));
        if (const auto weight = number_in(rest.substr(0, rest.find(':')))) network.weight = *weight;
        taken.networks.push_back(std::move(network));
        prompt.remove_prefix(close + 1);
    }
    return taken;
}

namespace {

class BlockBuilder {
  public:
    explicit BlockBuilder(const BlockTokens& tokens) : tokens_(tokens) {}

    void add(std::int64_t id, double weight) {
        if (id == tokens_.comma) {
            last_comma_ = ids_.size();
        } else if (is_full() && last_comma_ && ids_.size() - *last_comma_ <= backtrack) {
            move_behind_comma();
        }
        // Also of a comma that is one token too many.
        if (is_full()) finish_block();
        ids_.push_back(id);
        weights_.push_back(weight);
    }

    void finish_block() {
        TokenBlock block{{tokens_.start}, {1}};
        block.ids.insert(block.ids.end(), ids_.begin(), ids_.end());
        block.ids.push_back(tokens_.end);
        block.ids.resize(tokens_.max_length, tokens_.pad);
        block.weights.insert(block.weights.end(), weights_.begin(), weights_.end());
        block.weights.resize(tokens_.max_length, 1);
        blocks_.push_back(std::move(block));
        ids_.clear();
        weights_.clear();
        last_comma_.reset();
    }

    std::vector<TokenBlock> finish() {
        if (!ids_.empty() || blocks_.empty()) finish_block();
        return std::move(blocks_);
    }

  private:
    static constexpr std::size_t backtrack = 20;  // the webui's own default

    bool is_full() const { return ids_.size() == tokens_.max_length - 2; }

    void move_behind_comma() {
        const auto behind = static_cast<std::ptrdiff_t>(*last_comma_ + 1);
        std::vector<std::int64_t> ids(ids_.begin() + behind, ids_.end());
        std::vector<double> weights(weights_.begin() + behind, weights_.end());
        ids_.resize(static_cast<std::size_t>(behind));
        weights_.resize(static_cast<std::size_t>(behind));
        finish_block();
        ids_ = std::move(ids);
        weights_ = std::move(weights);
    }

    const BlockTokens& tokens_;
    std::vector<TokenBlock> blocks_;
    std::vector<std::int64_t> ids_;
    std::vector<double> weights_;
    std::optional<std::size_t> last_comma_;  // in ids_
};

}  // namespace

std::vector<TokenBlock> token_blocks(const std::vector<WeightedText>& texts,
                                     const std::vector<std::vector<std::int64_t>>& encoded,
                                     const BlockTokens& tokens) {
    BlockBuilder builder(tokens);
    for (std::size_t i = 0; i < texts.size(); ++i) {
        if (texts[i].starts_block) builder.finish_block();
        for (const std::int64_t id : encoded.at(i)) builder.add(id, texts[i].weight);
    }
    return builder.finish();
}

}  // namespace keepsake::pipeline
