#include "editor/edit/few_step_files.h"

#include <algorithm>
#include <cctype>

#include "pipeline/error.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using pipeline::Sampler;
using pipeline::TimestepSpacing;

const FewStepFile lcm{"LCM", Sampler::lcm, 2, 8, 1, 2, {}, {}};

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

// The last of the path's names that says something.
std::string telling_name(const fs::path& path) {
    const std::string stem = lower(path.stem().string());
    const bool usual = stem == "pytorch_lora_weights" || stem == "adapter_model";
    return usual ? lower(path.parent_path().filename().string()) : stem;
}

// Whether `word` stands in `name` by itself, not as a part of another word.
bool has_word(const std::string& name, const std::string& word) {
    for (std::size_t at = name.find(word); at != name.npos; at = name.find(word, at + 1)) {
        const auto letter = [&](std::size_t i) {
            return i < name.size() && std::isalpha(static_cast<unsigned char>(name[i]));
        };
        if ((at == 0 || !letter(at - 1)) && !letter(at + word.size())) return true;
    }
    return false;
}

// "Hyper-SD15-4steps-lora", "Hyper-SDXL-1step-lora", "Hyper-SD15-8steps-CFG-lora".
std::optional<FewStepFile> hyper_sd(const std::string& name) {
    const std::size_t at = name.find("step");
    if (at == name.npos) return std::nullopt;
    std::size_t first = at;
    while (first > 0 && std::isdigit(static_cast<unsigned char>(name[first - 1]))) --first;
    if (first == at || at - first > 2) return std::nullopt;
    const int steps = std::stoi(name.substr(first, at - first));
    if (steps == 1) return FewStepFile{"one-step Hyper-SD", Sampler::tcd, 1, 8, 1, 1, 1.0, {}};
    FewStepFile file{"Hyper-SD", Sampler::ddim, steps, steps, 1, 1, {}, TimestepSpacing::trailing};
    if (has_word(name, "cfg")) {
        file.least_guidance = 5;
        file.most_guidance = 8;
    }
    return file;
}

std::optional<FewStepFile> by_metadata(const fs::path& path) {
    try {
        const pipeline::SafetensorsFile file(path);
        const auto found = file.metadata().find("keepsake_sampler");
        if (found != file.metadata().end() && found->second == "lcm") return lcm;
    } catch (const Error&) {
        // Whoever reads its tensors says what is wrong with it.
    }
    return std::nullopt;
}

std::string range(double low, double high) {
    return number_text(low) + (low == high ? "" : " to " + number_text(high));
}

bool suits(const FewStepFile& file, const pipeline::SampleOptions& sample) {
    // 0 is no guidance, as 1 is.
    const double guidance = std::max(1.0, sample.guidance_scale);
    return sample.sampler == file.sampler && sample.steps >= file.least_steps &&
           sample.steps <= file.most_steps && guidance >= file.least_guidance &&
           guidance <= file.most_guidance && (!file.spacing || sample.spacing == file.spacing) &&
           (!file.tcd_eta || sample.tcd_eta == *file.tcd_eta);
}

}  // namespace

std::optional<FewStepFile> few_step_file(const fs::path& path) {
    const std::string name = telling_name(path);
    if (has_word(name, "lcm")) return lcm;
    if (has_word(name, "tcd")) return FewStepFile{"TCD", Sampler::tcd, 4, 50, 1, 1, {}, {}};
    if (has_word(name, "hyper")) return hyper_sd(name);
    if (name.find("dmd2") != name.npos)
        return FewStepFile{"DMD2", Sampler::lcm, 4, 4, 1, 1, {}, {}};
    return by_metadata(path);
}

std::vector<std::string> few_step_remarks(const std::vector<pipeline::AdapterFile>& files,
                                          const pipeline::SampleOptions& sample) {
    std::vector<std::string> remarks;
    for (const pipeline::AdapterFile& adapter : files) {
        const std::optional<FewStepFile> file = few_step_file(adapter.path);
        if (!file || suits(*file, sample)) continue;
        std::string text = adapter.path.string() + ": a file for few steps (" + file->kind +
                           "), made for --sampler " +
                           std::string(pipeline::sampler_name(file->sampler));
        if (file->spacing)
            text += " --spacing " + std::string(pipeline::spacing_name(*file->spacing));
        if (file->tcd_eta) text += " --tcd-eta " + number_text(*file->tcd_eta);
        remarks.push_back(text + " --steps " + range(file->least_steps, file->most_steps) +
                          " --guidance " + range(file->least_guidance, file->most_guidance));
    }
    return remarks;
}

}  // namespace keepsake::editor
