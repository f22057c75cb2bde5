#include "pipeline/files/pickle.h"

#include <string>

namespace keepsake::pipeline {

// A zip archive begins with "PK", a pickle alone with the protocol mark 0x80 and the protocol's
// number. A header length of safetensors can begin with the same two bytes, but then it is followed
// by a JSON object.
bool is_pickle(const std::filesystem::path& path, std::string_view bytes) {
    constexpr std::size_t header_begin = 8;  // of a safetensors file
    if (bytes.size() > header_begin && bytes[header_begin] == '{') return false;
    const std::string extension = path.extension().string();
    return bytes.starts_with("PK\x03\x04") ||
           (bytes.size() > 2 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5) ||
           extension == ".ckpt" || extension == ".bin" || extension == ".pt" ||
           extension == ".pth" || extension == ".pkl";
}

}  // namespace keepsake::pipeline
