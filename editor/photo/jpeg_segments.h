// The segments of a JPEG file before its picture (ITU-T T.81, annex B).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::editor {

// The most that a segment holds.
inline constexpr std::size_t jpeg_segment_room = 65533;

struct JpegSegment {
    std::uint8_t marker = 0;  // 0xe0 for APP0 and so on
    std::string_view content;
};

// Up to the first scan or the first damage.
std::vector<JpegSegment> jpeg_segments(std::string_view jpeg);

// A whole segment. content: at most jpeg_segment_room bytes.
std::string jpeg_segment_of(std::uint8_t marker, std::string_view content);

// A finished JPEG with these whole segments behind its start and its JFIF segment.
std::string jpeg_with_segments(std::string jpeg, std::string_view segments);

}  // namespace keepsake::editor
