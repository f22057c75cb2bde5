#include "pipeline/files/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <ostream>

#include "tests/pipeline/failing_disk.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake {
namespace {

using testing::Child;
using testing::error_in_child;
using testing::TemporaryFolder;
using testing::thrown_message;

TEST(AtomicFile, WritesAndReadsBack) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    std::string content(300'000, 'x');
    content[0] = '\0';
    content[299'999] = '\n';
    write_file_atomically(path, content);
    EXPECT_EQ(read_file(path), content);
    write_file_atomically(path, "");
    EXPECT_EQ(read_file(path), "");
    EXPECT_EQ(folder.file_count(), 1u);
}

TEST(AtomicFile, StreamsSmallAndLargePieces) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    std::string expected;
    write_file_atomically(path, [&](std::ostream& stream) {
        for (int i = 0; i < 20'000; ++i) {
            const auto piece = std::to_string(i) + std::string(i % 2000 == 0 ? 100'000 : 1, ' ');
            stream << piece;
            expected += piece;
        }
    });
    EXPECT_EQ(read_file(path), expected);
}

TEST(AtomicFile, ReadableByOthersUnlessTheOldOneWasNot) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    const auto old_mask = ::umask(022);
    write_file_atomically(path, "a");
    ::umask(old_mask);
    EXPECT_EQ(static_cast<int>(status(path).permissions()), 0644);
    ::chmod(path.c_str(), 0600);
    write_file_atomically(path, "b");
    EXPECT_EQ(static_cast<int>(status(path).permissions()), 0600);
}

TEST(AtomicFile, FollowsASymbolicLink) {
    const TemporaryFolder folder;
    create_directory(folder.path / "inner");
    write_file_atomically(folder.path / "inner" / "real", "old");
    create_symlink(folder.path / "inner" / "real", folder.path / "link");
    write_file_atomically(folder.path / "link", "new");
    EXPECT_TRUE(is_symlink(folder.path / "link"));
    EXPECT_EQ(read_file(folder.path / "inner" / "real"), "new");
}

TEST(AtomicFile, ALinkWhoseTargetIsNotThereYetStaysALink) {
    const TemporaryFolder folder;
    create_directory(folder.path / "inner");
    create_symlink("inner/new", folder.path / "second");
    create_symlink("second", folder.path / "first");
    write_file_atomically(folder.path / "first", "new");
    EXPECT_TRUE(is_symlink(folder.path / "first"));
    EXPECT_TRUE(is_symlink(folder.path / "second"));
    EXPECT_EQ(read_file(folder.path / "inner/new"), "new");
    create_symlink("loop", folder.path / "loop");
    EXPECT_EQ(
        thrown_message<Error>([&] { write_file_atomically(folder.path / "loop", "x"); }),
        (folder.path / "loop").string() + ": cannot write: Too many levels of symbolic links");
}

TEST(AtomicFile, OnlyRegularFilesAreReplaced) {
    const TemporaryFolder folder;
    const auto pipe = folder.path / "pipe", device = folder.path / "device";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(thrown_message<Error>([&] { write_file_atomically(pipe, "x"); }),
              pipe.string() + ": is a pipe, not a file; only files are replaced");
    EXPECT_TRUE(is_fifo(pipe));
    create_symlink("/dev/null", device);
    EXPECT_EQ(thrown_message<Error>([&] { write_file_atomically(device, "x"); }),
              device.string() + ": is a device, not a file; only files are replaced");
    EXPECT_TRUE(is_character_file(std::filesystem::path("/dev/null")));
    EXPECT_EQ(folder.file_count(), 2u);
}

// Some mounts have no permissions of their own: what was private must not be open to all there.
TEST(AtomicFile, AMountThatRefusesFchmodFailsNothing) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    write_file_atomically(path, "old");
    ::chmod(path.c_str(), 0600);
    const auto message =
        error_in_child(Child::no_fchmod, [&] { write_file_atomically(path, "new"); });
    if (message == "no seccomp") GTEST_SKIP() << message;
    EXPECT_EQ(message, "");
    EXPECT_EQ(read_file(path), "new");
    EXPECT_EQ(static_cast<int>(status(path).permissions()), 0600);
}

