// Options that the commands of `keepsake learn` share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "editor/commands/command_options.h"
#include "editor/edit/learn.h"

namespace keepsake::editor {

struct LearnArguments {
    RunArguments run;
    std::vector<std::string> pictures;
    std::optional<std::string> out, name, targets, lora_start, schedule, sample_prompts;
    std::optional<int> size;
    std::optional<std::int64_t> steps, batch, accumulation, rank, warmup;
    std::optional<double> learning_rate, min_snr, noise_offset, perturbation, dropout, decay;
    std::optional<double> alpha, lora_dropout;
    std::uint64_t seed = LearnRequest{}.seed;
    std::int64_t every = LearnRequest{}.every;
    bool buckets = false, mirror = false, text_encoder = false, all_weights = false, ema = false;
    bool restart = false, check = false, json = false;
};

// --rank, --targets, --all-weights, ...: of what learns in the networks.
void add_network_options(CLI::App& command, LearnArguments& arguments,
                         const optimize::PictureOptions& defaults);
// --tune, --learning-rate, ... of what `defaults` says where they are not given.
void add_learn_options(CLI::App& command, LearnArguments& arguments,
                       const optimize::PictureOptions& defaults);

// name: of the run where none is given. Throws UsageError naming the option.
LearnRequest learn_request(const LearnArguments& arguments, LearnKind kind,
                           const std::string& name);

// Learns and says what came of it on stdout, or with --check what would be learned: rank 0 does.
void run_learn(const LearnRequest& request, const LearnArguments& arguments,
               const Interrupt& interrupt, const optimize::Ranks& ranks);

}  // namespace keepsake::editor
