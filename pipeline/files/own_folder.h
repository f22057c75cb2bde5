// House rule 10 in folders whose names are ours: sessions, runs, folders of renders. They may come
// from a stranger, who could have laid links there that lead to somebody else's files.
#pragma once

#include <filesystem>
#include <string>

namespace keepsake {

// The path of `name` (relative; it may have folders in it) in `folder`, to be written. `folder`
// itself may be a link, as a path that the user typed may; nothing below it is one. Throws Error
// naming a link on the way, or what lies there and is no regular file (a device, a pipe, a folder).
std::filesystem::path own_file(const std::filesystem::path& folder,
                               const std::filesystem::path& name);

// Likewise a folder in `folder`, which is made where it is missing.
std::filesystem::path own_folder(const std::filesystem::path& folder,
                                 const std::filesystem::path& name);

// What lies in the place of a file that would be written or read, as the end of a sentence: "is a
// folder"; empty for a regular file and for nothing at all.
std::string why_no_file(std::filesystem::file_type type);

}  // namespace keepsake