TEST(AtomicFile, ExceptionOfTheWriterLeavesTheOldFile) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    write_file_atomically(path, "old");
    EXPECT_THROW(write_file_atomically(path,
                                       [](std::ostream& stream) {
                                           stream << "half";
                                           throw Cancelled();
                                       }),
                 Cancelled);
    EXPECT_EQ(read_file(path), "old");
    EXPECT_EQ(folder.file_count(), 1u);
}

TEST(AtomicFile, MissingFolderIsNamed) {
    const TemporaryFolder folder;
    const auto path = folder.path / "none" / "file";
    const auto message = thrown_message<Error>([&] { write_file_atomically(path, "x"); });
    EXPECT_EQ(message, path.string() + ": cannot write: No such file or directory");
}

TEST(AtomicFile, FolderInTheWayIsLeft) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    create_directory(path);
    const auto message = thrown_message<Error>([&] { write_file_atomically(path, "x"); });
    EXPECT_EQ(message, path.string() + ": cannot write: Is a directory");
    EXPECT_TRUE(is_directory(path));
    EXPECT_EQ(folder.file_count(), 1u);
}

// A limit on a file's size fails in the middle of writing, as a full disk does.
TEST(AtomicFile, WriteThatFailsHalfwayLeavesTheOldFile) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    write_file_atomically(path, "old");
    const auto message = error_in_child(
        Child::small_files, [&] { write_file_atomically(path, std::string(1 << 20, 'x')); });
    EXPECT_EQ(message, path.string() + ": cannot write: File too large");
    EXPECT_EQ(read_file(path), "old");
    EXPECT_EQ(folder.file_count(), 1u);
}

// The last bytes are still in the stream's buffer when the writer returns.
TEST(AtomicFile, FailureOfTheLastFlushIsReported) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    const auto message = error_in_child(Child::small_files, [&] {
        write_file_atomically(path, [](std::ostream& stream) {
            for (int i = 0; i < (64 << 10) + 10; ++i) stream.put('x');
        });
    });
    EXPECT_EQ(message, path.string() + ": cannot write: File too large");
    EXPECT_EQ(folder.file_count(), 0u);
}

TEST(AtomicFile, FullDiskLeavesTheOldFile) {
    const TemporaryFolder folder;
    if (::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=1m") != 0)
        GTEST_SKIP() << "mounting a small tmpfs is not allowed here";
    const auto path = folder.path / "file";
    write_file_atomically(path, "old");
    const auto message =
        thrown_message<Error>([&] { write_file_atomically(path, std::string(4 << 20, 'x')); });
    EXPECT_EQ(message, path.string() + ": cannot write: No space left on device");
    EXPECT_EQ(read_file(path), "old");
    EXPECT_EQ(folder.file_count(), 1u);
    ::umount(folder.path.c_str());
}

TEST(AtomicFile, FolderWithoutWritePermission) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file";
    write_file_atomically(path, "old");
    ::chmod(folder.path.c_str(), 0555);
    const auto message = error_in_child(Child::nobody, [&] { write_file_atomically(path, "new"); });
    ::chmod(folder.path.c_str(), 0755);
    EXPECT_EQ(message, path.string() + ": cannot write: Permission denied");
    EXPECT_EQ(read_file(path), "old");
    EXPECT_EQ(folder.file_count(), 1u);
}

TEST(AtomicFile, ReadingWhatIsNotThereOrNoFile) {
    const TemporaryFolder folder;
    const auto path = folder.path / "none";
    EXPECT_EQ(thrown_message<Error>([&] { read_file(path); }),
              path.string() + ": cannot read: No such file or directory");
    EXPECT_EQ(thrown_message<Error>([&] { read_file(folder.path); }),
              folder.path.string() + ": cannot read: Is a directory");
    // Not waited for: nobody may ever write into it.
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(error_in_child(Child::plain,
                             [&] {
                                 ::alarm(20);
                                 read_file(path);
                             }),
              path.string() + ": is a pipe, not a file");
    EXPECT_EQ(thrown_message<Error>([] { read_file("/dev/zero"); }),
              "/dev/zero: is a device, not a file");
}

}  // namespace
}  // namespace keepsake
