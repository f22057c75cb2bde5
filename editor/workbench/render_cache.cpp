#include "editor/workbench/render_cache.h"

#include <algorithm>

#include "editor/photo/image_file.h"
#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr const char* cache_folder = "renders/cache";

// Two photos of one name may have one recipe: their sessions tell them apart.
std::string memory_key(const fs::path& session, const std::string& key) {
    return session.string() + '\n' + key;
}

Picture read_render(const fs::path& path, const std::string& key) {
    std::error_code code;
    if (!fs::exists(path, code)) return nullptr;
    try {
        if (read_image_recipe(path) != key) return nullptr;
        return std::make_shared<const Pixels>(load_photo(path).pixels);
    } catch (const Error&) {
        return nullptr;
    }
}

}  // namespace

std::string render_key(const Recipe& recipe, double eta, std::uint64_t seed,
                       const std::string& drawn) {
    Recipe key = recipe;
    key.model.path.clear();
    EditRender render{key, eta, seed};
    if (!drawn.empty()) {
        render.eta = std::min(eta, 1.0);  // more than anew there is not
        render.full = {true, drawn};
    }
    return to_chunk(render);
}

std::string mask_tag(const EditRegion& region) {
    if (!region.mask) return fingerprint_of("");
    const Mask& mask = *region.mask;
    const std::string shape = std::to_string(mask.width) + "x" + std::to_string(mask.height) + " " +
                              std::to_string(region.threshold) + "\n";
    return fingerprint_of(shape + std::string(mask.values.begin(), mask.values.end()));
}

fs::path cached_render_path(const fs::path& session, const std::string& key) {
    return session / cache_folder / (fingerprint_of(key) + ".png");
}

Picture RenderCache::find(const fs::path& session, const std::string& key) {
    if (const auto found = entries_.find(memory_key(session, key)); found != entries_.end()) {
        by_use_.splice(by_use_.begin(), by_use_, found->second.used);
        return found->second.picture;
    }
    Picture picture =
        session.empty() ? nullptr : read_render(cached_render_path(session, key), key);
    if (picture) remember(memory_key(session, key), picture);
    return picture;
}

void RenderCache::add(const fs::path& session, const std::string& key, Picture picture) {
    if (!session.empty()) {
        try {
            const fs::path folder = own_folder(session, cache_folder);
            const fs::path name = cached_render_path(session, key).filename();
            write_image(own_file(folder, name), *picture, {.recipe = key});
        } catch (const Error&) {
            // A full or read-only disk, or a link in the way: it lives in memory alone.
        }
    }
    remember(memory_key(session, key), std::move(picture));
}

void RenderCache::remember(const std::string& key, Picture picture) {
    if (entries_.contains(key)) return;
    bytes_ += picture->rgb.size();
    by_use_.push_front(key);
    entries_.emplace(key, Entry{std::move(picture), by_use_.begin()});
    while (bytes_ > most_ && by_use_.size() > 1) {
        const auto last = entries_.find(by_use_.back());
        bytes_ -= last->second.picture->rgb.size();
        entries_.erase(last);
        by_use_.pop_back();
    }
}

}  // namespace keepsake::editor
