#include "pipeline/networks/adapter_names.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace keepsake::pipeline {
namespace {

struct Ending {
    std::string_view text, part;
};

// The longer of two that fit stands first.
constexpr std::array endings = {
    Ending{".lora_magnitude_vector.default.weight", "magnitude"},
    Ending{".lora_magnitude_vector.weight", "magnitude"},
    Ending{".lora_magnitude_vector", "magnitude"},
    Ending{".lora_A.default.weight", "lora_down"},
    Ending{".lora_B.default.weight", "lora_up"},
    Ending{".lora_A.weight", "lora_down"},
    Ending{".lora_B.weight", "lora_up"},
    Ending{".lora_linear_layer.down.weight", "lora_down"},
    Ending{".lora_linear_layer.up.weight", "lora_up"},
    Ending{".lora.down.weight", "lora_down"},
    Ending{".lora.up.weight", "lora_up"},
    Ending{"_lora.down.weight", "lora_down"},
    Ending{"_lora.up.weight", "lora_up"},
    Ending{".lora_down.weight", "lora_down"},
    Ending{".lora_up.weight", "lora_up"},
    Ending{".lora_mid.weight", "lora_mid"},
    Ending{".alpha", "alpha"},
    Ending{".dora_scale", "dora_scale"},
    Ending{".hada_w1_a", "hada_w1_a"},
    Ending{".hada_w1_b", "hada_w1_b"},
    Ending{".hada_w2_a", "hada_w2_a"},
    Ending{".hada_w2_b", "hada_w2_b"},
    Ending{".hada_t1", "hada_t1"},
    Ending{".hada_t2", "hada_t2"},
    Ending{".lokr_w1_a", "lokr_w1_a"},
    Ending{".lokr_w1_b", "lokr_w1_b"},
    Ending{".lokr_w2_a", "lokr_w2_a"},
    Ending{".lokr_w2_b", "lokr_w2_b"},
    Ending{".lokr_w1", "lokr_w1"},
    Ending{".lokr_w2", "lokr_w2"},
    Ending{".lokr_t2", "lokr_t2"},
    Ending{".diff_b", "diff_b"},
    Ending{".diff", "diff"},
    Ending{".w_norm", "w_norm"},
    Ending{".b_norm", "b_norm"},
    Ending{".on_input", "on_input"},
    Ending{".weight", "weight"},
};

std::string with_underscores(std::string_view text) {
    std::string out(text);
    std::ranges::replace(out, '.', '_');
    return out;
}

// diffusers' attention processors: "attn1.processor.to_out_lora.down.weight" is of attn1.to_out.0.
// And, older still, of a text encoder: "self_attn.to_q_lora.down.weight" is of self_attn.q_proj.
std::string without_processor(std::string module) {
    constexpr std::string_view old_text = "_self_attn_to_";
    if (const std::size_t at = module.rfind(old_text); at != module.npos) {
        module.replace(at, old_text.size(), "_self_attn_");
        return module + "_proj";
    }
    constexpr std::string_view processor = "_processor_";
    const std::size_t at = module.find(processor);
    if (at == module.npos) return module;
    module.replace(at, processor.size(), "_");
    if (module.ends_with("_to_out")) module += "_0";
    return module;
}

struct Number {
    std::int64_t value = 0;
    bool found = false;
};

// Takes "<word>.<number>." off the front of `name`.
Number take(std::string_view& name, std::string_view word) {
    if (!name.starts_with(word) || name.size() <= word.size() || name[word.size()] != '.')
        return {};
    const char* begin = name.data() + word.size() + 1;
    Number number;
    const auto [end, code] = std::from_chars(begin, name.data() + name.size(), number.value);
    if (code != std::errc() || end == name.data() + name.size() || *end != '.') return {};
    name.remove_prefix(static_cast<std::size_t>(end - name.data()) + 1);
    number.found = true;
    return number;
}

// A name within a block: a resnet's layers have other names there, an attention's have not.
std::string ldm_part(std::string_view name, bool attention) {
    if (attention) return std::string(name);
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 6> parts = {{
        {"norm1", "in_layers.0"},
        {"conv1", "in_layers.2"},
        {"time_emb_proj", "emb_layers.1"},
        {"norm2", "out_layers.0"},
        {"conv2", "out_layers.3"},
        {"conv_shortcut", "skip_connection"},
    }};
    for (const auto& [from, to] : parts) {
        if (name == from) return std::string(to);
    }
    return {};
}

// Attentions of the block of upsampler `block` put it third.
bool has_attention(const std::vector<std::string>& layers, std::int64_t block) {
    const std::string prefix = "up_blocks." + std::to_string(block) + ".attentions.";
    return std::ranges::any_of(layers,
                               [&](const std::string& layer) { return layer.starts_with(prefix); });
}

std::int64_t layers_per_block(const std::vector<std::string>& layers) {
    std::int64_t count = 0;
    const auto there = [&](std::int64_t number) {
        const std::string prefix = "down_blocks.0.resnets." + std::to_string(number) + ".";
        return std::ranges::any_of(
            layers, [&](const std::string& layer) { return layer.starts_with(prefix); });
    };
    while (there(count)) ++count;
    return std::max<std::int64_t>(count, 1);
}

}  // namespace

