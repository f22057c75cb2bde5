// How long work is shown on stderr.
#pragma once

#include <memory>

#include "pipeline/error.h"

namespace keepsake::editor {

enum class ProgressStyle {
    none,
    lines,  // a line at each tenth of a stage
    bar,    // one line, redrawn, with rate and time left
};

// bar when stderr is a terminal, lines otherwise, none when `quiet`.
ProgressStyle progress_style(bool quiet);

// For a Monitor. A note's first word is the stage; what follows is shown as it is. The rate is that
// of this program's own steps: those of a run that is gone on from do not count.
Monitor::Report progress_report(ProgressStyle style);

// "3 s", "2 min 10 s", "1 h 5 min".
std::string duration_text(double seconds);

}  // namespace keepsake::editor
