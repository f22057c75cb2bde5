#include "editor/session/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& noun) {
    const std::filesystem::path path = own_file(folder, "lock");
    file_ = ::open(path.c_str(), O_CLOEXEC | O_CREAT | O_RDWR | O_NOFOLLOW, 0666);
    if (file_ < 0) throw Error(noun, "cannot be written: " + std::string(strerror(errno)));
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    const bool in_use = errno == EWOULDBLOCK;
    const std::string why = in_use ? "is in use by another keepsake; wait for it or stop it"
                                   : "cannot be locked: " + std::string(strerror(errno));
    ::close(std::exchange(file_, -1));
    throw Error(noun, why);
}

FolderLock::FolderLock(FolderLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FolderLock::~FolderLock() {
    if (file_ >= 0) ::close(file_);
}

}  // namespace keepsake::editor