std::optional<AdapterKey> read_adapter_key(std::string_view name) {
    for (const auto& [text, part] : endings) {
        if (!name.ends_with(text)) continue;
        const std::string module = with_underscores(name.substr(0, name.size() - text.size()));
        return AdapterKey{without_processor(module), std::string(part)};
    }
    return std::nullopt;
}

std::string ldm_unet_layer(std::string_view layer, std::int64_t layers_per_block) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> ends = {{
        {"conv_in", "input_blocks.0.0"},
        {"time_embedding.linear_1", "time_embed.0"},
        {"time_embedding.linear_2", "time_embed.2"},
        {"conv_norm_out", "out.0"},
        {"conv_out", "out.2"},
    }};
    for (const auto& [from, to] : ends) {
        if (layer == from) return std::string(to);
    }
    std::string_view rest = layer;
    const bool middle = rest.starts_with("mid_block.");
    if (middle) rest.remove_prefix(std::string_view("mid_block.").size());
    const Number down = take(rest, "down_blocks");
    const Number up = down.found ? Number{} : take(rest, "up_blocks");
    const Number resnet = take(rest, "resnets");
    const Number attention = resnet.found ? Number{} : take(rest, "attentions");
    if (!middle && !down.found && !up.found) return {};
    const std::int64_t level = (down.found ? down.value : up.value) * (layers_per_block + 1);
    if (resnet.found || attention.found) {
        const std::string part = ldm_part(rest, attention.found);
        if (part.empty()) return {};
        const std::int64_t number = resnet.found ? resnet.value : attention.value;
        if (middle)
            return "middle_block." + std::to_string(attention.found ? 1 : 2 * number) + "." + part;
        return (down.found ? "input_blocks." + std::to_string(1 + level + number)
                           : "output_blocks." + std::to_string(level + number)) +
               (attention.found ? ".1." : ".0.") + part;
    }
    if (rest == "downsamplers.0.conv")
        return "input_blocks." + std::to_string(1 + level + layers_per_block) + ".0.op";
    if (rest == "upsamplers.0.conv")
        return "output_blocks." + std::to_string(level + layers_per_block) + ".2.conv";
    return {};
}

std::map<std::string, std::string> unet_modules(const std::vector<std::string>& layers) {
    std::map<std::string, std::string> modules;
    const std::int64_t per_block = layers_per_block(layers);
    for (const std::string& layer : layers) {
        const std::string name = with_underscores(layer);
        for (const char* prefix : {"lora_unet_", "lycoris_", "unet_", "base_model_model_", ""})
            modules[prefix + name] = layer;
        std::string ldm = ldm_unet_layer(layer, per_block);
        if (ldm.empty()) continue;
        // Without attentions the upsampler is the second part of its block.
        constexpr std::string_view third = ".2.conv";
        std::string_view rest = layer;
        if (ldm.starts_with("output_blocks.") && ldm.ends_with(third) &&
            !has_attention(layers, take(rest, "up_blocks").value))
            ldm.replace(ldm.size() - third.size(), third.size(), ".1.conv");
        for (const char* prefix : {"lora_unet_", "diffusion_model_", "model_diffusion_model_"})
            modules[prefix + with_underscores(ldm)] = layer;
    }
    return modules;
}

std::map<std::string, std::string> text_encoder_modules(const std::vector<std::string>& layers) {
    std::map<std::string, std::string> modules;
    for (const std::string& layer : layers) {
        const std::string name = "text_model_" + with_underscores(layer);
        for (const char* prefix : {"lora_te_", "text_encoder_", "base_model_model_", ""})
            modules[prefix + name] = layer;
    }
    return modules;
}

}  // namespace keepsake::pipeline
