// House rule 10: files are written whole.
#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>

namespace keepsake {

// Calls `write` with a stream to a temporary file in the folder of `path`, flushes it to disk
// (fsync), renames it to `path` and syncs the folder. Throws Error naming `path` and the system's
// reason on any failure (no such folder, no permission, disk full); then the temporary file is gone
// and what was at `path` before is untouched. An exception of `write` does the same and passes on.
// A symbolic link at `path`, which the user typed, stays, and what it points to is replaced or
// made; for names of our own see own_folder.h. Only regular files are replaced. The temporary
// file's name begins with ".keepsake-tmp-": what a power cut left of that name may be removed.
void write_file_atomically(const std::filesystem::path& path,
                           const std::function<void(std::ostream&)>& write);
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Throws the Error that write_file_atomically would, as far as it can be told before writing: what
// lies there is no regular file, the name is too long. Nobody waits an hour for what has no place.
void check_can_write(const std::filesystem::path& path);

// What lies at `path`, links followed; not_found where nothing does. Throws Error naming the path
// where the system does not tell: in a folder that may not be entered, or of a name that is too
// long.
std::filesystem::file_type type_at(const std::filesystem::path& path);
// Whether anything does; likewise.
bool is_there(const std::filesystem::path& path);

// The whole file as bytes. Throws Error naming the path when it cannot be read, or is no regular
// file: a pipe or a device may have no end.
std::string read_file(const std::filesystem::path& path);

}  // namespace keepsake
