// The window's library: where its sessions live, and which were opened last.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::editor {

// $XDG_DATA_HOME/keepsake, else ~/.local/share/keepsake, else a folder in the system's temporary
// one.
std::filesystem::path default_library();

// The sessions opened last, the latest first; those that are gone are left out. From recent.json in
// the library; one that is missing or damaged holds none.
std::vector<std::filesystem::path> recent_sessions(const std::filesystem::path& library);

// Puts `session` first and keeps the latest 24. Throws Error when the library cannot be written.
void remember_session(const std::filesystem::path& library, const std::filesystem::path& session);

// Every folder a session of this photo's name may be: sessions/<name>.keepsake, then
// <name>-2.keepsake, ..., up to and with the first that is free.
std::vector<std::filesystem::path> session_candidates(const std::filesystem::path& library,
                                                      const std::string& photo_stem);

}  // namespace keepsake::editor
