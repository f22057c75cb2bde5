// Reads the fields of a model's config.json, and gathers everything that is wrong with it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

// What a file may ask for at most. A network's layers are built one by one, and a stranger's file
// shall not ask for a million times a million of them; Stable Diffusion's have 4 levels of 2
// layers, and text encoders up to 32.
constexpr std::size_t most_levels = 16;
constexpr std::int64_t most_layers = 32;  // of a level, and of transformers in a row
constexpr std::int64_t most_encoder_layers = 1000;

// Each reader returns its fallback (or a harmless value) where a field is wrong and notes the key;
// finish() then throws one Error that names them all. A null is taken as an absent field, as in
// diffusers.
class ConfigFields {
  public:
    // `component` is the noun for errors, e.g. "U-Net config". Throws Error when `config` is no
    // object.
    ConfigFields(const nlohmann::json& config, std::string component);

    // Sizes and counts: whole numbers from 1 to 1,000,000. Without a fallback the field is
    // required.
    std::int64_t size(const std::string& key);
    std::int64_t size(const std::string& key, std::int64_t fallback);
    // Notes the key where `value`, which was read from it, is above `most`.
    void at_most(const std::string& key, std::int64_t value, std::int64_t most);
    // A list of them.
    std::vector<std::int64_t> sizes(const std::string& key);
    // A list of `count` of them, or one number that stands for all.
    std::vector<std::int64_t> sizes_per_level(const std::string& key, std::size_t count,
                                              std::int64_t fallback);
    // One number, or a list of `count` equal ones: what is supported of a setting per level.
    std::int64_t same_on_every_level(const std::string& key, std::size_t count,
                                     std::int64_t fallback);
    std::vector<std::string> texts(const std::string& key);
    std::string text(const std::string& key, const std::string& fallback);
    double number(const std::string& key, double fallback);
    bool flag(const std::string& key, bool fallback);

    // Notes the key unless it is absent, null or `supported`.
    void only(const std::string& key, const nlohmann::json& supported);
    // Notes the key with its value, and why it cannot be used.
    void reject(const std::string& key, std::string_view why);

    // Throws Error naming the component and every key noted.
    void finish() const;

  private:
    const nlohmann::json* find(const std::string& key) const;  // null: absent

    const nlohmann::json& config_;
    std::string component_;
    std::vector<std::string> problems_;
};

}  // namespace keepsake::pipeline
