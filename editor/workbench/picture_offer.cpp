#include "editor/workbench/picture_offer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "editor/edit/settings_from.h"
#include "editor/session/files_root.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/text_parts.h"
#include "pipeline/text/prompt_grammar.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using pipeline::AdapterFile;

std::string joined(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
}

// A LoRA by the name that the settings have.
struct NamedLora {
    std::string name;
    double weight = 1;
};

// Settings on their way into the fields.
struct Taking {
    GenerationSettings settings;
    std::vector<NamedLora> loras;
    std::vector<std::string> used, left;
    TakenOffer taken;
};

void tell_once(std::vector<std::string>& left, const std::string& what) {
    if (std::ranges::find(left, what) == left.end()) left.push_back(what);
}

// A text of AUTOMATIC1111's grammar as plain text. What that says by brackets is told.
std::string plain_text(const std::string& text, Taking& taking) {
    const pipeline::PromptWithNetworks networks = pipeline::take_networks(text);
    for (const pipeline::NamedNetwork& network : networks.networks) {
        if (network.kind == "lora" || network.kind == "lyco")
            taking.loras.push_back({network.name, network.weight});
        else
            taking.left.push_back(network.kind + " " + network.name);
    }
    const int steps = std::max(1, taking.settings.steps.value_or(20));
    const auto scheduled = pipeline::scheduled_texts(networks.prompt, steps);
    if (scheduled.size() > 1) tell_once(taking.left, "texts that change from step to step");
    std::string plain;
    bool weighted = false;
    for (const auto& part : pipeline::weighted_texts(scheduled.back().text)) {
        plain += (part.starts_block && !plain.empty() ? " " : "") + part.text;
        weighted |= part.weight != 1;
    }
    if (weighted) tell_once(taking.left, "attention weights");
    return std::string(trimmed(plain));
}

void take_texts(Taking& taking) {
    GenerationSettings& settings = taking.settings;
    if (settings.written_by == "AUTOMATIC1111") {
        settings.prompt = plain_text(settings.prompt, taking);
        settings.negative_prompt = plain_text(settings.negative_prompt, taking);
    }
    if (settings.prompt.empty()) return;
    taking.taken.change.prompt = settings.prompt;
    taking.used.emplace_back("text");
    taking.taken.change.negative = settings.negative_prompt;
    if (!settings.negative_prompt.empty()) taking.used.emplace_back("negative text");
}

// InvokeAI's: [{"model": {"name"}, "weight"}], before its version 4 {"lora": {"model_name"}}.
void take_invokeai_loras(const std::string& text, Taking& taking) {
    const nlohmann::json loras = parse_json(text, "LoRAs");  // as read_invokeai_metadata wrote it
    if (!loras.is_array()) return;
    for (const auto& lora : loras) {
        for (const char* pointer : {"/model/name", "/lora/model_name"}) {
            const nlohmann::json::json_pointer at(pointer);
            if (!lora.contains(at) || !lora[at].is_string()) continue;
            const auto weight = lora.find("weight");
            const bool weighs = weight != lora.end() && weight->is_number();
            taking.loras.push_back(
                {lora[at].get<std::string>(), weighs ? weight->get<double>() : 1});
        }
    }
}

// The others that name LoRAs are not told as such: each LoRA is, if it is not found.
void take_other_loras(Taking& taking) {
    std::erase_if(taking.settings.others, [&](const auto& other) {
        const auto& [key, value] = other;
        if (key == "lora") {
            const AdapterFile lora = pipeline::parse_adapter(value);
            taking.loras.push_back({lora.path.string(), lora.weight});
        }
        if (key == "loras") take_invokeai_loras(value, taking);
        return key == "lora" || key == "loras" || key == "Lora hashes";
    });
}

bool is_file_for_lists(const fs::path& path) {
    return path.string().find(',') == std::string::npos;  // which divide a list of LoRAs
}

void find_loras(Taking& taking) {
    std::vector<std::string> found;
    for (const NamedLora& lora : taking.loras) {
        const std::string told = "LoRA " + pipeline::adapter_text({lora.name, lora.weight});
        const auto file = find_in_root(FileKind::lora, lora.name);
        if (!file || !is_file_for_lists(*file)) {
            taking.left.push_back(told);
            continue;
        }
        found.push_back(pipeline::adapter_text({*file, lora.weight}));
        taking.used.push_back(told);
    }
    if (!found.empty()) taking.taken.choice.loras = joined(found);
}

std::string name_in(const fs::path& path) {
    return path.filename().empty() ? path.parent_path().filename().string()
                                   : path.filename().string();
}

bool is_of_name(const fs::path& path, const std::string& name) {
    const std::string own = name_in(path);
    return own == name || own == name + ".safetensors" || own + ".safetensors" == name;
}

