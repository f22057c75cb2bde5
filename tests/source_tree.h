// The project's own sources, for the tests that read them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace keepsake::testing {

// Every .h and .cpp under the given folders of `root`, as paths relative to it, in order. A folder
// that is not there has none.
inline std::vector<std::filesystem::path> sources_under(const std::filesystem::path& root,
                                                        const std::vector<std::string>& folders) {
    namespace fs = std::filesystem;
    std::vector<fs::path> sources;
    for (const std::string& folder : folders) {
        if (!fs::exists(root / folder)) continue;
        for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
            const std::string extension = entry.path().extension().string();
            if (extension == ".h" || extension == ".cpp")
                sources.push_back(fs::relative(entry.path(), root));
        }
    }
    std::sort(sources.begin(), sources.end());
    return sources;
}

inline std::string read_source(const std::filesystem::path& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
}

}  // namespace keepsake::testing
