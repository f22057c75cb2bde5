#include "pipeline/model/caption_search.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <string>

#include "pipeline/error.h"

namespace keepsake::pipeline {
namespace {

using Ids = std::vector<std::int64_t>;

constexpr float impossible = -1e9F;  // transformers' number, which takes part in its sums

struct Candidate {
    Ids ids;
    float score = impossible;  // sum of log-probabilities; of a finished one their mean
    bool finished = false;
};

// (rows, 1) of each one's last id.
Tensor last_ids(const std::vector<Candidate>& running) {
    Ids last;
    for (const Candidate& one : running) last.push_back(one.ids.back());
    return at::tensor(last).unsqueeze(1);
}

// The log-probabilities of what comes next, (rows, vocabulary) on the CPU.
Tensor next_scores(const BlipDecoder& decoder, const Tensor& hidden, bool may_end) {
    Tensor scores = at::log_softmax(decoder.logits(hidden.select(1, -1)).to(at::kFloat), -1);
    scores = scores.to(at::kCPU);
    if (!may_end)
        scores.select(1, decoder.config().end_id).fill_(-std::numeric_limits<float>::infinity());
    return scores;
}

Ids greedy(const BlipDecoder& decoder, BlipMemory memory, Ids ids, const CaptionSearch& search) {
    Tensor hidden = decoder.read(at::tensor(ids).unsqueeze(0), memory);
    for (std::int64_t written = 0; written < search.most; ++written) {
        const Tensor scores = next_scores(decoder, hidden, written >= search.least);
        ids.push_back(scores.argmax(1).item<std::int64_t>());
        if (ids.back() == decoder.config().end_id || written + 1 == search.most) break;
        hidden = decoder.read(at::tensor({ids.back()}).unsqueeze(0), memory);
    }
    return ids;
}

// The best `count` of the list, of equals the first.
std::vector<std::size_t> best(const std::vector<float>& scores, std::size_t count) {
    std::vector<std::size_t> order(scores.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, [&](auto a, auto b) { return scores[a] > scores[b]; });
    order.resize(std::min(count, order.size()));
    return order;
}

// Captions that grow by a token a step, and those that have ended.
class BeamSearch {
  public:
    BeamSearch(const BlipDecoder& decoder, const CaptionSearch& search)
        : decoder_(decoder), search_(search), beams_(static_cast<std::size_t>(search.beams)) {}

    Ids run(BlipMemory memory, const Ids& start) {
        // The first step has one caption; the others would be copies of it.
        running_ = {{start, 0}};
        finished_.assign(beams_, {});
        Tensor hidden = decoder_.read(at::tensor(start).unsqueeze(0), memory);
        for (std::int64_t written = 0;; ++written) {
            const bool last = written + 1 == search_.most;
            const Tensor rows =
                step(next_scores(decoder_, hidden, written >= search_.least), written + 1, last);
            if (last || !can_improve(written + 1)) break;
            memory.keep(rows);
            hidden = decoder_.read(last_ids(running_), memory);
        }
        return finished_.front().ids;
    }

  private:
    // scores: (captions, vocabulary). Returns which caption each of the new ones goes on from.
    Tensor step(const Tensor& scores, std::int64_t length, bool last) {
        std::vector<float> so_far;
        for (const Candidate& one : running_) so_far.push_back(one.score);
        const std::int64_t words = scores.size(1);
        const Tensor all = (scores + at::tensor(so_far).unsqueeze(1)).flatten();
        const auto [sums, places] =
            all.topk(std::min<std::int64_t>(2 * search_.beams, all.numel()));
        std::vector<Candidate> found;
        Ids parents;
        for (std::int64_t i = 0; i < sums.numel(); ++i) {
            const auto place = places[i].item<std::int64_t>();
            parents.push_back(place / words);
            Candidate one = running_[static_cast<std::size_t>(parents.back())];
            one.ids.push_back(place % words);
            one.score = sums[i].item<float>();
            one.finished = last || one.ids.back() == decoder_.config().end_id;
            found.push_back(std::move(one));
        }
        finish(found, length);
        return go_on(found, parents);
    }

    // The finished ones among the first `beams` may displace worse ones.
    void finish(const std::vector<Candidate>& found, std::int64_t length) {
        std::vector<Candidate> merged = finished_;
        for (std::size_t i = 0; i < std::min(beams_, found.size()); ++i) {
            if (!found[i].finished) continue;
            merged.push_back(found[i]);
            merged.back().score /= static_cast<float>(length);
        }
        std::vector<float> scores;
        for (const Candidate& one : merged) scores.push_back(one.score);
        finished_.clear();
        for (const std::size_t i : best(scores, beams_)) finished_.push_back(merged[i]);
    }

    Tensor go_on(const std::vector<Candidate>& found, const Ids& parents) {
        running_.clear();
        Ids rows;
        for (std::size_t i = 0; i < found.size() && running_.size() < beams_; ++i) {
            if (found[i].finished) continue;
            running_.push_back(found[i]);
            rows.push_back(parents[i]);
        }
        return at::tensor(rows);
    }

    bool can_improve(std::int64_t length) const {
        const Candidate& worst = finished_.back();
        return !worst.finished || running_.front().score / static_cast<float>(length) > worst.score;
    }

    const BlipDecoder& decoder_;
    const CaptionSearch& search_;
    std::size_t beams_;
    std::vector<Candidate> running_, finished_;  // both from the best
};

}  // namespace

void check_search(const CaptionSearch& search, std::size_t start, const BlipDecoderConfig& config) {
    if (search.beams < 1 || search.beams > most_beams)
        throw Error("beams", "should be 1 to " + std::to_string(most_beams));
    if (search.most < 1 || search.least < 0 || search.least > search.most)
        throw Error("length of captions", "the least should be at most the greatest");
    const std::int64_t places = config.max_position_embeddings;
    if (static_cast<std::int64_t>(start) + search.most > places)
        throw Error("length of captions", std::to_string(search.most) + " tokens after the " +
                                              std::to_string(start) +
                                              " of the prompt; the captioner has places "
                                              "for " +
                                              std::to_string(places));
}

Ids search_caption(const BlipDecoder& decoder, const Tensor& image, const Ids& start,
                   const CaptionSearch& search) {
    const at::NoGradGuard no_grad;
    check_search(search, start.size(), decoder.config());
    BlipMemory memory = decoder.look(image);
    if (search.beams == 1) return greedy(decoder, std::move(memory), start, search);
    return BeamSearch(decoder, search).run(std::move(memory), start);
}

}  // namespace keepsake::pipeline
