// Files of /proc and /sys for a test, in a folder that stands for /.
#pragma once

#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {

struct SystemFiles {
    TemporaryFolder folder;
    const std::filesystem::path& root = folder.path;

    void write(const std::filesystem::path& path, const std::string& text) const {
        std::filesystem::create_directories((root / path).parent_path());
        write_bytes(root / path, text);
    }
};

}  // namespace keepsake::testing
