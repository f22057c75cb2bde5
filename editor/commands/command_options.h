// Options of every command that makes pictures: how they are drawn, and how they are written.
#pragma once

#include <optional>
#include <string>

#include "editor/commands/option_values.h"
#include "editor/commands/run_options.h"
#include "editor/edit/edit.h"

namespace keepsake::editor {

// --sampler, --steps, --spacing, --schedule, --guidance, --negative, --ddim-eta, --tcd-eta, --seed,
// --json
struct SampleArguments {
    std::optional<std::string> sampler;
    std::optional<int> steps;
    std::optional<double> guidance;
    std::optional<std::string> negative;
    std::optional<double> ddim_eta, tcd_eta;
    std::optional<std::string> spacing, schedule;
    std::string seed = "0";
    bool json = false;
};
void add_sample_options(CLI::App& command, SampleArguments& arguments);
// Throws UsageError naming the option.
SampleOverrides sample_overrides(const SampleArguments& arguments);

// --full, --no-full, --mask, --mask-threshold, --mask-feather, --strip-gps, --format, --quality
struct OutputArguments {
    bool full = OutputRequest{}.full;
    std::string mask = "words";
    std::optional<double> mask_threshold, mask_feather;
    bool strip_gps = false;
    std::optional<std::string> format;
    std::optional<int> quality;
};
void add_output_options(CLI::App& command, OutputArguments& arguments);
OutputRequest output_request(const OutputArguments& arguments);  // throws UsageError

// --eta and --out of edit and render. One file is possible where one eta and one seed are given.
std::optional<EtaRange> parse_eta_option(const std::string& text);
Destination parse_destination(const std::string& out, const RenderRequest& request);

}  // namespace keepsake::editor
