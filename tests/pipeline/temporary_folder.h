// A folder of its own for a test, gone at its end.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace keepsake::testing {

struct TemporaryFolder {
    std::filesystem::path path;

    TemporaryFolder() {
        auto name = (std::filesystem::temp_directory_path() / "keepsake-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error("no temporary folder " + name);
        path = name;
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }

    std::size_t file_count() const {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(path)) count += entry.exists();
        return count;
    }
};

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// The message of the exception of type E that `work` throws; a failure and "" when it throws none.
template <typename E, typename Work>
std::string thrown_message(Work&& work) {
    try {
        work();
    } catch (const E& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
}

}  // namespace keepsake::testing
