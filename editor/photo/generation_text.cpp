#include "editor/photo/generation_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

constexpr std::string_view spaces = " \t\r\n\v\f";

template <class Number>
std::optional<Number> number_in(std::string_view text) {
    Number number{};
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if constexpr (std::is_floating_point_v<Number>)
        if (!std::isfinite(number)) return std::nullopt;  // from_chars reads "inf" and "nan"
    return number;
}

using Pair = std::pair<std::string, std::string>;

// Python's \w for UTF-8: letters of other scripts are of it too.
bool is_word(char c) {
    const auto code = static_cast<unsigned char>(c);
    return code >= 0x80 || c == '_' || (code >= '0' && code <= '9') ||
           ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
}

// Behind a value in quotes; npos where it does not end in one that a comma or the end follows.
std::size_t behind_quoted(std::string_view text, std::size_t at) {
    if (at >= text.size() || text[at] != '"') return text.npos;
    for (std::size_t i = at + 1; i < text.size(); ++i) {
        if (text[i] == '\\') {
            ++i;
        } else if (text[i] == '"') {
            const bool ends = i + 1 == text.size() || text[i + 1] == ',';
            return ends && i > at + 1 ? i + 1 : text.npos;
        }
    }
    return text.npos;
}

std::string unquoted(std::string_view value) {
    if (value.size() < 2 || !value.starts_with('"') || !value.ends_with('"'))
        return std::string(value);
    const json text = json::parse(value, nullptr, false);
    return text.is_string() ? text.get<std::string>() : std::string(value);
}

// All that re_param of infotext_utils.py finds:
//   \s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)
std::vector<Pair> pairs_of(std::string_view line) {
    std::vector<Pair> pairs;
    const auto in_key = [](char c) { return is_word(c) || c == ' ' || c == '-' || c == '/'; };
    std::size_t at = 0;
    while (at < line.size()) {
        const std::size_t key = line.find_first_not_of(spaces, at);
        if (key == line.npos) break;
        std::size_t colon = key;
        while (colon < line.size() && in_key(line[colon])) ++colon;
        if (!is_word(line[key]) || colon < key + 2 || colon == line.size() || line[colon] != ':') {
            at = is_word(line[key]) ? std::max(colon, key + 1) : key + 1;
            continue;
        }
        std::size_t value = line.find_first_not_of(spaces, colon + 1);
        if (value == line.npos) value = line.size();
        std::size_t end = behind_quoted(line, value);
        if (end == line.npos) end = std::min(line.find(',', value), line.size());
        pairs.emplace_back(line.substr(key, colon - key),
                           unquoted(line.substr(value, end - value)));
        at = end + 1;
    }
    return pairs;
}

std::optional<std::pair<int, int>> size_in(std::string_view text) {
    const std::size_t x = text.find('x');
    if (x == text.npos) return std::nullopt;
    const auto width = number_in<int>(text.substr(0, x)),
               height = number_in<int>(text.substr(x + 1));
    constexpr int most = 1 << 16;
    if (!width || !height || *width < 1 || *height < 1 || *width > most || *height > most)
        return std::nullopt;
    return std::pair{*width, *height};
}

// False where `value` is no number of that kind.
template <class Number>
bool set(std::optional<Number>& field, const std::string& value) {
    field = number_in<Number>(trimmed(value));
    return field.has_value();
}

// One pair to its place; false where it has none.
bool take(GenerationSettings& settings, const std::string& key, const std::string& value) {
    if (key == "Steps") return set(settings.steps, value);
    if (key == "CFG scale") return set(settings.cfg_scale, value);
    if (key == "Seed") return set(settings.seed, value);
    if (key == "Denoising strength") return set(settings.denoising_strength, value);
    if (key == "Clip skip") return set(settings.clip_skip, value);
    if (key == "Size") {
        const auto size = size_in(trimmed(value));
        if (!size) return false;
        settings.width = size->first;
        settings.height = size->second;
        return true;
    }
    static const std::array<std::pair<const char*, std::string GenerationSettings::*>, 8> texts = {{
        {"Sampler", &GenerationSettings::sampler},
        {"Schedule type", &GenerationSettings::schedule},
        {"Model", &GenerationSettings::model},
        {"Model hash", &GenerationSettings::model_hash},
        {"VAE", &GenerationSettings::vae},
        {"VAE hash", &GenerationSettings::vae_hash},
        {"RNG", &GenerationSettings::rng},
        {"Version", &GenerationSettings::version},
    }};
    for (const auto& [name, field] : texts) {
        if (key != name) continue;
        settings.*field = trimmed(value);
        return true;
    }
    return false;
}

// Before version 1.9 the schedule was the end of the sampler's name.
void split_schedule(GenerationSettings& settings) {
    if (!settings.schedule.empty()) return;
    for (const std::string schedule : {"Karras", "Exponential", "SGM Uniform", "Beta"}) {
        const std::string end = " " + schedule;
        if (!settings.sampler.ends_with(end)) continue;
        settings.sampler.resize(settings.sampler.size() - end.size());
        settings.schedule = schedule;
        return;
    }
}

void add_line(std::string& text, bool& first, std::string_view line) {
    text.append(first ? "" : "\n").append(line);
    first = false;
}

// A number as Python's str has it.
std::string number_text(double number) {
    std::array<char, 32> digits{};
    const auto [end, code] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
    return {digits.data(), end};
}

