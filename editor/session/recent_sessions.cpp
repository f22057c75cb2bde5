#include "editor/session/recent_sessions.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "editor/session/list_lock.h"
#include "editor/session/own_json.h"
#include "editor/session/session.h"
#include "editor/session/user_folder.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t most_recent = 24;
constexpr OwnKind kind = {"keepsake recent sessions", 1};

fs::path list_path(const fs::path& library) {
    return library / "recent.json";
}

}  // namespace

fs::path default_library() {
    const fs::path folder = user_folder("XDG_DATA_HOME", ".local/share");
    return folder.empty() ? fs::temp_directory_path() / "keepsake" : folder;
}

std::vector<fs::path> recent_sessions(const fs::path& library) {
    std::error_code code;
    if (!fs::exists(list_path(library), code)) return {};
    std::vector<fs::path> sessions;
    try {
        const json content = read_own_json(list_path(library), kind);
        // Before it had a kind, the file was the list alone.
        const json list = content.is_array() ? content : content.at("sessions");
        for (const json& entry : list) {
            const fs::path path = entry.get<std::string>();
            if (is_session(path)) sessions.push_back(path);
        }
    } catch (const json::exception&) {
        return {};
    } catch (const Error&) {
        return {};
    }
    return sessions;
}

void remember_session(const fs::path& library, const fs::path& session) {
    std::error_code code;
    fs::create_directories(library, code);
    const ListLock lock(library, "recent.lock");
    std::vector<fs::path> sessions = recent_sessions(library);
    const fs::path whole = fs::absolute(session, code).lexically_normal();
    if (code) throw Error(session.string(), "cannot be found from here: " + code.message());
    std::erase(sessions, whole);
    sessions.insert(sessions.begin(), whole);
    sessions.resize(std::min(sessions.size(), most_recent));
    json list = json::array();
    for (const fs::path& path : sessions) {
        // A name that is no UTF-8 cannot be noted in JSON; its session opens all the same.
        if (checked_utf8(path.string()) == path.string()) list.push_back(path.string());
    }
    write_own_json(list_path(library), kind, {{"sessions", list}});
}

std::vector<fs::path> session_candidates(const fs::path& library, const std::string& photo_stem) {
    std::vector<fs::path> candidates;
    for (int number = 1;; ++number) {
        std::string name = photo_stem;
        if (number > 1) name.append(1, '-').append(std::to_string(number));
        candidates.push_back(library / "sessions" / name.append(".keepsake"));
        std::error_code code;
        if (!fs::exists(candidates.back(), code)) return candidates;
    }
}

}  // namespace keepsake::editor
