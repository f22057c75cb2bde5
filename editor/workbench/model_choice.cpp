#include "editor/workbench/model_choice.h"

#include "editor/edit/device.h"
#include "editor/session/files_root.h"
#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/text_parts.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

fs::path found(FileKind kind, const char* noun, const std::string& name) {
    if (const auto file = find_file(kind, name)) return *file;
    const auto root = files_root();
    throw Error(std::string(noun) + " \"" + name + "\"",
                root ? "is no file, and none of that name is in " + root->string()
                     : "is no file; KEEPSAKE_FILES names no folder to look in");
}

}  // namespace

fs::path place_of(const ModelChoice& choice) {
    return find_file(FileKind::checkpoint, choice.path.string()).value_or(choice.path);
}

Compute with_parts(Compute compute, const ModelChoice& choice) {
    if (!choice.vae.empty()) compute.vae = found(FileKind::vae, "VAE", choice.vae);
    for (std::size_t at = 0; at < choice.loras.size();) {
        const std::size_t end = std::min(choice.loras.find(',', at), choice.loras.size());
        const std::string_view item = trimmed(std::string_view(choice.loras).substr(at, end - at));
        at = end + 1;
        if (item.empty()) continue;
        pipeline::AdapterFile adapter = pipeline::parse_adapter(item);
        adapter.path = found(FileKind::lora, "LoRA", adapter.path.string());
        compute.adapters.push_back(std::move(adapter));
    }
    return compute;
}

ModelChoice choice_of(const fs::path& path, const pipeline::LoadOptions& loaded) {
    ModelChoice choice{path, checked_utf8(loaded.vae.string()), {}};
    for (const pipeline::AdapterFile& adapter : loaded.adapters)
        choice.loras += (choice.loras.empty() ? "" : ", ") + pipeline::adapter_text(adapter);
    return choice;
}

FileNames all_file_names() {
    return {file_names(FileKind::checkpoint), file_names(FileKind::vae), file_names(FileKind::lora),
            file_names(FileKind::embedding)};
}

}  // namespace keepsake::editor
