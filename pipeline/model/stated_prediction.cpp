// What a checkpoint says of its prediction, in the ways that programs have of saying it.
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/text_parts.h"
#include "pipeline/model/model_files.h"

namespace keepsake::pipeline {
namespace {

using std::filesystem::path;

// The value of `key` on the first line of a YAML file that has one, without quotes and comment.
std::optional<std::string> yaml_value(std::string_view yaml, std::string_view key) {
    while (!yaml.empty()) {
        const auto end = std::min(yaml.find('\n'), yaml.size());
        std::string_view line = trimmed(yaml.substr(0, end), " \t\r");
        yaml.remove_prefix(std::min(end + 1, yaml.size()));
        if (!line.starts_with(key) || !line.substr(key.size()).starts_with(':')) continue;
        line.remove_prefix(key.size() + 1);
        line = line.substr(0, line.find('#'));
        return std::string(trimmed(line, " \t\"'"));
    }
    return std::nullopt;
}

// The `parameterization` of latent diffusion's own configurations (ldm.models.diffusion.ddpm),
// whose default is "eps".
std::optional<StatedPrediction> of_yaml(path beside) {
    constexpr std::uintmax_t most = 1 << 20;
    beside.replace_extension(".yaml");
    std::error_code none;
    const auto size = file_size(beside, none);
    if (none || size > most) return std::nullopt;
    const std::string yaml = read_file(beside);
    const auto value = yaml_value(yaml, "parameterization");
    if (!value && yaml.find("ldm.models.diffusion") == yaml.npos) return std::nullopt;
    const std::string source = beside.filename().string();
    const std::string name = value.value_or("eps");
    if (name == "eps") return StatedPrediction{PredictionType::epsilon, source};
    if (name == "v") return StatedPrediction{PredictionType::v_prediction, source};
    if (name == "x0") return StatedPrediction{PredictionType::sample, source};
    throw Error(beside.string(), "parameterization is none of eps, v, x0");
}

// https://github.com/Stability-AI/ModelSpec: "epsilon" or "v"; other programs write diffusers'
// names.
std::optional<StatedPrediction> of_metadata(const SafetensorsFile& file) {
    const auto found = file.metadata().find("modelspec.prediction_type");
    if (found == file.metadata().end()) return std::nullopt;
    const std::string& name = found->second;
    const std::string source = "modelspec.prediction_type";
    if (name == "v" || name == "v_prediction")
        return StatedPrediction{PredictionType::v_prediction, source};
    if (name == "epsilon" || name == "eps")
        return StatedPrediction{PredictionType::epsilon, source};
    return std::nullopt;
}

}  // namespace

std::optional<StatedPrediction> stated_prediction(const SafetensorsFile& file) {
    if (auto stated = of_yaml(file.path())) return stated;
    if (file.tensors().contains("v_pred"))
        return StatedPrediction{PredictionType::v_prediction, "its tensor v_pred"};
    return of_metadata(file);
}

}  // namespace keepsake::pipeline
