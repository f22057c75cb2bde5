// Options that several commands share: how they are declared, and what their text means.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/commands/commands.h"
#include "editor/edit/edit.h"

namespace keepsake::editor {

// --model, --prediction, --device, --precision, --threads, --quiet
struct RunArguments {
    std::optional<std::string> model, prediction;
    std::string device = "auto";
    std::string precision = "float32";
    std::optional<int> threads;
    bool quiet = false;
    // add_model_options
    std::vector<std::string> lora, embedding;
    std::optional<std::string> vae;
    std::optional<int> clip_skip;
};
// --embedding (several): of commands that take a text.
void add_word_options(CLI::App& command, RunArguments& arguments);
// Likewise, and --lora (several), --vae, --clip-skip: of commands that load a whole model.
void add_model_options(CLI::App& command, RunArguments& arguments);
void add_run_options(CLI::App& command, RunArguments& arguments);
// Sets the number of threads, where none is given until one is measured (edit_recipe.h,
// set_threads), and returns what to compute with. Throws UsageError, and Error where this machine
// lacks what was asked for.
Compute start_run(const RunArguments& arguments);
// The path of --model, or none. Throws UsageError when it is empty.
std::optional<std::filesystem::path> model_path(const RunArguments& arguments);

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
// Throw UsageError naming the option.
SampleOverrides sample_overrides(const SampleArguments& arguments);
std::vector<std::uint64_t> parse_seeds(const std::string& text);
std::vector<double> parse_guidances(const std::string& option, const std::string& text);

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

Crop parse_crop(const std::string& text);  // "x,y,w,h"
int checked_size(int size);
// `text` with malformed UTF-8 replaced. Throws UsageError when there is nothing but spaces in it.
std::string checked_text(const std::string& noun, const std::string& text);
void require(bool allowed, const std::string& option, const std::string& why);  // else UsageError

// A monitor and a warner for the terminal.
Monitor terminal_monitor(const RunArguments& arguments, const Interrupt& interrupt);
void print_warning(const std::string& text);

// The files, one a line, or with `json` one object a line. photo: told in the objects, where not
// empty.
void print_results(const EditResult& result, bool json, const std::string& photo = {});

}  // namespace keepsake::editor
