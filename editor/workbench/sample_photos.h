// The photos that come with Keepsake, each with one edit that suits it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::editor {

struct SamplePhoto {
    std::filesystem::path path;
    std::string prompt;  // a suggested edit
};

// Of suggestions.json beside the photos, in its order; those whose file is missing are left out,
// and without the file there are none.
std::vector<SamplePhoto> sample_photos();

}  // namespace keepsake::editor
