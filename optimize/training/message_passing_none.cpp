// In place of message_passing.cpp in a program without MPI: a process is alone, or refuses.
#include <cstdlib>

#include "optimize/training/message_passing.h"

namespace keepsake::optimize {

Ranks MessagePassing::join(const std::function<std::stop_token()>&) {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
        const char* count = std::getenv(name);
        if (count && std::atoi(count) > 1)
            throw Error("MPI", "this keepsake was built without it, and was started " +
                                   std::to_string(std::atoi(count)) +
                                   " times at once; see docs/many-machines.md");
    }
    return {};
}

std::string MessagePassing::name() const {
    return {};
}

bool MessagePassing::has_the_word(std::chrono::milliseconds) const {
    const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
    return !rank || std::atoi(rank) == 0;
}

void MessagePassing::end(int) {}

}  // namespace keepsake::optimize
