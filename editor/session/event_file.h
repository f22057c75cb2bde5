// TensorBoard's event file: curves that TensorBoard shows beside those of other trainers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::editor {

// A number of a curve at a step.
struct EventScalar {
    std::string tag;  // the curve's name
    std::int64_t step = 0;
    float value = 0;
};

// The bytes of a file events.out.tfevents.*: TensorFlow's records (length and content, each with a
// masked CRC-32C) of Event messages (tensorflow/core/util/event.proto, version brain.Event:2), in
// the given order. wall_time: seconds since 1970, of all of them.
std::string event_file(const std::vector<EventScalar>& scalars, double wall_time);

// CRC-32C (Castagnoli), as RFC 3720 has it.
std::uint32_t crc32c(std::string_view bytes);

}  // namespace keepsake::editor