std::string quoted(const std::string& value) {
    if (value.find_first_of(",:\n") == value.npos) return value;
    return json(value).dump(-1, ' ', false, json::error_handler_t::replace);
}

// The settings in A1111's order, but for the prompts.
std::vector<Pair> setting_pairs(const GenerationSettings& settings) {
    std::vector<Pair> pairs;
    const auto text = [&](const char* key, const std::string& value) {
        if (!value.empty()) pairs.emplace_back(key, value);
    };
    if (settings.steps) text("Steps", std::to_string(*settings.steps));
    text("Sampler", settings.sampler);
    text("Schedule type", settings.schedule);
    if (settings.cfg_scale) text("CFG scale", number_text(*settings.cfg_scale));
    if (settings.seed) text("Seed", std::to_string(*settings.seed));
    if (settings.width && settings.height)
        text("Size", std::to_string(*settings.width) + "x" + std::to_string(*settings.height));
    text("Model hash", settings.model_hash);
    text("Model", settings.model);
    text("VAE hash", settings.vae_hash);
    text("VAE", settings.vae);
    if (settings.denoising_strength)
        text("Denoising strength", number_text(*settings.denoising_strength));
    if (settings.clip_skip.value_or(1) > 1) text("Clip skip", std::to_string(*settings.clip_skip));
    text("RNG", settings.rng);
    pairs.insert(pairs.end(), settings.others.begin(), settings.others.end());
    text("Version", settings.version);
    return pairs;
}

}  // namespace

GenerationSettings read_a1111_parameters(std::string_view text) {
    GenerationSettings settings{.written_by = "AUTOMATIC1111"};
    text = trimmed(text);
    const std::size_t last = text.rfind('\n');
    std::string_view line = last == text.npos ? text : text.substr(last + 1);
    std::vector<Pair> pairs = pairs_of(line);
    constexpr std::size_t fewest = 3;
    if (pairs.size() < fewest) {
        pairs.clear();
    } else {
        text = last == text.npos ? std::string_view() : text.substr(0, last);
    }
    bool negative = false, first_prompt = true, first_negative = true;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        constexpr std::string_view mark = "Negative prompt:";
        if (line.starts_with(mark)) {
            negative = true;
            line = trimmed(line.substr(mark.size()));
        }
        if (negative) {
            add_line(settings.negative_prompt, first_negative, line);
        } else {
            add_line(settings.prompt, first_prompt, line);
        }
    }
    for (auto& [key, value] : pairs) {
        if (!take(settings, key, value)) settings.others.emplace_back(key, value);
    }
    split_schedule(settings);
    return settings;
}

std::string a1111_parameters(const GenerationSettings& settings) {
    std::string text = settings.prompt;
    if (!settings.negative_prompt.empty()) text += "\nNegative prompt: " + settings.negative_prompt;
    text += "\n";
    bool first = true;
    for (const auto& [key, value] : setting_pairs(settings)) {
        text += (first ? "" : ", ") + key + ": " + quoted(value);
        first = false;
    }
    return std::string(trimmed(text));
}

std::optional<GenerationSettings> read_invokeai_metadata(std::string_view text) {
    json object;
    try {
        object = parse_json(text, "InvokeAI's metadata");
    } catch (const Error&) {
        return std::nullopt;
    }
    if (!object.is_object() || !object.contains("positive_prompt")) return std::nullopt;
    GenerationSettings settings{.written_by = "InvokeAI"};
    const auto string = [&](const char* key) {
        return object.contains(key) && object[key].is_string() ? object[key].get<std::string>()
                                                               : std::string();
    };
    const auto number = [&](const char* key, auto& field) {
        if (object.contains(key) && object[key].is_number()) {
            field =
                number_in<typename std::decay_t<decltype(field)>::value_type>(object[key].dump());
        }
    };
    settings.prompt = string("positive_prompt");
    settings.negative_prompt = string("negative_prompt");
    settings.sampler = string("scheduler");
    settings.version = string("app_version");
    number("steps", settings.steps);
    number("cfg_scale", settings.cfg_scale);
    number("seed", settings.seed);
    number("width", settings.width);
    number("height", settings.height);
    number("strength", settings.denoising_strength);
    int skipped = 0;  // InvokeAI counts layers left out, A1111 the one that is taken
    if (object.contains("clip_skip") && object["clip_skip"].is_number_integer())
        skipped = std::clamp(object["clip_skip"].get<int>(), 0, 100);
    if (skipped > 0) settings.clip_skip = skipped + 1;
    if (object.contains("model") && object["model"].is_object()) {
        const json& model = object["model"];
        for (const char* key : {"name", "model_name"}) {
            if (model.contains(key) && model[key].is_string()) settings.model = model[key];
        }
    }
    for (const char* key : {"loras", "controlnets", "ipAdapters"}) {
        if (object.contains(key) && !object[key].empty())
            settings.others.emplace_back(key, object[key].dump());
    }
    return settings;
}

std::string settings_text(const GenerationSettings& settings) {
    std::string text = "prompt: " + settings.prompt + "\n";
    if (!settings.negative_prompt.empty())
        text += "negative prompt: " + settings.negative_prompt + "\n";
    for (const auto& [key, value] : setting_pairs(settings)) text += key + ": " + value + "\n";
    return text;
}

}  // namespace keepsake::editor
