// A list in the library that several windows change.
#pragma once

#include <filesystem>

namespace keepsake::editor {

// While it lives, nobody else who takes it changes the list: each reads it, changes it and writes
// it whole. name: of the lock's file in the library. A library that cannot be written needs no
// lock.
class ListLock {
  public:
    ListLock(const std::filesystem::path& library, const char* name);
    ~ListLock();
    ListLock(const ListLock&) = delete;
    ListLock& operator=(const ListLock&) = delete;

  private:
    int file_;
};

}  // namespace keepsake::editor
