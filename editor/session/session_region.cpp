#include "editor/session/session_region.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/photo/image_file.h"
#include "editor/session/own_json.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::array mode_names = {"none", "auto", "painted", "words"};

constexpr const char* settings_file = "mask.json";
constexpr OwnKind kind = {"keepsake mask", 1};

fs::path settings_path(const fs::path& session) {
    return session / settings_file;
}

fs::path painted_path(const fs::path& session) {
    return session / painted_mask_file;
}

bool is_there(const fs::path& path) {
    std::error_code code;
    return fs::exists(path, code);
}

double share(const json& file, const char* name) {
    const auto value = file.at(name).get<double>();
    if (!(value >= 0 && value <= 1)) {
        throw Error(name, "is not between 0 and 1");
    }
    return value;
}

// Throws Error naming the file.
RegionSettings read_settings(const fs::path& path) {
    try {
        const json file = read_own_json(path, kind);
        RegionSettings settings;
        const auto mode = file.at("mode").get<std::string>();
        const auto* known = std::ranges::find(mode_names, mode);
        if (known == mode_names.end()) throw Error("mode", "'" + mode + "' is not known");
        settings.mode = static_cast<RegionMode>(known - mode_names.begin());
        settings.threshold = share(file, "threshold");
        settings.feather = share(file, "feather");
        return settings;
    } catch (const std::exception& error) {
        throw Error(path.string(), std::string("is damaged: ") + error.what());
    }
}

}  // namespace

FullRender noted_region(const RegionSettings& settings) {
    switch (settings.mode) {
        case RegionMode::none:
            break;
        case RegionMode::words:
            return {true, "words", EditRegion{}.threshold, EditRegion{}.feather};
        case RegionMode::automatic:
            return {true, "auto", settings.threshold, settings.feather};
        case RegionMode::painted:
            return {true, painted_mask_file, settings.threshold, settings.feather};
    }
    return {true, "none", EditRegion{}.threshold, EditRegion{}.feather};
}

void save_region_settings(const fs::path& session, const RegionSettings& settings) {
    write_own_json(own_file(session, settings_file), kind,
                   {{"mode", mode_names.at(static_cast<std::size_t>(settings.mode))},
                    {"threshold", settings.threshold},
                    {"feather", settings.feather}});
}

void save_painted_mask(const fs::path& session, const Mask& mask) {
    Pixels grey{mask.width, mask.height, {}};
    grey.rgb.reserve(mask.values.size() * 3);
    for (const std::uint8_t value : mask.values) grey.rgb.insert(grey.rgb.end(), 3, value);
    write_image(own_file(session, painted_mask_file), grey);
}

SavedRegion load_region(const fs::path& session, const Photo& photo, const Crop& crop) {
    SavedRegion saved;
    const auto guarded = [&](const auto& read) {
        try {
            read();
        } catch (const std::exception& error) {
            saved.fault += (saved.fault.empty() ? "" : "\n") + std::string(error.what());
        }
    };
    if (is_there(settings_path(session))) {
        guarded([&] { saved.settings = read_settings(settings_path(session)); });
    }
    if (is_there(painted_path(session))) {
        guarded([&] {
            saved.painted =
                std::make_shared<const Mask>(load_mask(painted_path(session), photo, crop));
        });
    }
    if (saved.settings.mode == RegionMode::painted && !saved.painted) {
        if (saved.fault.empty()) saved.fault = painted_path(session).string() + ": is missing";
        saved.settings.mode = RegionSettings{}.mode;
    }
    if (!saved.fault.empty()) {
        saved.fault = "The mask of this session cannot be read and is left out. " + saved.fault;
    }
    return saved;
}

bool has_region(const fs::path& session) {
    return is_there(settings_path(session)) || is_there(painted_path(session));
}

std::string describe_region(const fs::path& session) {
    if (!is_there(settings_path(session))) return {};
    RegionSettings settings;
    try {
        settings = read_settings(settings_path(session));
    } catch (const Error& error) {
        return "mask: " + std::string(error.what()) + "\n";
    }
    if (settings.mode == RegionMode::words) return {};
    if (settings.mode == RegionMode::none) return "mask: none; --mask none\n";
    const bool painted = settings.mode == RegionMode::painted;
    std::ostringstream text;
    text << "mask: " << (painted ? "painted" : "automatic") << "; --mask "
         << (painted ? painted_path(session).string() : "auto") << " --mask-threshold "
         << settings.threshold << " --mask-feather " << settings.feather << "\n";
    return text.str();
}

void remove_region(const fs::path& session) {
    for (const fs::path& path : {settings_path(session), painted_path(session)}) {
        std::error_code code;
        fs::remove(path, code);
        if (code) throw Error(path.string(), "cannot be removed: " + code.message());
    }
}

}  // namespace keepsake::editor
