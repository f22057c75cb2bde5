#include "optimize/training/rounds.h"

#include <algorithm>
#include <string>

#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

std::vector<std::int64_t> shuffled(std::int64_t n, const at::Generator& generator) {
    const Tensor order = at::randperm(n, generator, at::TensorOptions().dtype(at::kLong));
    const auto* first = order.const_data_ptr<std::int64_t>();
    return {first, first + n};
}

}  // namespace

Rounds::Rounds(std::vector<PictureGroup> groups, std::int64_t batch_size, std::uint64_t seed,
               Stream stream)
    : groups_(std::move(groups)), batch_size_(batch_size), seed_(seed), stream_(stream) {
    std::erase_if(groups_, [](const PictureGroup& group) { return group.empty(); });
    if (groups_.empty()) throw Error("pictures", "there are none to learn from");
    if (batch_size < 1) throw Error("batch size", std::to_string(batch_size) + " is not positive");
}

std::int64_t Rounds::batches() const {
    std::int64_t count = 0;
    for (const PictureGroup& group : groups_)
        count += (static_cast<std::int64_t>(group.size()) + batch_size_ - 1) / batch_size_;
    return count;
}

// Shuffled within each group, cut into batches, and these shuffled.
std::vector<std::vector<std::int64_t>> Rounds::batches_of(std::int64_t round) const {
    const at::Generator generator = step_generator(seed_, stream_, round);
    std::vector<std::vector<std::int64_t>> cut;
    for (const PictureGroup& group : groups_) {
        const auto order = shuffled(static_cast<std::int64_t>(group.size()), generator);
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (i % static_cast<std::size_t>(batch_size_) == 0) cut.emplace_back();
            cut.back().push_back(group[static_cast<std::size_t>(order[i])]);
        }
    }
    std::vector<std::vector<std::int64_t>> result;
    for (const std::int64_t i : shuffled(static_cast<std::int64_t>(cut.size()), generator))
        result.push_back(std::move(cut[static_cast<std::size_t>(i)]));
    return result;
}

std::vector<std::int64_t> Rounds::batch(std::int64_t index) {
    const std::int64_t round = index / batches();
    if (round != round_) {
        batches_ = batches_of(round);
        round_ = round;
    }
    return batches_[static_cast<std::size_t>(index % batches())];
}

}  // namespace keepsake::optimize
