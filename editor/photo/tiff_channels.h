// What the channels of a TIFF's first page are for: libvips 8.14 takes the first one after the
// colours for transparency, whatever the file says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::editor {

struct TiffChannels {
    int colours = 0;          // 0: as libvips has it
    std::vector<int> alpha;   // at most one: the first that the file calls transparency
    std::vector<int> others;  // saved selections, depth, infrared, ...
};

// By ExtraSamples (TIFF 6, section 18). Where the tag is missing, a fourth channel of an RGB
// picture is transparency, as libtiff has it, too.
TiffChannels tiff_channels(std::string_view tiff);

// A finished TIFF file of this program's byte order whose last `others` channels are no
// transparency.
std::string tiff_with_others(std::string tiff, std::size_t others);

}  // namespace keepsake::editor
