// What `keepsake info` says of a model folder, a checkpoint, or another safetensors file.
#include "pipeline/model/describe_model.h"

#include <algorithm>
#include <iomanip>
#include <set>
#include <sstream>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/grouped_digits.h"
#include "pipeline/model/model_files.h"
#include "pipeline/model/purpose.h"

namespace keepsake::pipeline {
namespace {

std::string byte_size(std::size_t bytes) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1);
    if (bytes >= 1'000'000'000)
        text << static_cast<double>(bytes) / 1e9 << " GB";
    else if (bytes >= 1'000'000)
        text << static_cast<double>(bytes) / 1e6 << " MB";
    else
        text << static_cast<double>(bytes) / 1e3 << " kB";
    return text.str();
}

// Sums over tensors; integers (position_ids) are no parameters.
struct Totals {
    std::int64_t parameters = 0;
    std::size_t bytes = 0;
    std::set<std::string_view> dtypes;

    void add(const TensorInfo& info, std::int64_t parts = 1) {
        const auto size = (info.end - info.begin) / static_cast<std::size_t>(parts);
        bytes += size;
        if (!at::isFloatingType(info.dtype)) return;
        parameters += static_cast<std::int64_t>(size / at::elementSize(info.dtype));
        dtypes.insert(safetensors_dtype_name(info.dtype));
    }

    std::string text() const {
        std::string names;
        for (const auto name : dtypes) names.append(names.empty() ? "" : "+").append(name);
        return grouped_digits(parameters) + " parameters, " +
               (names.empty() ? "no floats" : names) + ", " + byte_size(bytes);
    }
};

Totals totals(const SafetensorsFile& file) {
    Totals result;
    for (const auto& [name, info] : file.tensors()) result.add(info);
    return result;
}

void line(std::string& text, std::string_view label, const std::string& value) {
    std::string padded(label);
    padded.resize(std::max<std::size_t>(padded.size() + 1, 14), ' ');
    text.append(padded).append(value).append("\n");
}

void describe_component(std::string& text, std::string_view label, const ComponentFiles& component,
                        const std::string& shape) {
    Totals sum;
    std::set<std::string> names;
    for (const auto& [name, tensor] : component.tensors) {
        sum.add(tensor.file->tensors().at(tensor.from.source), tensor.from.parts);
        names.insert(tensor.file->path().filename().string());
    }
    const auto where = names.size() == 1 ? *names.begin() : std::to_string(names.size()) + " files";
    line(text, label, sum.text() + " (" + where + "); " + shape);
}

std::string widths(const std::vector<std::int64_t>& values) {
    std::string text;
    for (const auto value : values)
        text.append(text.empty() ? "" : "-").append(std::to_string(value));
    return text;
}

std::string describe(const ModelFiles& files) {
    const auto& encoder = files.text_encoder_config;
    const auto& vae = files.vae_config;
    const auto& unet = files.unet_config;
    std::ostringstream schedule;
    schedule << files.schedule.num_train_timesteps << " steps, " << files.schedule.beta_schedule
             << " " << files.schedule.beta_start << " to " << files.schedule.beta_end;
    std::string text = files.kind + "\n";
    describe_component(text, "text encoder", files.text_encoder,
                       std::to_string(encoder.num_hidden_layers - encoder.skip_last_layers) +
                           " layers of width " + std::to_string(encoder.hidden_size) + ", " +
                           std::to_string(encoder.max_position_embeddings) + " tokens");
    describe_component(text, "vae", files.vae,
                       (vae.tiny ? "tiny (TAESD), widths " : "widths ") +
                           widths(vae.block_out_channels) + ", " +
                           std::to_string(vae.latent_channels) + " latent channels, 1/" +
                           std::to_string(vae.downscale()));
    describe_component(text, "unet", files.unet, "widths " + widths(unet.block_out_channels));
    const Purpose purpose = purpose_of(unet, vae);
    if (purpose == Purpose::inpainting)
        line(text, "made for", "inpainting: keepsake generate --image --mask");
    if (purpose == Purpose::instructions)
        line(text, "made for", "edits by instruction: keepsake generate --image");
    line(text, "schedule", schedule.str());
    line(text, "predicts",
         std::string(prediction_name(files.schedule.prediction_type)) + " (" +
             files.schedule_source + ")");
    const auto side = std::to_string(unet.sample_size * vae.downscale());
    line(text, "native size", side + "x" + side + " pixels");
    if (!files.left_alone.empty()) line(text, "left alone", files.left_alone);
    return text;
}

std::string describe_lora(const SafetensorsFile& file) {
    std::int64_t layers = 0, smallest = 0, largest = 0;
    bool text_encoder = false, unet = false;
    for (const auto& [name, info] : file.tensors()) {
        const auto has = [&name = name](const char* part) {
            return name.find(part) != std::string::npos;
        };
        text_encoder = text_encoder || has("lora_te") || has("text_encoder");
        unet = unet || has("lora_unet") || has("unet.") || has("down_blocks") || has("up_blocks");
        // The matrix that goes down to the rank has it as its first dimension.
        if (!(has("lora_down") || has("lora_A") || has("lora.down")) || info.shape.empty())
            continue;
        smallest = layers == 0 ? info.shape[0] : std::min(smallest, info.shape[0]);
        largest = std::max(largest, info.shape[0]);
        ++layers;
    }
    const auto rank = std::to_string(smallest) +
                      (largest > smallest ? " to " + std::to_string(largest) : std::string());
    std::string text =
        "LoRA of rank " + rank + " for " + std::to_string(layers) + " layers of the ";
    text += text_encoder && unet ? "U-Net and the text encoder"
            : text_encoder       ? "text encoder"
                                 : "U-Net";
    return text + "\n" + totals(file).text() + "\n";
}

// The kind, what it is for and the words that call it; of a LoRA its rank, too.
std::string describe_any_adapter(const SafetensorsFile& file) {
    const AdapterReport report = describe_adapter(file);
    std::string text = is_lora(file) ? describe_lora(file)
                                     : report.kind + ", " + std::to_string(report.tensors) +
                                           " tensors\n" + totals(file).text() + "\n";
    if (is_lora(file) && report.kind != "LoRA") line(text, "kind", report.kind);
    if (!report.made_for.empty()) line(text, "made for", report.made_for);
    for (const std::string& words : report.trigger_words) line(text, "trigger", words);
    return text;
}

}  // namespace

std::string describe_model(const std::filesystem::path& path, const LoadOptions& options) {
    if (type_at(path) == std::filesystem::file_type::regular) {
        const SafetensorsFile file(path);
        if (is_lora(file) || is_adapter(file)) return describe_any_adapter(file);
        if (is_word_file(file)) return describe_word_file(path);
        const bool checkpoint = std::ranges::any_of(file.tensors(), [](const auto& tensor) {
            return tensor.first.starts_with("model.diffusion_model.");
        });
        if (!checkpoint)
            return "safetensors file, no whole model: " + std::to_string(file.tensors().size()) +
                   " tensors\n" + totals(file).text() + "\n";
    }
    const ModelFiles files = open_model(path, options);
    check_loads(files);
    auto text = describe(files);
    line(text, "fingerprint", model_fingerprint(path));
    return text;
}

}  // namespace keepsake::pipeline
