#include "pipeline/model/captioner.h"

#include <ATen/core/grad_mode.h>

#include <array>
#include <map>
#include <memory>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/config_fields.h"
#include "pipeline/files/json_file.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
using std::filesystem::path;

struct Config {
    BlipVisionConfig vision;
    BlipDecoderConfig decoder;
};

json part_of(const json& config, const char* key) {
    const bool is_there = config.is_object() && config.contains(key) && config[key].is_object();
    return is_there ? config[key] : json::object();
}

Config read_config(const path& file) {
    const json content = read_json_file(file);
    try {
        ConfigFields fields(content, "BLIP's config");
        if (!content.contains("model_type")) fields.reject("model_type", "is missing: no BLIP");
        fields.only("model_type", "blip");
        fields.finish();
        Config config;
        config.vision = BlipVisionConfig::from_json(part_of(content, "vision_config"));
        config.decoder = BlipDecoderConfig::from_json(part_of(content, "text_config"),
                                                      config.vision.hidden_size);
        return config;
    } catch (const Error& error) {
        throw Error(file.string(), error.what());
    }
}

// The tensors of one part, by their names without its prefix.
Weights weights_of(const std::shared_ptr<const SafetensorsFile>& file, const std::string& part) {
    const std::string prefix = part + ".";
    std::map<std::string, Weights::Source> sources;
    for (const auto& [name, info] : file->tensors()) {
        if (!name.starts_with(prefix)) continue;
        const auto read = [file, full = name](at::ScalarType as) { return file->read(full, as); };
        sources[name.substr(prefix.size())] = {info.shape, info.dtype, read};
    }
    if (sources.empty())
        throw Error(file->path().string(),
                    "has no " + part + ": it is no BLIP that writes captions");
    Weights weights(std::move(sources), file->path().string());
    weights.keep_stored_precision();
    return weights;
}

// Opened so that it is refused, with how to convert it.
path weights_file(const path& folder) {
    const path file = folder / "model.safetensors";
    if (is_there(file)) return file;
    for (const char* name : {"pytorch_model.bin", "model.bin", "pytorch_model.pt"})
        if (is_there(folder / name)) SafetensorsFile{folder / name};
    throw Error(file.string(), "is missing: the captioner's weights");
}

}  // namespace

Captioner load_captioner(const path& folder) {
    const at::NoGradGuard no_grad;
    switch (type_at(folder)) {
        case std::filesystem::file_type::not_found:
            throw Error(folder.string(), "is not there: no captioner");
        case std::filesystem::file_type::directory:
            break;
        default:
            SafetensorsFile{folder};  // a pickle is refused as one
            throw Error(folder.string(),
                        "is a file; name its folder, with config.json and vocab.txt beside it");
    }
    const Config config = read_config(folder / "config.json");
    const auto file = std::make_shared<const SafetensorsFile>(weights_file(folder));
    const path absolute = std::filesystem::absolute(folder).lexically_normal();
    const path last = absolute.has_filename() ? absolute : absolute.parent_path();
    WordPiece tokenizer(folder);
    if (tokenizer.size() > config.decoder.vocab_size || tokenizer.end_id() != config.decoder.end_id)
        throw Error(folder.string(), "its vocabulary and its config.json are of two models");
    return {folder,
            last.filename().string(),
            std::move(tokenizer),
            read_preprocessing(folder, config.vision.image_size),
            BlipVision(config.vision, weights_of(file, "vision_model")),
            BlipDecoder(config.decoder, weights_of(file, "text_decoder")),
            std::filesystem::file_size(file->path())};
}

std::string caption(const Captioner& captioner, const Tensor& picture, const std::string& prompt,
                    const CaptionSearch& search) {
    const at::NoGradGuard no_grad;
    std::vector<std::int64_t> start = captioner.tokenizer.encode(prompt);
    start.insert(start.begin(), captioner.decoder.config().start_id);
    const Tensor image = captioner.vision(picture);
    std::vector<std::int64_t> ids = search_caption(captioner.decoder, image, start, search);
    ids.erase(ids.begin());
    return captioner.tokenizer.decode(ids);
}

}  // namespace keepsake::pipeline
