#include "pipeline/compute/kept_buffers.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>

#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace keepsake::pipeline {

namespace {

constexpr std::size_t large = std::size_t{1} << 20;
// What one pass of Stable Diffusion's U-Net at 512 pixels gives up and takes again.
constexpr std::size_t most_kept = std::size_t{768} << 20;
constexpr double least_used = 0.5;  // of a buffer; else it is left for a larger tensor

class KeptBuffers {
  public:
    // The smallest that holds `size` bytes, or null. It goes on being as large as it is.
    void* take(std::size_t size) {
        const std::lock_guard lock(mutex_);
        const auto found = buffers_.lower_bound(size);
        if (found == buffers_.end() ||
            static_cast<double>(size) < least_used * static_cast<double>(found->first))
            return nullptr;
        void* start = found->second;
        bytes_ -= found->first;
        buffers_.erase(found);
        return start;
    }

    // Whether there was room for it.
    bool put(void* start, std::size_t size) {
        const std::lock_guard lock(mutex_);
        if (bytes_ + size > most_kept) return false;
        buffers_.emplace(size, start);
        bytes_ += size;
        return true;
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        for (const auto& [size, start] : buffers_) c10::free_cpu(start);
        buffers_.clear();
        bytes_ = 0;
    }

  private:
    std::mutex mutex_;
    std::multimap<std::size_t, void*> buffers_;  // by size
    std::size_t bytes_ = 0;
};

// Never destroyed: tensors may outlive everything.
KeptBuffers& kept_buffers() {
    static KeptBuffers& buffers = *new KeptBuffers;
    return buffers;
}

// Before a tensor's data lies how large its buffer is, so that the data's address is enough to give
// it up. As long as LibTorch's alignment, so that the data is aligned as the buffer is.
constexpr std::size_t header = 64;

void give_up(void* data) {
    if (!data) return;
    void* start = static_cast<char*>(data) - header;
    std::size_t size = 0;
    std::memcpy(&size, start, sizeof size);
    if (size < large || !kept_buffers().put(start, size)) c10::free_cpu(start);
}

// Memory that the system hands out and clears in pages of 2 MiB, where it has them and for the
// whole ones that fit: each first touch of a page costs a call of the kernel, and the processor
// looks up fewer addresses. The end stays in small pages, so that no more is used than was asked
// for.
void* fresh_buffer(std::size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::size_t page = std::size_t{2} << 20;
    if (size >= 2 * page) {
        void* start = std::aligned_alloc(page, (size + page - 1) / page * page);
        if (!start) throw std::bad_alloc();
        ::madvise(start, size / page * page, MADV_HUGEPAGE);  // a wish; it may say no
        return start;
    }
#endif
    return c10::alloc_cpu(size);
}

class BufferAllocator final : public c10::Allocator {
  public:
    c10::DataPtr allocate(std::size_t size) override {
        void* data = nullptr;
        if (size > 0) {
            void* start = size < large ? nullptr : kept_buffers().take(size);
            if (!start) {
                start = fresh_buffer(size + header);
                std::memcpy(start, &size, sizeof size);
            }
            data = static_cast<char*>(start) + header;
        }
        return {data, data, &give_up, c10::Device(c10::DeviceType::CPU)};
    }
    c10::DeleterFnPtr raw_deleter() const override { return &give_up; }
    void copy_data(void* to, const void* from, std::size_t count) const override {
        default_copy_data(to, from, count);
    }
};

}  // namespace

void keep_large_buffers() {
    static BufferAllocator allocator;
    if (c10::GetCPUAllocator() != &allocator) c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

void give_back_buffers() {
    kept_buffers().clear();
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

}  // namespace keepsake::pipeline
