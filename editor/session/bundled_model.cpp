#include "editor/session/bundled_model.h"

#include <cstdlib>

namespace keepsake::editor {

std::filesystem::path bundled_model() {
    std::error_code code;
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", code);
    if (!code) {
        const std::filesystem::path installed =
            program.parent_path().parent_path() / "share/keepsake/models/flowers";
        if (std::filesystem::exists(installed / "model_index.json", code)) return installed;
    }
    return KEEPSAKE_BUNDLED_MODEL;
}

std::filesystem::path default_model() {
    const char* chosen = std::getenv("KEEPSAKE_MODEL");
    return chosen && *chosen ? std::filesystem::path(chosen) : bundled_model();
}

std::filesystem::path bundled_tokenizer() {
    return bundled_model() / "tokenizer";
}

std::filesystem::path bundled_digits() {
    return bundled_model().parent_path().parent_path() / "digits";
}

}  // namespace keepsake::editor
