#include "pipeline/model/model.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "pipeline/compute/kept_buffers.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/model/model_files.h"
#include "pipeline/model/purpose.h"
#include "pipeline/text/added_words.h"

namespace keepsake::pipeline {
namespace {

// A tensor's name as the networks know it.
std::string bare_name(const std::string& name) {
    constexpr std::string_view prefix = "text_model.";
    return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

void add_part(Fingerprint& fingerprint, std::string_view bytes) {
    fingerprint.add(bytes);
    fingerprint.end_part();
}

// Three samples of a tensor: reading all of a large model would take seconds, and no training or
// merging leaves them all as they were.
void add_tensor(Fingerprint& fingerprint, const std::string& name, const StoredTensor& tensor) {
    constexpr std::size_t sample_size = 64;
    const auto& info = tensor.file->tensors().at(tensor.from.source);
    add_part(fingerprint, name);
    add_part(fingerprint, safetensors_dtype_name(info.dtype));
    for (const auto side : info.shape) add_part(fingerprint, std::to_string(side));
    const auto size = info.end - info.begin;
    const auto last = size > sample_size ? size - sample_size : 0;
    for (const auto offset : {std::size_t{0}, last / 2, last})
        add_part(fingerprint, tensor.file->read_bytes(tensor.from.source, offset, sample_size));
}

// Of two files the bytes of all that they change.
void add_changes(Fingerprint& fingerprint, const ChangeMap& changes) {
    for (const auto& [name, list] : changes) {
        add_part(fingerprint, name);
        for (const LayerChange& change : list) {
            add_part(fingerprint, std::to_string(change.strength));
            for (const auto& [part, tensor] : change.parts)
                add_tensor(fingerprint, part, {change.file, {tensor}});
        }
    }
}

std::string fingerprint(const ModelFiles& files, const LoadOptions& options = {},
                        const Adapters& adapters = {}) {
    Fingerprint fingerprint;
    for (const auto* component : {&files.text_encoder, &files.vae, &files.unet}) {
        add_part(fingerprint, "component");
        for (const auto& [name, tensor] : component->tensors) add_tensor(fingerprint, name, tensor);
    }
    if (options.clip_skip > 0)
        add_part(fingerprint, "clip_skip " + std::to_string(options.clip_skip));
    add_changes(fingerprint, adapters.unet);
    add_changes(fingerprint, adapters.text_encoder);
    return fingerprint.text();
}

// Components that are fine by themselves and do not fit one another.
void check_fit(const ModelFiles& files) {
    const auto refuse = [&](const std::string& why) { throw Error(files.path.string(), why); };
    const auto& unet = files.unet_config;
    const std::int64_t latents = files.vae_config.latent_channels;
    if (purpose_of(unet, files.vae_config) == Purpose::unknown)
        refuse("the U-Net takes " + std::to_string(unet.in_channels) +
               " channels and the VAE has " + std::to_string(latents) +
               "; models for depth or upscaling are not supported");
    if (unet.cross_attention_dim != files.text_encoder_config.hidden_size)
        refuse("the U-Net takes text of width " + std::to_string(unet.cross_attention_dim) +
               " and the text encoder has " +
               std::to_string(files.text_encoder_config.hidden_size));
}

void check_fit(const ModelFiles& files, const Tokenizer& tokenizer) {
    const auto last_id = std::max({tokenizer.start_id(), tokenizer.end_id(), tokenizer.pad_id()});
    if (last_id >= files.text_encoder_config.vocab_size)
        throw Error(files.path.string(), "the tokenizer has a token " + std::to_string(last_id) +
                                             " and the text encoder only " +
                                             std::to_string(files.text_encoder_config.vocab_size) +
                                             " tokens");
}

Tokenizer load_tokenizer(const ModelFiles& files) {
    if (files.tokenizer.empty())
        throw Error(files.path.string(),
                    "has no tokenizer: put CLIP's vocab.json and merges.txt into a folder " +
                        (files.path.parent_path() / "tokenizer").string());
    const Tokenizer tokenizer(files.tokenizer);
    return files.pad_id ? tokenizer.with_pad_id(*files.pad_id) : tokenizer;
}

}  // namespace

Weights lazy_weights(const ComponentFiles& component, const ChangeMap& changes) {
    std::map<std::string, Weights::Source> sources;
    for (const auto& [name, tensor] : component.tensors) {
        const auto& info = tensor.file->tensors().at(tensor.from.source);
        Weights::Source& source = sources[name];
        source.shape = ldm_shape(tensor.from, info.shape);
        source.stored = info.dtype;
        source.read = [tensor](at::ScalarType as) {
            return read_ldm_tensor(*tensor.file, tensor.from, as);
        };
        const auto change = changes.find(bare_name(name));
        if (change == changes.end()) continue;
        source.read = [plain = source.read, list = change->second](at::ScalarType as) {
            return changed(plain(at::kFloat).contiguous(), list).to(as);
        };
    }
    return Weights(std::move(sources), component.noun);
}

ShapeMap ComponentFiles::shapes() const {
    ShapeMap shapes;
    for (const auto& [name, tensor] : tensors)
        shapes[bare_name(name)] =
            ldm_shape(tensor.from, tensor.file->tensors().at(tensor.from.source).shape);
    return shapes;
}

ModelFiles open_model(const std::filesystem::path& path, const LoadOptions& options) {
    const auto type = type_at(path);
    if (type == std::filesystem::file_type::not_found)
        throw Error(path.string(), "no such model folder or checkpoint");
    auto files = type != std::filesystem::file_type::directory ? open_single_file(path, options)
                                                               : open_diffusers_folder(path);
    if (type == std::filesystem::file_type::directory) {
        apply_prediction(files, options);
        if (!options.vae.empty()) replace_vae(files, options.vae);
    }
    apply_clip_skip(files, options);
    return files;
}

void check_loads(const ModelFiles& files) {
    if (!files.tokenizer.empty()) check_fit(files, load_tokenizer(files));
    check_fit(files);
    // The networks are built of tensors that have a shape and no content.
    const auto shapes = [](const ComponentFiles& component) {
        std::map<std::string, Weights::Source> sources;
        for (const auto& [name, tensor] : component.tensors) {
            const auto& info = tensor.file->tensors().at(tensor.from.source);
            const auto shape = ldm_shape(tensor.from, info.shape);
            sources[name] = {shape, info.dtype, [shape](at::ScalarType as) {
                                 return at::empty(shape, at::device(at::kMeta).dtype(as));
                             }};
        }
        Weights weights(std::move(sources), component.noun);
        weights.set_target(at::kFloat, at::kMeta);
        return weights;
    };
    const TextEncoder text_encoder(files.text_encoder_config, shapes(files.text_encoder));
    const Vae vae(files.vae_config, shapes(files.vae));
    const UNet unet(files.unet_config, shapes(files.unet));
}

Model load_model(const std::filesystem::path& path, const LoadOptions& options) {
    const at::NoGradGuard no_grad;
    keep_large_buffers();
    const auto files = open_model(path, options);
    Tokenizer tokenizer = load_tokenizer(files);
    check_fit(files, tokenizer);
    check_fit(files);
    const Adapters adapters = open_adapters_of(files, options);
    const auto weights = [&](const ComponentFiles& component, const ChangeMap& changes) {
        auto result = lazy_weights(component, changes);
        result.set_target(options.dtype, options.device);
        result.keep_stored_precision();
        return result;
    };
    Weights unet_weights = weights(files.unet, adapters.unet);
    unet_weights.set_arithmetic(options.arithmetic);
    return Model{.path = path,
                 .fingerprint = fingerprint(files, options, adapters),
                 .left_alone = files.left_alone,
                 .tokenizer = std::move(tokenizer),
                 .text_encoder = TextEncoder(files.text_encoder_config,
                                             weights(files.text_encoder, adapters.text_encoder)),
                 .vae = Vae(files.vae_config, weights(files.vae, {})),
                 .unet = UNet(files.unet_config, std::move(unet_weights)),
                 .schedule = Schedule(files.schedule),
                 .dtype = options.dtype,
                 .device = options.device,
                 .adapters = adapters.reports,
                 .loaded_with = options};
}

Model with_words(Model model, const std::vector<LearnedWord>& words) {
    const std::int64_t width = model.text_encoder.config().hidden_size;
    for (const LearnedWord& word : words) {
        const auto refuse = [&](const std::string& why) {
            throw Error(word.file.empty() ? "word '" + word.name + "'" : word.file, why);
        };
        if (word.vectors.size(1) != width)
            refuse("'" + word.name + "' is for " + family_of_width(word.vectors.size(1)) +
                   "; this model has text of width " + std::to_string(width));
        // Where the tokenizer has tokens that the text encoder has not, the word's would be theirs.
        const std::int64_t first = model.text_encoder.vocabulary_size();
        if (model.tokenizer.next_id() > first)
            refuse("cannot be added to this model: its tokenizer has " +
                   std::to_string(model.tokenizer.next_id()) + " tokens and its text encoder " +
                   std::to_string(first));
        try {
            model.tokenizer = model.tokenizer.with_words(
                {{word.name, static_cast<std::size_t>(word.vectors.size(0))}}, first);
        } catch (const Error& error) {
            if (word.file.empty()) throw;
            throw Error(word.file, error.what());
        }
        model.text_encoder = model.text_encoder.with_tokens(word.vectors.to(model.device));
        model.words.push_back(word);
    }
    return model;
}

std::string model_fingerprint(const std::filesystem::path& path) {
    return fingerprint(open_model(path, {}));
}

}  // namespace keepsake::pipeline
