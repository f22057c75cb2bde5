#include "optimize/training/message_passing.h"

#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <thread>

#include "pipeline/model/threads.h"

namespace keepsake::optimize {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int failure_said = 1;  // the tag of a message without content

// What Open MPI's and Slurm's launchers (PMIx), and those of MPICH and its relatives (PMI) set.
bool is_launched() {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
        if (std::getenv(name)) return true;
    return false;
}

MPI_Datatype type_of(const Tensor& tensor) {
    switch (tensor.scalar_type()) {
        case at::kFloat:
            return MPI_FLOAT;
        case at::kDouble:
            return MPI_DOUBLE;
        case at::kLong:
            return MPI_INT64_T;
        default:
            throw Error("ranks", "a tensor of this type cannot be added up");
    }
}

// Waits for what has begun. MPI's own waiting does not hear of signals, and while another process
// evaluates or draws it would take a whole core for minutes. But what travels comes in fragments,
// each of which needs a test to go on: who sleeps between two tests lets a bucket take as many
// sleeps as it has fragments, so at first the core is only offered to whoever wants it.
void finish(MPI_Request request, const Ranks& ranks) {
    using namespace std::chrono_literals;
    const Clock::time_point begun = Clock::now();
    Clock::time_point asked = Clock::time_point::max();
    for (int done = 0;;) {
        if (MPI_Test(&request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) throw LostRanks();
        if (done) return;
        const Clock::time_point now = Clock::now();
        // A launcher that has lost a process asks the others to stop and soon after kills them. The
        // state is whole; rank 0 uses the time to save it.
        if (is_first(ranks) && ranks.stop.stop_requested()) {
            asked = std::min(asked, now);
            if (now - asked > 300ms) throw LostRanks();
        }
        if (now - begun > 2s)
            std::this_thread::sleep_for(1ms);
        else if (now - begun > 100us)
            std::this_thread::yield();
    }
}

// Lengths are ints to MPI: long tensors travel in pieces.
template <class Begin>
void in_pieces(std::int64_t length, const Ranks& ranks, const Begin& begin) {
    constexpr std::int64_t most = 1 << 30;
    for (std::int64_t at = 0; at < length; at += most) {
        MPI_Request request = MPI_REQUEST_NULL;
        if (begin(at, static_cast<int>(std::min(most, length - at)), &request) != MPI_SUCCESS)
            throw LostRanks();
        finish(request, ranks);
    }
}

void sum(const Tensor& tensor, const Ranks& ranks) {
    const MPI_Datatype type = type_of(tensor);
    const auto size = static_cast<std::int64_t>(tensor.element_size());
    auto* const bytes = static_cast<char*>(tensor.mutable_data_ptr());
    in_pieces(tensor.numel(), ranks, [&](std::int64_t at, int length, MPI_Request* request) {
        return MPI_Iallreduce(MPI_IN_PLACE, bytes + at * size, length, type, MPI_SUM,
                              MPI_COMM_WORLD, request);
    });
}

void broadcast_bytes(const Tensor& tensor, const Ranks& ranks) {
    auto* const bytes = static_cast<char*>(tensor.mutable_data_ptr());
    in_pieces(static_cast<std::int64_t>(tensor.nbytes()), ranks,
              [&](std::int64_t at, int length, MPI_Request* request) {
                  return MPI_Ibcast(bytes + at, length, MPI_BYTE, 0, MPI_COMM_WORLD, request);
              });
}

// The threads of one of several processes on this machine: of the processors that they may use
// together its share, whether the launcher has given each its own or all of them all.
int threads_here() {
    cpu_set_t own;
    CPU_ZERO(&own);
    if (sched_getaffinity(0, sizeof own, &own) != 0 || CPU_COUNT(&own) == 0) return 1;
    cpu_set_t all = own;
    MPI_Comm machine = MPI_COMM_NULL;
    int processes = 1;
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &processes);
    MPI_Allreduce(MPI_IN_PLACE, &all, sizeof all, MPI_BYTE, MPI_BOR, machine);
    MPI_Comm_free(&machine);
    return std::max(1,
                    pipeline::default_threads() * CPU_COUNT(&all) / (processes * CPU_COUNT(&own)));
}

}  // namespace

Ranks MessagePassing::join(const std::function<std::stop_token()>& stop) {
    if (!is_launched()) return {};
    int provided = 0, rank = 0, count = 1;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        throw Error("MPI", "cannot be started");
    joined_ = true;
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    if (count == 1) return {};
    if (!std::getenv("OMP_NUM_THREADS"))
        ::setenv("OMP_NUM_THREADS", std::to_string(threads_here()).c_str(), 1);
    ranks_.rank = rank;
    ranks_.count = count;
    ranks_.stop = stop();
    Ranks joined = ranks_;
    // Of copies: what is handed out may live longer than this.
    joined.sum = [ranks = ranks_](const Tensor& tensor) { sum(tensor, ranks); };
    joined.broadcast = [ranks = ranks_](const Tensor& tensor) { broadcast_bytes(tensor, ranks); };
    ranks_ = joined;
    return joined;
}

std::string MessagePassing::name() const {
    if (is_first(ranks_)) return {};
    std::array<char, 256> host{};
    ::gethostname(host.data(), host.size() - 1);
    return "process " + std::to_string(ranks_.rank) + " on " + host.data() + ": ";
}

bool MessagePassing::has_the_word(std::chrono::milliseconds most) const {
    if (ranks_.count == 1) return true;
    if (is_first(ranks_)) {
        int said = 0;
        MPI_Iprobe(MPI_ANY_SOURCE, failure_said, MPI_COMM_WORLD, &said, MPI_STATUS_IGNORE);
        return said == 0;
    }
    // One after the other, so that of several the first to speak ends the rest.
    std::this_thread::sleep_for(most + std::chrono::milliseconds(100) * ranks_.rank);
    MPI_Request request = MPI_REQUEST_NULL;
    MPI_Isend(nullptr, 0, MPI_BYTE, 0, failure_said, MPI_COMM_WORLD, &request);
    int done = 0;
    MPI_Test(&request, &done, MPI_STATUS_IGNORE);
    return true;
}

void MessagePassing::end(int status) {
    if (!joined_) return;
    if (status != 0 && ranks_.count > 1) MPI_Abort(MPI_COMM_WORLD, status);
    MPI_Finalize();
}

}  // namespace keepsake::optimize
