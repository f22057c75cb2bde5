#include "editor/edit/model_changes.h"

#include <array>
#include <fstream>

#include "editor/session/files_root.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

fs::path file_in(const fs::path& path) {
    if (type_at(path) != fs::file_type::directory) return path;
    for (const char* name :
         {"pytorch_lora_weights.safetensors", "adapter_model.safetensors",
          "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.fp16.safetensors"}) {
        for (const fs::path& folder : {path, path / "vae"})
            if (is_there(folder / name)) return folder / name;
    }
    throw Error(path.string(), "is a folder without a safetensors file of an adapter or VAE");
}

std::string whole_path(const fs::path& path) {
    std::error_code code;
    const fs::path whole = fs::absolute(path, code).lexically_normal();
    return checked_utf8((code ? path : whole).string());
}

ModelPart part_of(const fs::path& path, double weight = 1) {
    return {whole_path(path), part_fingerprint(path), weight};
}

// Where the part lies now.
fs::path find_part(const Session& session, const ModelPart& part, FileKind kind, const char* noun,
                   const char* option) {
    std::string why = "is not there any more";
    const auto fits = [&](const fs::path& path) {
        if (!is_there(path)) return false;
        if (part_fingerprint(path) == part.fingerprint) return true;
        why = "has changed since (fingerprint " + part_fingerprint(path) + ", it was " +
              part.fingerprint + ")";
        return false;
    };
    if (fits(part.path)) return part.path;
    const std::string name = fs::path(part.path).filename().string();
    const auto other = files_root() ? find_file(kind, name) : std::nullopt;
    if (other && fits(*other)) return *other;
    throw Error("session " + session.folder.string(), std::string("was made with the ") + noun +
                                                          " " + part.path + ", which " + why +
                                                          "; put it back, or give it by " + option);
}

}  // namespace

std::string part_fingerprint(const fs::path& path) {
    constexpr std::uint64_t samples = 64, sample_size = 4096, head = 1 << 20;
    const fs::path file = file_in(path);
    std::error_code code;
    const std::uint64_t size = fs::file_size(file, code);
    std::ifstream stream(file, std::ios::binary);
    if (code || !stream) throw Error(file.string(), "cannot be read");
    Fingerprint fingerprint;
    const auto add = [&](std::uint64_t offset, std::uint64_t count) {
        std::string bytes(std::min(count, size - std::min(offset, size)), '\0');
        stream.seekg(static_cast<std::streamoff>(offset));
        stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
        if (!stream) throw Error(file.string(), "cannot be read");
        fingerprint.add(bytes);
        fingerprint.end_part();
    };
    fingerprint.add(std::to_string(size));
    fingerprint.end_part();
    add(0, head);
    for (std::uint64_t i = 0; i < samples; ++i) add(size / samples * i, sample_size);
    return fingerprint.text();
}

ModelChanges changes_of(const pipeline::Model& model) {
    const pipeline::LoadOptions& options = model.loaded_with;
    ModelChanges changes;
    for (const pipeline::AdapterFile& lora : options.adapters)
        changes.loras.push_back(part_of(lora.path, lora.weight));
    if (!options.vae.empty()) changes.vae = part_of(options.vae);
    changes.clip_skip = options.clip_skip;
    if (changes != ModelChanges{}) changes.weights = pipeline::model_fingerprint(model.path);
    if (options.prediction_type)
        changes.prediction = pipeline::prediction_name(*options.prediction_type);
    return changes;
}

Compute with_changes_of(const Session& session, const Compute& asked) {
    const ModelChanges& changes = session.recipe.changes;
    Compute compute = asked;
    if (compute.adapters.empty())
        for (const ModelPart& lora : changes.loras)
            compute.adapters.push_back(
                {find_part(session, lora, FileKind::lora, "LoRA", "--lora"), lora.weight});
    if (compute.vae.empty() && !changes.vae.path.empty())
        compute.vae = find_part(session, changes.vae, FileKind::vae, "VAE", "--vae");
    if (compute.clip_skip == 0) compute.clip_skip = changes.clip_skip;
    if (!compute.prediction && !changes.prediction.empty())
        compute.prediction = pipeline::parse_prediction(changes.prediction);
    return compute;
}

}  // namespace keepsake::editor
