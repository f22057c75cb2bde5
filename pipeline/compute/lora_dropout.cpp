#include "pipeline/compute/lora_dropout.h"

#include <ATen/Parallel.h>

#include <string>

#include "pipeline/compute/mixed.h"
#include "pipeline/error.h"

namespace keepsake::pipeline {

Tensor what_stays(const LoraDropout& dropout, std::int64_t rows, std::int64_t rank) {
    if (!dropout.pass || dropout.pass->samples.empty() || dropout.probability <= 0) return {};
    const auto samples = static_cast<std::int64_t>(dropout.pass->samples.size());
    if (rows % samples != 0)
        throw Error("LoRA dropout", std::to_string(rows) + " rows are not of " +
                                        std::to_string(samples) + " samples");
    const std::int64_t each = rows / samples * rank;  // numbers of a sample
    const Tensor stays = at::empty({rows, rank}, at::kBool);
    bool* const data = stays.mutable_data_ptr<bool>();
    constexpr std::int64_t run = 1 << 14;
    at::parallel_for(0, samples * each, run, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) {
            const std::uint64_t sample = dropout.pass->samples[static_cast<std::size_t>(i / each)];
            const std::uint64_t drawn =
                mixed(mixed(sample + dropout.layer) + static_cast<std::uint64_t>(i % each));
            // In [0, 1), of 53 bits.
            data[i] = static_cast<double>(drawn >> 11) * 0x1p-53 >= dropout.probability;
        }
    });
    return stays;
}

}  // namespace keepsake::pipeline
