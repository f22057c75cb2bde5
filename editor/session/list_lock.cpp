#include "editor/session/list_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace keepsake::editor {

ListLock::ListLock(const std::filesystem::path& library, const char* name)
    : file_(::open((library / name).c_str(), O_CLOEXEC | O_CREAT | O_RDWR, 0666)) {
    if (file_ >= 0) ::flock(file_, LOCK_EX);
}

ListLock::~ListLock() {
    if (file_ >= 0) ::close(file_);
}

}  // namespace keepsake::editor
