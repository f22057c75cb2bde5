// Reads ComfyUI's graph: nodes by their ids, {"class_type": ..., "inputs": {name: value, or [id of
// another node, number of its output]}}.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "editor/photo/generation_text.h"
#include "pipeline/error.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

// A graph from a stranger may go in circles.
constexpr int most_nodes = 64;

class Graph {
  public:
    explicit Graph(const json& nodes) : nodes_(nodes) {}

    // Null where there is none, or it is no node.
    const json* node(const std::string& id) const {
        const auto found = nodes_.find(id);
        const bool is_node = found != nodes_.end() && found->is_object() &&
                             found->contains("class_type") && (*found)["class_type"].is_string() &&
                             found->contains("inputs") && (*found)["inputs"].is_object();
        return is_node ? &*found : nullptr;
    }

    static std::string kind(const json& node) { return node["class_type"].get<std::string>(); }

    static const json* input(const json& node, const std::string& name) {
        const auto found = node["inputs"].find(name);
        return found == node["inputs"].end() ? nullptr : &*found;
    }

    // The node that an input comes from; null where it is a value of its own.
    const json* source(const json& node, const std::string& name) const {
        const json* link = input(node, name);
        const bool is_link =
            link && link->is_array() && link->size() == 2 && (*link)[0].is_string();
        return is_link ? this->node((*link)[0].get<std::string>()) : nullptr;
    }

    // A value, or that of the node (a primitive, a note of text) that it comes from.
    const json* value(const json& node, const std::string& name) const {
        const json* at = &node;
        std::string key = name;
        for (int i = 0; i < most_nodes; ++i) {
            const json* found = input(*at, key);
            if (!found || !found->is_array()) return found;
            at = source(*at, key);
            if (!at) return nullptr;
            key.clear();
            for (const char* candidate : {"value", "text", "string", "seed", "noise_seed", "int"}) {
                if (input(*at, candidate)) {
                    key = candidate;
                    break;
                }
            }
            if (key.empty()) return nullptr;
        }
        return nullptr;
    }

    const json& nodes() const { return nodes_; }

  private:
    const json& nodes_;
};

std::string name_without_folders(const std::string& name) {
    const std::size_t slash = name.find_last_of("/\\");
    const std::string file = slash == name.npos ? name : name.substr(slash + 1);
    return file.substr(0, file.rfind('.'));
}

std::string text_at(const Graph& graph, const json& node, const char* name) {
    const json* value = graph.value(node, name);
    return value && value->is_string() ? value->get<std::string>() : std::string();
}

template <class Number>
void set_number(const Graph& graph, const json& node, const char* name,
                std::optional<Number>& field) {
    const json* value = graph.value(node, name);
    if (!value || !value->is_number()) return;
    if constexpr (std::is_same_v<Number, double>) {
        field = value->get<double>();
    } else {
        const bool fits = value->is_number_unsigned() &&
                          value->get<std::uint64_t>() <=
                              static_cast<std::uint64_t>(std::numeric_limits<Number>::max());
        if (fits) field = static_cast<Number>(value->get<std::uint64_t>());
    }
}

// The text of the CLIPTextEncode that a conditioning comes from, through nodes that change it (and
// are told), first input first.
std::string prompt_behind(const Graph& graph, const json* node, GenerationSettings& settings) {
    for (int i = 0; node && i < most_nodes; ++i) {
        if (graph.input(*node, "text")) return text_at(graph, *node, "text");
        settings.others.emplace_back("node", graph.kind(*node));
        const json* next = nullptr;
        for (const char* name : {"conditioning", "conditioning_1", "positive", "conditioning_to"}) {
            if (!next) next = graph.source(*node, name);
        }
        node = next;
    }
    return {};
}

// From the sampler's model back to the checkpoint, LoRAs on the way.
void read_model(const Graph& graph, const json* node, GenerationSettings& settings) {
    for (int i = 0; node && i < most_nodes; ++i) {
        const std::string lora = text_at(graph, *node, "lora_name");
        if (!lora.empty()) {
            std::optional<double> weight;
            set_number(graph, *node, "strength_model", weight);
            settings.others.emplace_back(
                "lora", name_without_folders(lora) + ":" + json(weight.value_or(1)).dump());
        }
        for (const char* name : {"ckpt_name", "unet_name"}) {
            const std::string model = text_at(graph, *node, name);
            if (!model.empty()) settings.model = name_without_folders(model);
        }
        node = graph.source(*node, "model");
    }
}

void read_size(const Graph& graph, const json& sampler, GenerationSettings& settings) {
    const json* latents = graph.source(sampler, "latent_image");
    if (!latents) return;
    set_number(graph, *latents, "width", settings.width);
    set_number(graph, *latents, "height", settings.height);
}

// What lies somewhere in the graph and is not on the sampler's way back.
void read_others(const Graph& graph, GenerationSettings& settings) {
    for (const auto& [id, unused] : graph.nodes().items()) {
        const json* node = graph.node(id);
        if (!node) continue;
        if (graph.kind(*node) == "CLIPSetLastLayer") {
            const json* layer = graph.value(*node, "stop_at_clip_layer");
            if (layer && layer->is_number_integer() && layer->get<std::int64_t>() < 0)
                settings.clip_skip =
                    static_cast<int>(-std::max<std::int64_t>(layer->get<std::int64_t>(), -100));
        }
        const std::string vae = text_at(graph, *node, "vae_name");
        if (!vae.empty()) settings.vae = name_without_folders(vae);
    }
}

}  // namespace

std::optional<GenerationSettings> read_comfyui_graph(std::string_view text) {
    json nodes;
    try {
        nodes = parse_json(text, "ComfyUI's graph");
    } catch (const Error&) {
        return std::nullopt;
    }
    if (!nodes.is_object()) return std::nullopt;
    const Graph graph(nodes);
    const json* sampler = nullptr;
    for (const auto& [id, unused] : nodes.items()) {
        const json* node = graph.node(id);
        if (!sampler && node && graph.kind(*node).starts_with("KSampler") &&
            graph.input(*node, "sampler_name"))
            sampler = node;
    }
    if (!sampler) return std::nullopt;
    GenerationSettings settings{.written_by = "ComfyUI"};
    set_number(graph, *sampler, "seed", settings.seed);
    if (!settings.seed) set_number(graph, *sampler, "noise_seed", settings.seed);
    set_number(graph, *sampler, "steps", settings.steps);
    set_number(graph, *sampler, "cfg", settings.cfg_scale);
    settings.sampler = text_at(graph, *sampler, "sampler_name");
    settings.schedule = text_at(graph, *sampler, "scheduler");
    std::optional<double> denoise;
    set_number(graph, *sampler, "denoise", denoise);
    if (denoise.value_or(1) < 1) settings.denoising_strength = denoise;
    settings.prompt = prompt_behind(graph, graph.source(*sampler, "positive"), settings);
    settings.negative_prompt = prompt_behind(graph, graph.source(*sampler, "negative"), settings);
    read_model(graph, graph.source(*sampler, "model"), settings);
    read_size(graph, *sampler, settings);
    read_others(graph, settings);
    settings.rng = "CPU";  // ComfyUI draws its noise there
    return settings;
}

}  // namespace keepsake::editor
