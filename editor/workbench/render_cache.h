// What was rendered once is never rendered again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <list>
#include <string>
#include <unordered_map>

#include "editor/workbench/document.h"

namespace keepsake::editor {

struct Recipe;

// A render's name: equal for equal pictures. The model's path is left out of it, so that a session
// may move. drawn: what tells the mask of the mode inpaint (mask_tag); empty in all others.
std::string render_key(const Recipe& recipe, double eta, std::uint64_t seed,
                       const std::string& drawn = {});
// 16 hex digits: equal for what reaches the same part.
std::string mask_tag(const EditRegion& region);

// Renders by key, in memory and as PNG files with their recipe in the session's renders/cache. A
// file that is damaged or belongs to another recipe counts as none; one that cannot be written is
// done without.
class RenderCache {
  public:
    explicit RenderCache(std::size_t most_bytes = std::size_t{512} << 20) : most_(most_bytes) {}

    // Null when it was not rendered yet. session: where its file would be.
    Picture find(const std::filesystem::path& session, const std::string& key);
    void add(const std::filesystem::path& session, const std::string& key, Picture picture);

    // In memory now.
    std::size_t bytes() const { return bytes_; }

  private:
    struct Entry {
        Picture picture;
        std::list<std::string>::iterator used;
    };
    void remember(const std::string& key, Picture picture);

    std::size_t most_, bytes_ = 0;
    std::list<std::string> by_use_;  // the last used one first
    std::unordered_map<std::string, Entry> entries_;
};

// The file of a render in its session.
std::filesystem::path cached_render_path(const std::filesystem::path& session,
                                         const std::string& key);

}  // namespace keepsake::editor