void find_model(Taking& taking, const std::function<bool()>& gives_up) {
    const GenerationSettings& settings = taking.settings;
    fs::path& path = taking.taken.choice.path;
    if (settings.model.empty() && settings.model_hash.empty()) return;
    const std::string told =
        "model " + (settings.model.empty() ? settings.model_hash : settings.model);
    if (!is_of_name(path, settings.model)) {
        auto file = find_in_root(FileKind::checkpoint, settings.model);
        if (!file) file = find_by_hash(FileKind::checkpoint, settings.model_hash, gives_up);
        if (!file) return taking.left.push_back(told);
        path = *file;
    }
    taking.used.push_back(told);
}

void find_vae(Taking& taking, const std::function<bool()>& gives_up) {
    std::string& name = taking.settings.vae;
    if (name.empty()) return;
    auto file = find_in_root(FileKind::vae, name);
    if (!file) file = find_by_hash(FileKind::vae, taking.settings.vae_hash, gives_up);
    if (file) taking.taken.choice.vae = file->string();
    (file ? taking.used : taking.left).push_back("VAE " + name);
    name.clear();
}

// What generating takes over and an edit of a photo has not.
void leave_what_edits_have_not(Taking& taking) {
    GenerationSettings& settings = taking.settings;
    if (settings.width && settings.height)
        taking.left.push_back("size " + std::to_string(*settings.width) + "x" +
                              std::to_string(*settings.height));
    settings.width.reset();
    settings.height.reset();
    if (settings.clip_skip.value_or(1) > 1)
        taking.left.push_back("clip skip " + std::to_string(*settings.clip_skip));
    settings.clip_skip.reset();
    // Where AUTOMATIC1111 says nothing it is a graphics card's.
    if (settings.written_by == "AUTOMATIC1111" && settings.seed && settings.rng != "CPU")
        taking.left.emplace_back("a graphics card's noise (its seed is another picture here)");
}

void take_sampling(Taking& taking) {
    GenerateRequest request;
    std::vector<std::string> left = apply_settings(taking.settings, request);
    taking.left.insert(taking.left.end(), left.begin(), left.end());
    const SampleOverrides& sample = request.sample;
    DraftChange& change = taking.taken.change;
    std::vector<std::string>& used = taking.used;
    if (sample.sampler) {
        change.sampler = pipeline::sampler_name(*sample.sampler);
        change.schedule = change.spacing = "";  // those of another sampler are not meant
        used.push_back("sampler " + *change.sampler);
    }
    if (sample.schedule) {
        change.schedule = pipeline::schedule_name(*sample.schedule);
        used.push_back("schedule " + *change.schedule);
    }
    if (sample.spacing) {
        change.spacing = pipeline::spacing_name(*sample.spacing);
        used.push_back("spacing " + *change.spacing);
    }
    change.steps = sample.steps;
    if (sample.steps) used.push_back(std::to_string(*sample.steps) + " steps");
    change.guidance = sample.guidance_scale;
    if (sample.guidance_scale) used.push_back("guidance " + number_text(*sample.guidance_scale));
    change.ddim_eta = sample.ddim_eta;
    change.tcd_eta = sample.tcd_eta;
    const auto& share = taking.settings.noise_share;
    if (share && *share >= 0 && *share <= 1) change.noise_share = share;
    change.seed = taking.settings.seed;
    if (change.seed) used.push_back("seed " + std::to_string(*change.seed));
}

}  // namespace

std::string offer_text(const GenerationSettings& settings) {
    std::vector<std::string> parts;
    if (!settings.prompt.empty()) parts.push_back("\u201c" + settings.prompt + "\u201d");
    if (!settings.negative_prompt.empty())
        parts.push_back("not \u201c" + settings.negative_prompt + "\u201d");
    if (!settings.sampler.empty()) parts.push_back(settings.sampler);
    if (!settings.schedule.empty()) parts.push_back(settings.schedule);
    if (settings.steps) parts.push_back(std::to_string(*settings.steps) + " steps");
    if (settings.cfg_scale) parts.push_back("guidance " + number_text(*settings.cfg_scale));
    if (settings.seed) parts.push_back("seed " + std::to_string(*settings.seed));
    if (!settings.model.empty()) parts.push_back("model " + settings.model);
    return joined(parts);
}

TakenOffer take_offer(const PictureOffer& offer, const ModelChoice& now,
                      const std::function<bool()>& gives_up) {
    Taking taking{offer.settings, {}, {}, {}, {}};
    taking.taken.path = offer.path;
    taking.taken.choice = now;
    take_other_loras(taking);
    take_texts(taking);
    leave_what_edits_have_not(taking);
    find_vae(taking, gives_up);
    take_sampling(taking);
    find_model(taking, gives_up);
    find_loras(taking);
    taking.taken.used = joined(taking.used);
    taking.taken.left = joined(taking.left);
    return taking.taken;
}

std::string taken_text(const TakenOffer& taken) {
    std::string text =
        taken.path.filename().string() + ": used " + (taken.used.empty() ? "nothing" : taken.used);
    if (!taken.left.empty()) text += "; of its settings these are not used: " + taken.left;
    return text;
}

}  // namespace keepsake::editor
