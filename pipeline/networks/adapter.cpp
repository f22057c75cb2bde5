#include "pipeline/networks/adapter.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/networks/adapter_names.h"

namespace keepsake::pipeline {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Shape = std::vector<std::int64_t>;

// The tensors of a file by module, and what is of none.
struct Modules {
    std::map<std::string, std::map<std::string, std::string>> parts;  // module -> part -> tensor
    std::vector<std::string> others;
};

Modules modules_of(const SafetensorsFile& file) {
    Modules modules;
    for (const auto& [name, info] : file.tensors()) {
        const auto key = read_adapter_key(name);
        if (key && modules.parts[key->module].emplace(key->part, name).second) continue;
        modules.others.push_back(name);
    }
    // "weight" alone is any network's; with "on_input" beside it it is (IA)^3's.
    for (auto module = modules.parts.begin(); module != modules.parts.end();) {
        auto& parts = module->second;
        if (parts.contains("weight") && !parts.contains("on_input")) {
            modules.others.push_back(parts.at("weight"));
            parts.erase("weight");
        }
        module = parts.empty() ? modules.parts.erase(module) : std::next(module);
    }
    return modules;
}

struct Header {
    const SafetensorsFile& file;
    const std::map<std::string, std::string>& parts;
    bool has(const char* part) const { return parts.contains(part); }
    Shape shape(const char* part) const {
        const auto found = parts.find(part);
        return found == parts.end() ? Shape{} : file.tensors().at(found->second).shape;
    }
};

std::int64_t count(const Shape& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

// (rows, columns) of a shape as a matrix over its first dimension; none of a vector.
struct Matrix {
    std::int64_t rows = 0, columns = 0;
    bool operator==(const Matrix&) const = default;
};
std::optional<Matrix> matrix(const Shape& shape) {
    if (shape.size() < 2 || count(shape) < 1) return std::nullopt;
    return Matrix{shape[0], count(shape) / shape[0]};
}

std::optional<Matrix> product(const std::optional<Matrix>& a, const std::optional<Matrix>& b) {
    if (!a || !b || a->columns != b->rows) return std::nullopt;
    return Matrix{a->rows, b->columns};
}

// What tucker() of adapter_math.cpp makes of core (i, j, k, l), a (i, p), b (j, r).
std::optional<Matrix> tucker(const Shape& core, const std::optional<Matrix>& a,
                             const std::optional<Matrix>& b) {
    if (core.size() != 4 || !a || !b || core[0] != a->rows || core[1] != b->rows || count(core) < 1)
        return std::nullopt;
    return Matrix{a->columns, b->columns * core[2] * core[3]};
}

std::optional<Matrix> turned(const std::optional<Matrix>& a) {
    return a ? std::optional(Matrix{a->columns, a->rows}) : std::nullopt;
}

std::optional<Matrix> lora_shape(const Header& header) {
    const auto up = matrix(header.shape("lora_up")), down = matrix(header.shape("lora_down"));
    return header.has("lora_mid") ? tucker(header.shape("lora_mid"), turned(up), down)
                                  : product(up, down);
}

std::optional<Matrix> loha_shape(const Header& header) {
    const auto half = [&](const char* a, const char* b, const char* core) {
        const auto left = matrix(header.shape(a)), right = matrix(header.shape(b));
        return header.has(core) ? tucker(header.shape(core), left, right) : product(left, right);
    };
    const auto one = half("hada_w1_a", "hada_w1_b", "hada_t1");
    return one == half("hada_w2_a", "hada_w2_b", "hada_t2") ? one : std::nullopt;
}

std::optional<Matrix> lokr_shape(const Header& header) {
    const auto product_of = [&](const char* a, const char* b) {
        return product(matrix(header.shape(a)), matrix(header.shape(b)));
    };
    auto w1 = header.has("lokr_w1") ? matrix(header.shape("lokr_w1"))
                                    : product_of("lokr_w1_a", "lokr_w1_b");
    auto w2 = header.has("lokr_w2") ? matrix(header.shape("lokr_w2"))
              : header.has("lokr_t2")
                  ? tucker(header.shape("lokr_t2"), matrix(header.shape("lokr_w2_a")),
                           matrix(header.shape("lokr_w2_b")))
                  : product_of("lokr_w2_a", "lokr_w2_b");
    if (!w1 || !w2 || header.shape("lokr_w1").size() > 2) return std::nullopt;
    return Matrix{w1->rows * w2->rows, w1->columns * w2->columns};
}

// Whether the change of `parts` is one of a weight of this shape.
bool fits(const Header& header, const Shape& weight) {
    const auto whole = matrix(weight);
    if (header.has("w_norm") || header.has("diff"))
        return header.shape(header.has("diff") ? "diff" : "w_norm") == weight ||
               (whole && matrix(header.shape("diff")) == whole);
    if (!whole) return false;
    if (header.has("on_input")) {
        const std::int64_t factors = count(header.shape("weight"));
        return header.has("weight") && (factors == weight[0] || factors == weight[1]);
    }
    if (header.has("dora_scale") || header.has("magnitude")) {
        const Shape scale = header.shape(header.has("magnitude") ? "magnitude" : "dora_scale");
        if (count(scale) != weight[0] && count(scale) != weight[1]) return false;
    }
    const auto change = header.has("lora_up") || header.has("lora_down") ? lora_shape(header)
                        : header.has("hada_w1_a")                        ? loha_shape(header)
                                                                         : lokr_shape(header);
    return change == whole;
}

bool is_of_bias(const std::string& part) {
    return part == "diff_b" || part == "b_norm";
}

// What peft's settings say of the scale, where the file has no `alpha` tensors.
struct PeftScale {
    double alpha = 0;
    bool rank_stabilised = false;
    std::map<std::string, double> pattern;  // by the end of a module's name

    double of(const std::string& module) const {
        for (const auto& [end, value] : pattern)
            if (module == end || module.ends_with("_" + end)) return value;
        return alpha;
    }
};

void read_scale(const json& settings, const std::string& prefix, PeftScale& scale) {
    const auto field = [&](const char* name) -> const json* {
        const auto found = settings.find(prefix + name);
        return found == settings.end() ? nullptr : &*found;
    };
    if (const json* alpha = field("lora_alpha"); alpha && alpha->is_number())
        scale.alpha = alpha->get<double>();
    if (const json* stabilised = field("use_rslora"); stabilised && stabilised->is_boolean())
        scale.rank_stabilised = stabilised->get<bool>();
    const json* pattern = field("alpha_pattern");
    if (!pattern || !pattern->is_object()) return;
    for (const auto& [module, alpha] : pattern->items()) {
        std::string name = module;
        std::ranges::replace(name, '.', '_');
        if (alpha.is_number()) scale.pattern[name] = alpha.get<double>();
    }
}

// diffusers notes it in the header, each component under its name; peft in a file beside it.
PeftScale peft_scale(const SafetensorsFile& file, const std::string& component) {
    PeftScale scale;
    const auto note = file.metadata().find("lora_adapter_metadata");
    if (note != file.metadata().end()) {
        const json settings =
            parse_json(note->second, file.path().string() + ": its lora_adapter_metadata");
        if (settings.is_object()) read_scale(settings, component + ".", scale);
        return scale;
    }
    const fs::path beside = file.path().parent_path() / "adapter_config.json";
    if (file.path().filename() == "adapter_model.safetensors" && is_there(beside)) {
        const json settings = read_json_file(beside);
        if (settings.is_object()) read_scale(settings, "", scale);
    }
    return scale;
}

bool any_name(const SafetensorsFile& file, std::initializer_list<const char*> parts) {
    return std::ranges::any_of(file.tensors(), [&](const auto& tensor) {
        return std::ranges::any_of(
            parts, [&](const char* part) { return tensor.first.find(part) != std::string::npos; });
    });
}

// The width of the text that a U-Net's cross-attention takes; 0 where the file does not tell.
std::int64_t text_width(const SafetensorsFile& file, const Modules& modules) {
    for (const auto& [module, parts] : modules.parts) {
        if (!module.ends_with("attn2_to_k") && !module.ends_with("attn2_to_v")) continue;
        const Header header{file, parts};
        const auto shape = header.has("diff") ? matrix(header.shape("diff"))
                           : header.has("lora_up") || header.has("lora_down") ? lora_shape(header)
                           : header.has("hada_w1_a")                          ? loha_shape(header)
                                                                              : lokr_shape(header);
        if (shape) return shape->columns;
    }
    return 0;
}

std::string family_of(const SafetensorsFile& file, const Modules& modules) {
    if (any_name(file, {"double_blocks", "single_blocks", "single_transformer_blocks"}))
        return "Flux";
    if (any_name(file, {"joint_blocks", "lora_te3_"})) return "Stable Diffusion 3";
    if (any_name(file, {"lora_te2_", "text_encoder_2."})) return "Stable Diffusion XL";
    switch (text_width(file, modules)) {
        case 2048:
            return "Stable Diffusion XL";
        case 1024:
            return "Stable Diffusion 2.x";
        case 768:
            return "Stable Diffusion 1.x";
        default:
            return {};
    }
}

std::string kind_of(const Modules& modules) {
    std::set<std::string> kinds;
    for (const auto& [module, parts] : modules.parts) {
        const auto has = [&parts = parts](const char* part) { return parts.contains(part); };
        if (has("lora_up") || has("lora_down")) kinds.insert(has("lora_mid") ? "LoCon" : "LoRA");
        if (has("hada_w1_a")) kinds.insert("LoHa");
        if (has("lokr_w1") || has("lokr_w1_a") || has("lokr_w2")) kinds.insert("LoKr");
        if (has("diff") || has("diff_b") || has("w_norm")) kinds.insert("full differences");
        if (has("on_input")) kinds.insert("IA3");
        if (has("dora_scale") || has("magnitude")) kinds.insert("DoRA");
    }
    std::string text;
    for (const std::string& kind : kinds) text += (text.empty() ? "" : ", ") + kind;
    return text;
}

// Words that the file's header says to use. kohya's frequent tags are not among them: they describe
// the pictures.
std::vector<std::string> trigger_words(const SafetensorsFile& file) {
    std::vector<std::string> words;
    for (const char* key : {"modelspec.trigger_phrase", "ss_trigger_words", "trigger_words"}) {
        const auto found = file.metadata().find(key);
        if (found != file.metadata().end() && !found->second.empty())
            words.push_back(found->second);
    }
    return words;
}

AdapterReport describe(const SafetensorsFile& file, const Modules& modules) {
    return {.file = file.path(),
            .kind = kind_of(modules),
            .tensors = file.tensors().size(),
            .made_for = family_of(file, modules),
            .trigger_words = trigger_words(file)};
}

fs::path file_in(const fs::path& path) {
    if (type_at(path) != fs::file_type::directory) return path;
    for (const char* name : {"pytorch_lora_weights.safetensors", "adapter_model.safetensors"})
        if (is_there(path / name)) return path / name;
    throw Error(
        path.string(),
        "is a folder without pytorch_lora_weights.safetensors or adapter_model.safetensors");
}

// The layers of a component: its tensors' names without ".weight" and ".bias".
std::vector<std::string> layers_of(const ShapeMap& tensors) {
    std::set<std::string> layers;
    for (const auto& [name, shape] : tensors) layers.insert(name.substr(0, name.rfind('.')));
    return {layers.begin(), layers.end()};
}

// One component as adapters see it.
struct Target {
    const ShapeMap& tensors;
    std::map<std::string, std::string> modules;
    std::string component;  // diffusers' name for it
    ChangeMap& changes;
    PeftScale scale = {};  // of the file at hand
};

// A file at hand.
struct Source {
    std::shared_ptr<const SafetensorsFile> file;
    double strength = 1;
};

// Puts a module's change where it belongs; returns how many of its tensors are used.
std::size_t place(Target& target, const Source& source, const std::string& module,
                  const std::map<std::string, std::string>& parts) {
    const auto layer = target.modules.find(module);
    if (layer == target.modules.end()) return 0;
    std::map<std::string, std::string> of_weight;
    std::size_t used = 0;
    for (const auto& [part, tensor] : parts) {
        if (!is_of_bias(part)) {
            of_weight.emplace(part, tensor);
            continue;
        }
        const auto bias = target.tensors.find(layer->second + ".bias");
        if (bias == target.tensors.end() || source.file->tensors().at(tensor).shape != bias->second)
            continue;
        target.changes[bias->first].push_back({source.file, {{part, tensor}}, source.strength});
        ++used;
    }
    const auto weight = target.tensors.find(layer->second + ".weight");
    if (of_weight.empty() || weight == target.tensors.end() ||
        !fits({*source.file, of_weight}, weight->second))
        return used;
    target.changes[weight->first].push_back({source.file, of_weight, source.strength,
                                             target.scale.of(module),
                                             target.scale.rank_stabilised});
    return used + of_weight.size();
}

std::int64_t text_width(const ShapeMap& unet) {
    for (const auto& [name, shape] : unet)
        if (name.ends_with("attn2.to_k.weight") && shape.size() == 2) return shape[1];
    return 0;
}

}  // namespace

AdapterFile parse_adapter(std::string_view text) {
    AdapterFile adapter{.path = text};
    const std::size_t colon = text.rfind(':');
    if (colon != text.npos) {
        const std::string_view tail = text.substr(colon + 1);
        double weight = 0;
        const auto [end, code] = std::from_chars(tail.data(), tail.data() + tail.size(), weight);
        if (code == std::errc() && end == tail.data() + tail.size() && std::isfinite(weight))
            adapter = {text.substr(0, colon), weight};
    }
    if (adapter.path.empty()) throw Error("LoRA '" + std::string(text) + "'", "names no file");
    return adapter;
}

std::string adapter_text(const AdapterFile& adapter) {
    std::array<char, 32> digits{};
    const auto [end, code] =
        std::to_chars(digits.data(), digits.data() + digits.size(), adapter.weight);
    return adapter.path.string() + ":" + std::string(digits.data(), end);
}

std::string AdapterReport::complaint() const {
    if (unused == 0) return {};
    std::string text = unused == tensors
                           ? "none of its " + std::to_string(tensors)
                           : std::to_string(unused) + " of " + std::to_string(tensors);
    text += unused == tensors ? " tensors fits this model" : " tensors fit nothing in this model";
    if (!made_for.empty()) text += "; it is for " + made_for;
    return text + " (" + first_unused + (unused > 1 ? ", ...)" : ")");
}

bool is_adapter(const SafetensorsFile& file) {
    if (any_name(file, {"model.diffusion_model.input_blocks.0.0.weight"})) return false;
    return !kind_of(modules_of(file)).empty();
}

AdapterReport describe_adapter(const SafetensorsFile& file) {
    return describe(file, modules_of(file));
}

Adapters open_adapters(const std::vector<AdapterFile>& files, const ShapeMap& unet,
                       const ShapeMap& text_encoder) {
    Adapters adapters;
    Target targets[] = {{unet, unet_modules(layers_of(unet)), "unet", adapters.unet},
                        {text_encoder, text_encoder_modules(layers_of(text_encoder)),
                         "text_encoder", adapters.text_encoder}};
    for (const auto& [path, weight] : files) {
        const Source source{std::make_shared<const SafetensorsFile>(file_in(path)), weight};
        const Modules modules = modules_of(*source.file);
        AdapterReport report = describe(*source.file, modules);
        if (report.kind.empty()) throw Error(path.string(), "is no LoRA or relative of one");
        for (Target& target : targets) target.scale = peft_scale(*source.file, target.component);
        const std::int64_t width = text_width(*source.file, modules);
        const bool foreign = width != 0 && text_width(unet) != 0 && width != text_width(unet);
        std::size_t used = 0;
        std::string first = modules.others.empty() ? "" : modules.others.front();
        for (const auto& [module, parts] : modules.parts) {
            std::size_t here = 0;
            for (Target& target : targets)
                if (!foreign && here == 0) here = place(target, source, module, parts);
            if (here < parts.size() && first.empty()) first = parts.begin()->second;
            used += here;
        }
        report.unused = report.tensors - used;
        report.first_unused = first;
        adapters.reports.push_back(std::move(report));
    }
    return adapters;
}

}  // namespace keepsake::pipeline
