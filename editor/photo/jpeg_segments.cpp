#include "editor/photo/jpeg_segments.h"

namespace keepsake::editor {
namespace {

constexpr std::uint8_t start_of_scan = 0xda, app0 = 0xe0;

}  // namespace

std::vector<JpegSegment> jpeg_segments(std::string_view jpeg) {
    std::vector<JpegSegment> segments;
    std::size_t at = 2;  // behind the start of the image
    while (at + 4 <= jpeg.size() && jpeg[at] == '\xff') {
        const auto marker = static_cast<std::uint8_t>(jpeg[at + 1]);
        if (marker == 0xff) {  // fill bytes may precede a marker
            ++at;
            continue;
        }
        const std::size_t size = static_cast<unsigned char>(jpeg[at + 2]) * std::size_t{256} +
                                 static_cast<unsigned char>(jpeg[at + 3]);
        if (marker == start_of_scan || size < 2 || size > jpeg.size() - at - 2) break;
        segments.push_back({marker, jpeg.substr(at + 4, size - 2)});
        at += 2 + size;
    }
    return segments;
}

std::string jpeg_segment_of(std::uint8_t marker, std::string_view content) {
    const std::size_t size = content.size() + 2;
    std::string segment{'\xff', static_cast<char>(marker), static_cast<char>(size >> 8),
                        static_cast<char>(size & 0xff)};
    segment += content;
    return segment;
}

std::string jpeg_with_segments(std::string jpeg, std::string_view segments) {
    const std::vector<JpegSegment> own = jpeg_segments(jpeg);
    if (own.empty()) return jpeg;
    const bool has_jfif = own.front().marker == app0;
    const std::size_t at = has_jfif ? 2 + 4 + own.front().content.size() : 2;
    return jpeg.insert(at, segments);
}

}  // namespace keepsake::editor
