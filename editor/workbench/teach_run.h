// Learning behind the room Teach: the same runs as `keepsake learn`, on the Worker's thread.
#pragma once

#include <memory>

#include "editor/edit/learn.h"
#include "editor/workbench/requests.h"

namespace keepsake::editor {

struct Bench;

// A run that is under way or was stopped.
struct TeachJob {
    LearnRequest request;
    bool wanted = false;  // it is to go on whenever nothing else is to be done
};

// Begins the draft's run, or goes on with the run in the request's folder. Throws Error naming what
// is at fault; then nothing was begun.
void begin_teaching(Bench& bench, const TeachStartRequest& request);

// Learns until it is finished, or stopped by `monitor`: then Cancelled, after it was saved. A run
// that is still wanted goes on with the next call. Throws Error, after which it is not.
void teach(Bench& bench, Monitor& monitor);

// What is under way is not wanted any more; it is saved.
void stop_teaching(Bench& bench);

bool wants_teaching(const Bench& bench);

}  // namespace keepsake::editor
