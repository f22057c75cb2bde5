#include "pipeline/files/config_fields.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/json_file.h"

namespace keepsake::pipeline {

namespace {

constexpr std::int64_t largest_size = 1'000'000;

bool is_size(const nlohmann::json& value) {
    return value.is_number_integer() && value >= 1 && value <= largest_size;
}

bool is_list_of_sizes(const nlohmann::json& value) {
    return value.is_array() && !value.empty() && std::ranges::all_of(value, is_size);
}

}  // namespace

ConfigFields::ConfigFields(const nlohmann::json& config, std::string component)
    : config_(config), component_(std::move(component)) {
    if (!config_.is_object()) throw Error(component_, "is not a JSON object");
}

const nlohmann::json* ConfigFields::find(const std::string& key) const {
    const auto found = config_.find(key);
    return found == config_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigFields::reject(const std::string& key, std::string_view why) {
    const auto* value = find(key);
    problems_.push_back(key + (value ? " = " + brief(*value) : "") + " (" + std::string(why) + ")");
}

std::int64_t ConfigFields::size(const std::string& key) {
    if (!find(key)) reject(key, "missing");
    return size(key, 1);
}

std::int64_t ConfigFields::size(const std::string& key, std::int64_t fallback) {
    const auto* value = find(key);
    if (!value) return fallback;
    if (is_size(*value)) return value->get<std::int64_t>();
    reject(key, "should be a whole number from 1 to 1000000");
    return fallback;
}

void ConfigFields::at_most(const std::string& key, std::int64_t value, std::int64_t most) {
    if (value > most) reject(key, "at most " + std::to_string(most) + " are supported");
}

std::vector<std::int64_t> ConfigFields::sizes(const std::string& key) {
    const auto* value = find(key);
    if (value && is_list_of_sizes(*value)) return value->get<std::vector<std::int64_t>>();
    reject(key, value ? "should be a list of whole numbers from 1 to 1000000" : "missing");
    return {1};
}

std::vector<std::int64_t> ConfigFields::sizes_per_level(const std::string& key, std::size_t count,
                                                        std::int64_t fallback) {
    const auto* value = find(key);
    if (!value || !value->is_array()) return std::vector<std::int64_t>(count, size(key, fallback));
    if (is_list_of_sizes(*value) && value->size() == count)
        return value->get<std::vector<std::int64_t>>();
    reject(key,
           "should be a whole number from 1 to 1000000, or " + std::to_string(count) + " of them");
    return std::vector<std::int64_t>(count, fallback);
}

std::int64_t ConfigFields::same_on_every_level(const std::string& key, std::size_t count,
                                               std::int64_t fallback) {
    const std::vector<std::int64_t> values = sizes_per_level(key, count, fallback);
    if (std::ranges::adjacent_find(values, std::not_equal_to{}) != values.end())
        reject(key, "supported only with the same value on every level");
    return values.empty() ? fallback : values.front();
}

std::vector<std::string> ConfigFields::texts(const std::string& key) {
    const auto* value = find(key);
    if (value && value->is_array() && !value->empty() &&
        std::ranges::all_of(*value, [](const auto& item) { return item.is_string(); }))
        return value->get<std::vector<std::string>>();
    reject(key, value ? "should be a list of texts" : "missing");
    return {};
}

std::string ConfigFields::text(const std::string& key, const std::string& fallback) {
    const auto* value = find(key);
    if (!value) return fallback;
    if (value->is_string()) return value->get<std::string>();
    reject(key, "should be a text");
    return fallback;
}

double ConfigFields::number(const std::string& key, double fallback) {
    const auto* value = find(key);
    if (!value) return fallback;
    if (value->is_number() && std::isfinite(value->get<double>())) return value->get<double>();
    reject(key, "should be a number");
    return fallback;
}

bool ConfigFields::flag(const std::string& key, bool fallback) {
    const auto* value = find(key);
    if (!value) return fallback;
    if (value->is_boolean()) return value->get<bool>();
    reject(key, "should be true or false");
    return fallback;
}

void ConfigFields::only(const std::string& key, const nlohmann::json& supported) {
    const auto* value = find(key);
    if (value && *value != supported) reject(key, "only " + brief(supported) + " is supported");
}

void ConfigFields::finish() const {
    if (problems_.empty()) return;
    std::string all;
    for (const auto& problem : problems_) all += (all.empty() ? "" : "; ") + problem;
    throw Error(component_, "not supported: " + all);
}

}  // namespace keepsake::pipeline
