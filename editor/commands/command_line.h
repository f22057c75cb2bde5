// The program `keepsake` as a function.
#pragma once

namespace keepsake::editor {

// Runs one command; results go to stdout, progress and errors to stderr. Returns the exit status: 0
// done; 1 failed, with one line "keepsake: <what>: <why>"; 2 wrong usage (all that can be told from
// the command line alone), likewise; 130 stopped with Ctrl-C, after the session has been saved.
int run_command_line(int argc, const char* const* argv);

}  // namespace keepsake::editor
