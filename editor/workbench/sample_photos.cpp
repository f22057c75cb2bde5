#include "editor/workbench/sample_photos.h"

#include "editor/session/bundled_model.h"
#include "pipeline/error.h"
#include "pipeline/files/json_file.h"

namespace keepsake::editor {

std::vector<SamplePhoto> sample_photos() {
    // Both in the source tree and installed, photos/ lies beside models/, which holds the model.
    const std::filesystem::path folder = bundled_model().parent_path().parent_path() / "photos";
    std::vector<SamplePhoto> samples;
    try {
        for (const auto& entry : read_json_file(folder / "suggestions.json")) {
            const std::filesystem::path path = folder / entry.at("photo").get<std::string>();
            std::error_code code;
            if (!std::filesystem::exists(path, code)) continue;
            samples.push_back({path, entry.at("text").get<std::string>()});
        }
    } catch (const nlohmann::json::exception&) {
        return {};
    } catch (const Error&) {
        return {};
    }
    return samples;
}

}  // namespace keepsake::editor
