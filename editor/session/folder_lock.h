// One program at a time works in a folder of ours.
#pragma once

#include <filesystem>
#include <string>

namespace keepsake::editor {

// Holds a lock file in a folder, for itself alone, while it lives.
class FolderLock {
  public:
    // noun: of errors, "run /home/me/sks". Throws Error when another program holds it, or the
    // folder cannot be written.
    FolderLock(const std::filesystem::path& folder, const std::string& noun);
    FolderLock(FolderLock&& other) noexcept;
    ~FolderLock();
    FolderLock(const FolderLock&) = delete;
    FolderLock& operator=(const FolderLock&) = delete;

  private:
    int file_ = -1;
};

}  // namespace keepsake::editor
