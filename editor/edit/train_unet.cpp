#include "editor/edit/train_unet.h"

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>

#include "editor/edit/network_configs.h"
#include "optimize/scratch/fresh_weights.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/model/model_files.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using pipeline::UNet;
using pipeline::UNetConfig;

void check_fits(const UNetConfig& config, const std::string& option, const pipeline::Model& model) {
    const std::int64_t channels = model.vae.config().latent_channels;
    const std::int64_t width = model.text_encoder.config().hidden_size;
    if (config.in_channels != channels || config.out_channels != channels)
        throw Error(option, "is of a U-Net for latents of " + std::to_string(config.in_channels) +
                                " channels, and the autoencoder's have " +
                                std::to_string(channels));
    if (config.cross_attention_dim != width)
        throw Error(option, "is of a U-Net for text of width " +
                                std::to_string(config.cross_attention_dim) +
                                ", and the text encoder's has " + std::to_string(width));
    if (config.time_cond_proj_dim > 0)
        throw Error(option, "is of a distilled U-Net, which takes guidance as an input");
}

UNet moved(const pipeline::TensorMap& parameters, const UNetConfig& config, at::Device device) {
    pipeline::Weights weights = pipeline::Weights::from_tensors(parameters, "U-Net");
    weights.set_target(at::kFloat, device);
    return UNet(config, std::move(weights));
}

UNet read_unet(const fs::path& path) {
    const pipeline::ModelFiles files = pipeline::open_model(path, {});
    return UNet(files.unet_config, pipeline::lazy_weights(files.unet));
}

UNetConfig config_of(const UNetRequest& request, const pipeline::Model& model) {
    if (!request.config) return model.unet.config();
    try {
        return UNetConfig::from_json(read_network_config(*request.config, "unet"));
    } catch (const Error& error) {
        throw Error(request.config->string(), error.what());
    }
}

}  // namespace

void begin_unet(const UNetRequest& request, std::int64_t side, std::uint64_t seed,
                pipeline::Model& model) {
    if (request.config && request.from)
        throw Error("--config", "is that of --from, where both are given");
    UNetConfig config;
    pipeline::TensorMap parameters;
    if (request.from) {
        const UNet unet = read_unet(*request.from);
        config = unet.config();
        parameters = unet.parameters();
    } else {
        config = config_of(request, model);
    }
    check_fits(config, request.from ? "--from" : "--config", model);
    config.sample_size = side / model.vae.config().downscale();
    if (!request.from) parameters = optimize::fresh_unet(config, seed).parameters();
    model.unet = moved(parameters, config, model.device);

    pipeline::ScheduleConfig schedule = model.schedule.config;
    if (request.zero_snr) {
        if (schedule.prediction_type != pipeline::PredictionType::v_prediction)
            throw Error("--zero-snr",
                        "needs --prediction v_prediction: at a timestep without "
                        "signal, noise is nothing to predict");
        schedule.rescale_betas_zero_snr = true;
        schedule.timestep_spacing = pipeline::TimestepSpacing::trailing;
    }
    model.schedule = pipeline::Schedule(schedule);
}

std::optional<UNet> averaged_unet(const optimize::LearnedPictures& learned) {
    constexpr std::string_view prefix = "unet.";
    pipeline::TensorMap averages;
    for (const auto& [name, tensor] : learned.averages)
        if (name.starts_with(prefix)) averages[name.substr(prefix.size())] = tensor;
    // Those of a LoRA are no network's.
    if (!averages.contains("conv_in.weight") || !learned.unet) return std::nullopt;
    return moved(averages, learned.unet->config(), averages.begin()->second.device());
}

void write_unet_configs(const fs::path& folder, const UNetConfig& config,
                        const pipeline::ScheduleConfig& schedule) {
    write_file_atomically(own_file(folder / "unet", "config.json"),
                          config_json(config).dump(2) + "\n");
    const fs::path file = own_file(folder / "scheduler", "scheduler_config.json");
    nlohmann::ordered_json json = nlohmann::ordered_json::parse(read_json_file(file).dump());
    json["prediction_type"] = std::string(pipeline::prediction_name(schedule.prediction_type));
    if (schedule.rescale_betas_zero_snr) {
        // diffusers' PNDM cannot begin where there is no signal.
        json["_class_name"] = "DDIMScheduler";
        json["rescale_betas_zero_snr"] = true;
        json["timestep_spacing"] = "trailing";
        for (const char* key : {"skip_prk_steps", "lower_order_final"}) json.erase(key);
        json["set_alpha_to_one"] = true;
    }
    write_file_atomically(file, json.dump(2) + "\n");
    if (!schedule.rescale_betas_zero_snr) return;
    const fs::path index = own_file(folder, "model_index.json");
    nlohmann::ordered_json parts = nlohmann::ordered_json::parse(read_json_file(index).dump());
    parts["scheduler"] = {"diffusers", "DDIMScheduler"};
    write_file_atomically(index, parts.dump(2) + "\n");
}

void note_words(const fs::path& folder, std::int64_t step,
                const std::vector<optimize::WordsLoss>& losses) {
    const fs::path file = own_file(folder, "words.jsonl");
    std::string text;
    if (is_there(file)) {
        std::istringstream lines(read_file(file));
        for (std::string line; std::getline(lines, line);) {
            const nlohmann::json json = parse_json(line, file.string());
            if (json.is_object() && json.contains("step") && json["step"].is_number_integer() &&
                json["step"].get<std::int64_t>() < step)
                text += line + "\n";
        }
    }
    nlohmann::ordered_json json;
    json["step"] = step;
    json["gap"] = optimize::words_gap(losses);
    json["timesteps"] = nlohmann::ordered_json::array();
    for (const optimize::WordsLoss& loss : losses)
        json["timesteps"].push_back({{"timestep", loss.timestep},
                                     {"right", loss.right},
                                     {"wrong", loss.wrong},
                                     {"without", loss.without}});
    write_file_atomically(file, text + json.dump() + "\n");
}

}  // namespace keepsake::editor
