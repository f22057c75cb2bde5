// [a:b:when] and [a|b] of prompt_grammar.h: a parser by descent into a tree, and what the tree says
// at a step.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>
#include <set>

#include "pipeline/text/prompt_grammar.h"

namespace keepsake::pipeline {
namespace {

struct Node;
using Nodes = std::vector<Node>;

struct Node {
    enum class Kind { text, scheduled, alternate };
    Kind kind = Kind::text;
    std::string text;          // of `text`
    std::vector<Nodes> inner;  // scheduled: before, after; alternate: one after the other
    int when = 0;              // of `scheduled`: the last step of `before`
};

// What a person writes goes a few brackets deep.
constexpr int deepest = 64;

class ScheduleReader {
  public:
    ScheduleReader(std::string_view text, int steps) : text_(text), steps_(steps) {}

    // None where the text is of no such grammar.
    std::optional<Nodes> read() {
        Nodes nodes;
        while (at_ < text_.size()) {
            read_prompt(nodes);
            if (at_ == text_.size()) break;
            // A bracket or colon that is of no group stands for itself.
            if (std::string_view("[]():").find(text_[at_]) == std::string_view::npos)
                return std::nullopt;
            add_text(nodes, text_.substr(at_++, 1));
        }
        return nodes;
    }

  private:
    static void add_text(Nodes& nodes, std::string_view text) {
        if (nodes.empty() || nodes.back().kind != Node::Kind::text) nodes.push_back({});
        nodes.back().text += text;
    }
    static void add(Nodes& nodes, Nodes&& more) {
        for (Node& node : more) {
            if (node.kind == Node::Kind::text)
                add_text(nodes, node.text);
            else
                nodes.push_back(std::move(node));
        }
    }

    bool is_at(char c) const { return at_ < text_.size() && text_[at_] == c; }
    bool take(char c) {
        if (!is_at(c)) return false;
        ++at_;
        return true;
    }

    // As far as it goes: plain text and whole groups.
    void read_prompt(Nodes& nodes) {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '(' || c == '[') {
                Nodes group;
                const std::size_t before = at_;
                if (depth_ == deepest || !(c == '(' ? read_round(group) : read_square(group))) {
                    at_ = before;
                    return;
                }
                add(nodes, std::move(group));
            } else if (c == '\\') {
                if (at_ + 1 == text_.size() || text_[at_ + 1] == '\n') return;
                add_text(nodes, text_.substr(at_, 2));
                at_ += 2;
            } else if (c == ')' || c == ']' || c == ':' || c == '|') {
                return;
            } else {
                add_text(nodes, text_.substr(at_++, 1));
            }
        }
    }

    Nodes prompt() {
        Nodes nodes;
        ++depth_;
        read_prompt(nodes);
        --depth_;
        return nodes;
    }

    // ( prompt ) or ( prompt : prompt ), which stay as they are.
    bool read_round(Nodes& nodes) {
        ++at_;
        add_text(nodes, "(");
        add(nodes, prompt());
        if (take(':')) {
            add_text(nodes, ":");
            add(nodes, prompt());
        }
        add_text(nodes, ")");
        return take(')');
    }

    // [ prompt ] stays; [ prompt | ... ] and [ [prompt :] prompt : number ] are ours.
    bool read_square(Nodes& nodes) {
        ++at_;
        Nodes first = prompt();
        if (take(']')) {
            add_text(nodes, "[");
            add(nodes, std::move(first));
            add_text(nodes, "]");
            return true;
        }
        if (is_at('|')) return read_alternate(nodes, std::move(first));
        if (!take(':')) return false;
        if (const auto when = read_when()) {
            nodes.push_back({Node::Kind::scheduled, {}, {{}, std::move(first)}, *when});
            return true;
        }
        Nodes second = prompt();
        if (!take(':')) return false;
        const auto when = read_when();
        if (!when) return false;
        nodes.push_back({Node::Kind::scheduled, {}, {std::move(first), std::move(second)}, *when});
        return true;
    }

    bool read_alternate(Nodes& nodes, Nodes first) {
        Node node{Node::Kind::alternate, {}, {std::move(first)}};
        while (take('|')) node.inner.push_back(prompt());
        if (!take(']')) return false;
        nodes.push_back(std::move(node));
        return true;
    }

    // Spaces, a number, spaces and the closing bracket; else nothing is taken.
    std::optional<int> read_when() {
        const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
        std::size_t first = at_;
        while (first < text_.size() && is_space(text_[first])) ++first;
        const std::size_t close = text_.find(']', first);
        if (close == text_.npos) return std::nullopt;
        std::size_t last = close;
        while (last > first && is_space(text_[last - 1])) --last;
        std::string_view number = text_.substr(first, last - first);
        const bool is_part = number.find('.') != number.npos;
        if (number.starts_with('+')) number.remove_prefix(1);
        double value = 0;
        const auto [end, code] =
            std::from_chars(number.data(), number.data() + number.size(), value);
        if (code != std::errc() || end != number.data() + number.size() || !std::isfinite(value))
            return std::nullopt;
        at_ = close + 1;
        const double step = std::trunc(is_part ? value * steps_ : value);
        return static_cast<int>(std::clamp<double>(step, -1, steps_));
    }

    std::string_view text_;
    int steps_ = 1;
    std::size_t at_ = 0;
    int depth_ = 0;
};

void collect_steps(const Nodes& nodes, int steps, std::set<int>& ends) {
    for (const Node& node : nodes) {
        if (node.kind == Node::Kind::scheduled && node.when >= 1) ends.insert(node.when);
        if (node.kind == Node::Kind::alternate)
            for (int step = 1; step <= steps; ++step) ends.insert(step);
        for (const Nodes& inner : node.inner) collect_steps(inner, steps, ends);
    }
}

void append_at(const Nodes& nodes, int step, std::string& text) {
    for (const Node& node : nodes) {
        if (node.kind == Node::Kind::text) {
            text += node.text;
        } else if (node.kind == Node::Kind::scheduled) {
            append_at(node.inner[step <= node.when ? 0 : 1], step, text);
        } else {
            const auto which = static_cast<std::size_t>(step - 1) % node.inner.size();
            append_at(node.inner[which], step, text);
        }
    }
}

}  // namespace

std::vector<ScheduledText> scheduled_texts(std::string_view prompt, int steps) {
    const std::optional<Nodes> nodes = ScheduleReader(prompt, steps).read();
    if (!nodes) return {{steps, std::string(prompt)}};
    std::set<int> ends = {steps};
    collect_steps(*nodes, steps, ends);
    std::vector<ScheduledText> texts;
    for (const int until : ends) {
        texts.push_back({until, {}});
        append_at(*nodes, until, texts.back().text);
    }
    return texts;
}

}  // namespace keepsake::pipeline
