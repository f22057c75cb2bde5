#include "pipeline/files/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ostream>
#include <streambuf>
#include <system_error>

#include "pipeline/error.h"
#include "pipeline/files/own_folder.h"

namespace keepsake {
namespace {

namespace fs = std::filesystem;

std::string reason(int error) {
    return std::generic_category().message(error);
}

// An open file descriptor, closed at the end of its scope.
struct Descriptor {
    int fd = -1;
    explicit Descriptor(int fd_) : fd(fd_) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

// A stream buffer over a descriptor. std::ofstream would do, but it neither tells why a write
// failed nor gives the descriptor that fsync needs.
class DescriptorBuffer : public std::streambuf {
  public:
    explicit DescriptorBuffer(int fd) : fd_(fd) {
        setp(buffer_.data(), buffer_.data() + buffer_.size());
    }
    int error() const { return error_; }  // errno of the first write that failed, or 0

  protected:
    int_type overflow(int_type c) override {
        if (sync() != 0) return traits_type::eof();
        if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
        return traits_type::not_eof(c);
    }
    std::streamsize xsputn(const char* data, std::streamsize size) override {
        if (size == 0) return 0;  // an empty tensor has no address, and memcpy takes no null
        if (size <= epptr() - pptr()) {
            std::memcpy(pptr(), data, static_cast<std::size_t>(size));
            pbump(static_cast<int>(size));
            return size;
        }
        return sync() == 0 && write_all(data, size) ? size : 0;
    }
    int sync() override {
        const bool written = write_all(pbase(), pptr() - pbase());
        setp(buffer_.data(), buffer_.data() + buffer_.size());
        return written ? 0 : -1;
    }

  private:
    bool write_all(const char* data, std::streamsize size) {
        while (size > 0 && error_ == 0) {
            const auto written = ::write(fd_, data, static_cast<std::size_t>(size));
            if (written < 0 && errno != EINTR) error_ = errno;
            if (written == 0) error_ = ENOSPC;
            if (written > 0) {
                data += written;
                size -= written;
            }
        }
        return error_ == 0;
    }

    int fd_;
    int error_ = 0;
    std::array<char, 1 << 16> buffer_;
};

// A fresh file of its own beside `path`. The descriptor is -1 with errno set when there is none.
// Not mkstemp, whose files only their owner can read.
struct TemporaryFile {
    fs::path name;
    Descriptor descriptor{-1};
    bool renamed = false;

    TemporaryFile(const fs::path& path, mode_t mode) {
        static std::atomic<unsigned> counter = 0;
        do {
            name = path.parent_path() / (".keepsake-tmp-" + std::to_string(::getpid()) + "-" +
                                         std::to_string(counter++));
            descriptor.fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        } while (descriptor.fd < 0 && errno == EEXIST);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() {
        if (descriptor.fd >= 0 && !renamed) ::unlink(name.c_str());
    }
};

// So that the rename itself survives a power cut. Failing here is not reported: the new file is
// already in place, and an Error would claim that the old one still is.
void sync_folder(const fs::path& folder) {
    const auto* name = folder.empty() ? "." : folder.c_str();
    const Descriptor descriptor(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.fd >= 0) ::fsync(descriptor.fd);
}

// Where a chain of links ends, also where nothing is there yet; empty where it never ends.
fs::path behind_links(fs::path path) {
    constexpr int most_links = 40;  // as the kernel has it
    for (int i = 0; i < most_links; ++i) {
        std::error_code code;
        const fs::path next = fs::read_symlink(path, code);
        if (code) return path;
        path = path.parent_path() / next;
    }
    return {};
}

// Where a file is going to be, and what is there now.
struct Target {
    fs::path path;  // links followed
    bool there = false;
    struct stat before {};  // with `there`: a regular file
};

void fail_to_write(const fs::path& path, int error) {
    throw Error(path.string(), "cannot write: " + reason(error));
}

Target find_target(const fs::path& path) {
    const fs::path target = behind_links(path);
    if (target.empty()) fail_to_write(path, path.empty() ? ENOENT : ELOOP);
    if (!target.has_filename()) fail_to_write(path, EISDIR);
    struct stat before {};
    const bool there = ::lstat(target.c_str(), &before) == 0;
    if (!there && errno != ENOENT) fail_to_write(path, errno);
    if (there && S_ISDIR(before.st_mode)) fail_to_write(path, EISDIR);
    if (there && !S_ISREG(before.st_mode))
        throw Error(path.string(),
                    why_no_file(fs::status(target).type()) + "; only files are replaced");
    return {target, there, before};
}

}  // namespace

void write_file_atomically(const fs::path& path, const std::function<void(std::ostream&)>& write) {
    const auto fail = [&path](int error) { fail_to_write(path, error); };
    const auto [target, there, before] = find_target(path);
    // A file that is replaced keeps who may read it: nobody else may from the start, and the rest,
    // which the umask took, is given where the mount allows it.
    const mode_t mode = there ? before.st_mode & 0777 : 0666;
    TemporaryFile temporary(target, mode);
    if (temporary.descriptor.fd < 0) fail(errno);
    DescriptorBuffer buffer(temporary.descriptor.fd);
    std::ostream stream(&buffer);
    write(stream);
    stream.flush();
    if (buffer.error() != 0) fail(buffer.error());
    if (!stream) fail(EIO);

    if (there) ::fchmod(temporary.descriptor.fd, before.st_mode & 07777);
    if (::fsync(temporary.descriptor.fd) != 0) fail(errno);
    if (::rename(temporary.name.c_str(), target.c_str()) != 0) fail(errno);
    temporary.renamed = true;
    sync_folder(target.parent_path());
}

void check_can_write(const fs::path& path) {
    find_target(path);
}

void write_file_atomically(const fs::path& path, std::string_view content) {
    write_file_atomically(path, [content](std::ostream& stream) {
        stream.write(content.data(), static_cast<std::streamsize>(content.size()));
    });
}

fs::file_type type_at(const fs::path& path) {
    std::error_code code;
    const fs::file_status status = fs::status(path, code);
    if (status.type() == fs::file_type::none)
        throw Error(path.string(), "cannot be looked at: " + code.message());
    return status.type();
}

bool is_there(const fs::path& path) {
    return type_at(path) != fs::file_type::not_found;
}

std::string read_file(const fs::path& path) {
    const auto fail = [&path](int error) {
        throw Error(path.string(), "cannot read: " + reason(error));
    };
    // O_NONBLOCK so that a pipe is refused below and not waited for.
    const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (descriptor.fd < 0) fail(errno);
    struct stat status {};
    if (::fstat(descriptor.fd, &status) != 0) fail(errno);
    if (S_ISDIR(status.st_mode)) fail(EISDIR);
    if (!S_ISREG(status.st_mode)) throw Error(path.string(), why_no_file(fs::status(path).type()));
    std::string content;
    std::array<char, 1 << 16> buffer;
    while (true) {
        const auto size = ::read(descriptor.fd, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) fail(errno);
        if (size == 0) return content;
        content.append(buffer.data(), static_cast<std::size_t>(size));
    }
}

}  // namespace keepsake
