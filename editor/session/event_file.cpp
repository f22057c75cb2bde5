#include "editor/session/event_file.h"

#include <array>
#include <bit>

namespace keepsake::editor {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82F63B78U : 0U);
        table[i] = value;
    }
    return table;
}

template <class Number>
void append_little_endian(std::string& bytes, Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i)
        bytes.push_back(static_cast<char>(number >> (8 * i) & 0xFF));
}

// Of protobuf's wire format: fields of these kinds.
enum class Wire : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

void append_varint(std::string& message, std::uint64_t value) {
    for (; value > 0x7F; value >>= 7) message.push_back(static_cast<char>((value & 0x7F) | 0x80));
    message.push_back(static_cast<char>(value));
}

void append_key(std::string& message, int field, Wire wire) {
    append_varint(message, static_cast<std::uint64_t>(field) << 3 | static_cast<unsigned>(wire));
}

void append_bytes(std::string& message, int field, std::string_view bytes) {
    append_key(message, field, Wire::bytes);
    append_varint(message, bytes.size());
    message += bytes;
}

std::string event(double wall_time) {
    std::string message;
    append_key(message, 1, Wire::fixed64);
    append_little_endian(message, std::bit_cast<std::uint64_t>(wall_time));
    return message;
}

std::string scalar_event(const EventScalar& scalar, double wall_time) {
    std::string value;
    append_bytes(value, 1, scalar.tag);
    append_key(value, 2, Wire::fixed32);
    append_little_endian(value, std::bit_cast<std::uint32_t>(scalar.value));
    std::string summary;
    append_bytes(summary, 1, value);
    std::string message = event(wall_time);
    if (scalar.step != 0) {  // as protobuf leaves out what is 0
        append_key(message, 2, Wire::varint);
        append_varint(message, static_cast<std::uint64_t>(scalar.step));
    }
    append_bytes(message, 5, summary);
    return message;
}

std::uint32_t masked(std::uint32_t crc) {
    return ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
}

void append_record(std::string& file, const std::string& message) {
    std::string length;
    append_little_endian(length, static_cast<std::uint64_t>(message.size()));
    file += length;
    append_little_endian(file, masked(crc32c(length)));
    file += message;
    append_little_endian(file, masked(crc32c(message)));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
    static constexpr auto table = make_table();
    std::uint32_t crc = ~0U;
    for (const char byte : bytes)
        crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
    return ~crc;
}

std::string event_file(const std::vector<EventScalar>& scalars, double wall_time) {
    std::string file, version = event(wall_time);
    append_bytes(version, 3, "brain.Event:2");
    append_record(file, version);
    for (const EventScalar& scalar : scalars) append_record(file, scalar_event(scalar, wall_time));
    return file;
}

}  // namespace keepsake::editor
