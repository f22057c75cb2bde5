// The model as the window's fields name it, with what is added to it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::pipeline {
struct LoadOptions;
}

namespace keepsake::editor {

struct Compute;

struct ModelChoice {
    std::filesystem::path path;  // empty: the default model; a name of KEEPSAKE_FILES, too
    std::string vae;             // a file, or such a name; empty: the model's own
    std::string loras;           // likewise, with weights: "roses:0.8, grain"; empty: none
    bool operator==(const ModelChoice&) const = default;
};

// Where the model lies.
std::filesystem::path place_of(const ModelChoice& choice);

// `compute` with the choice's VAE and LoRAs. Throws Error naming one that is not there, or a weight
// that is none.
Compute with_parts(Compute compute, const ModelChoice& choice);

// What a model was loaded as. path: its own.
ModelChoice choice_of(const std::filesystem::path& path, const pipeline::LoadOptions& loaded);

// What the fields complete: names of the files of KEEPSAKE_FILES.
struct FileNames {
    std::vector<std::string> models, vaes, loras, embeddings;
    bool operator==(const FileNames&) const = default;
};
FileNames all_file_names();

}  // namespace keepsake::editor
