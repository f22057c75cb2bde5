// Networks' configurations as diffusers writes and reads them: what makes a folder of weights one
// that it opens.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "pipeline/networks/unet.h"
#include "pipeline/networks/vae.h"
#include "pipeline/sampling/schedule.h"

namespace keepsake::editor {

// config.json of an AutoencoderKL and of a UNet2DConditionModel. Read again by from_json() they are
// what they were. sample_size: the side of the pictures it was trained on.
nlohmann::ordered_json config_json(const pipeline::VaeConfig& config, std::int64_t sample_size);
nlohmann::ordered_json config_json(const pipeline::UNetConfig& config);

// The configuration in `path`: a config.json, a folder that holds one, or a model's folder, of
// which it is that of `component` ("vae", "unet"). Throws Error naming the file.
nlohmann::json read_network_config(const std::filesystem::path& path, const std::string& component);

}  // namespace keepsake::editor
