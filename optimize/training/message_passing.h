// The ranks of a training as processes that mpirun or srun started together: MPI (the standard,
// version 3), where Keepsake is built with it (KEEPSAKE_MPI).
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>

#include "optimize/training/ranks.h"

namespace keepsake::optimize {

// This process's part in MPI. A process that was started by itself has none, and pays nothing.
class MessagePassing {
  public:
    MessagePassing() = default;
    MessagePassing(const MessagePassing&) = delete;
    MessagePassing& operator=(const MessagePassing&) = delete;

    // Meets the others; once, before there is any work. Where OMP_NUM_THREADS does not say how many
    // threads a process has, it is set to this one's share of the machine's cores, which others of
    // them may be on. stop: asked for only where there are several. Throws Error where there are
    // several and this program was built without MPI.
    Ranks join(const std::function<std::stop_token()>& stop);

    // "process 1 on node7: ", to begin an error with; empty for rank 0 and for a process alone.
    std::string name() const;

    // Whether this process is to say why it failed. Mostly all fail of the same, and rank 0 says
    // it, which by end() ends the others; these have their say after `most`, if then they still
    // run, and rank 0 is silent where another has said why.
    bool has_the_word(std::chrono::milliseconds most) const;

    // After work that went well: waits until the others' has, too, without taking a core for it.
    void wait_for_others() const { wait_for_all(ranks_); }

    // The last call. status: of this process. But for 0 it ends all of them with it, and does not
    // return where there are several.
    void end(int status);

  private:
    Ranks ranks_;
    bool joined_ = false;
};

}  // namespace keepsake::optimize
