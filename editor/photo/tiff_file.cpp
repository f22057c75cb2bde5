#include "editor/photo/tiff_file.h"

#include <algorithm>
#include <cstring>

namespace keepsake::editor {
namespace {

// A damaged count must not become a request for gigabytes.
constexpr tmsize_t largest_value = 16 << 20;

TiffMemory& memory_of(thandle_t handle) {
    return *static_cast<TiffMemory*>(handle);
}

tmsize_t read(thandle_t handle, void* to, tmsize_t size) {
    TiffMemory& memory = memory_of(handle);
    if (memory.at >= memory.bytes.size() || size <= 0) return 0;
    const std::size_t count = std::min<std::size_t>(size, memory.bytes.size() - memory.at);
    std::memcpy(to, memory.bytes.data() + memory.at, count);
    memory.at += count;
    return static_cast<tmsize_t>(count);
}

tmsize_t write(thandle_t handle, void* from, tmsize_t size) {
    TiffMemory& memory = memory_of(handle);
    if (!memory.owned || size <= 0) return 0;
    const std::size_t end = memory.at + static_cast<std::size_t>(size);
    if (end > memory.owned->size()) memory.owned->resize(end);
    std::memcpy(memory.owned->data() + memory.at, from, static_cast<std::size_t>(size));
    memory.bytes = *memory.owned;
    memory.at = end;
    return size;
}

toff_t seek(thandle_t handle, toff_t offset, int from) {
    TiffMemory& memory = memory_of(handle);
    if (from == SEEK_CUR) offset += memory.at;
    if (from == SEEK_END) offset += memory.bytes.size();
    memory.at = offset;
    return offset;
}

int close(thandle_t) {
    return 0;
}

toff_t size(thandle_t handle) {
    return memory_of(handle).bytes.size();
}

int say_nothing(TIFF*, void*, const char*, const char*, va_list) {
    return 1;
}

}  // namespace

TiffHandle open_tiff(TiffMemory& memory) {
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(
        TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), say_nothing, nullptr);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), say_nothing, nullptr);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), largest_value);
    return TiffHandle(TIFFClientOpenExt("TIFF", memory.owned ? "r+m" : "rm", &memory, read, write,
                                        seek, close, size, nullptr, nullptr, options.get()));
}

}  // namespace keepsake::editor
