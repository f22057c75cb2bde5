// The chunks of a PNG file (PNG 3, section 5.3). Nothing is read beyond the given bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keepsake::editor {

// Behind the signature and the header, where chunks about the whole picture may stand.
inline constexpr std::size_t png_head = 8 + 25;

// `size` bytes at `at` as a number; none beyond the end.
std::optional<std::uint32_t> number_at(std::string_view bytes, std::size_t at, std::size_t size,
                                       bool little_endian);

// The content of the first chunk of that name; none where there is none.
std::optional<std::string_view> png_chunk_named(std::string_view png, std::string_view name);

// A whole chunk: length, name, content, checksum.
std::string png_chunk_of(std::string_view name, std::string_view content);

// A finished PNG with these whole chunks behind its header, in place of its own of their names.
std::string png_with_chunks(std::string png, std::string_view chunks);

}  // namespace keepsake::editor
