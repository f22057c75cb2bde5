// How much memory this process uses and has used, from /proc. Linux only, like the test program.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>

#include <atomic>
#include <cstring>
#include <fstream>
#include <string>

namespace keepsake::testing {

// A line of /proc/self/status in bytes: "VmRSS" (now) or "VmHWM" (the most so far).
inline std::size_t memory_use(const std::string& key) {
    std::ifstream status("/proc/self/status");
    std::string word;
    std::size_t kilobytes = 0;
    while (status >> word)
        if (word == key + ":" && status >> kilobytes) return kilobytes * 1024;
    return 0;
}

// Gives freed memory back to the kernel, so that using it again counts, and makes VmHWM start again
// from what is used now. False where the kernel does not allow it.
inline bool reset_peak_memory() {
    ::malloc_trim(0);
    std::ofstream file("/proc/self/clear_refs");
    file << "5" << std::flush;
    return static_cast<bool>(file);
}

// Counts the bytes of LibTorch's CPU tensors that are made while it lives: to the byte, whatever
// the allocators of this process keep.
class CountedTensors {
  public:
    CountedTensors() : before_(c10::GetCPUAllocator()) { install(&counting()); }
    ~CountedTensors() { install(before_); }
    CountedTensors(const CountedTensors&) = delete;
    CountedTensors& operator=(const CountedTensors&) = delete;

    static std::size_t now() { return counting().now; }
    static std::size_t peak() { return counting().peak; }
    static void reset_peak() { counting().peak = counting().now.load(); }

  private:
    struct Counting final : c10::Allocator {
        static constexpr std::size_t header = 64;  // keeps LibTorch's alignment
        std::atomic<std::size_t> now = 0, peak = 0;

        c10::DataPtr allocate(std::size_t size) override {
            void* start = c10::alloc_cpu(size + header);
            std::memcpy(start, &size, sizeof size);
            const std::size_t sum = now += size;
            for (std::size_t most = peak; sum > most && !peak.compare_exchange_weak(most, sum);) {
            }
            void* data = static_cast<char*>(start) + header;
            return {data, data, &give_up, c10::Device(c10::DeviceType::CPU)};
        }
        static void give_up(void* data) {
            if (!data) return;
            void* start = static_cast<char*>(data) - header;
            std::size_t size = 0;
            std::memcpy(&size, start, sizeof size);
            counting().now -= size;
            c10::free_cpu(start);
        }
        c10::DeleterFnPtr raw_deleter() const override { return &give_up; }
        void copy_data(void* to, const void* from, std::size_t count) const override {
            default_copy_data(to, from, count);
        }
    };
    static Counting& counting() {
        static Counting allocator;
        return allocator;
    }
    // At the priority of pipeline/compute/kept_buffers.cpp, which may then install its own again.
    static void install(c10::Allocator* allocator) { c10::SetCPUAllocator(allocator, 1); }
    c10::Allocator* before_;
};

}  // namespace keepsake::testing
