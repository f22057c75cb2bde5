// Runs the real program as a user would: arguments in; exit status, stdout and stderr out.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keepsake::testing {

struct ProgramOptions {
    std::map<std::string, std::string> environment;  // added to this process's
    std::optional<std::size_t> largest_file;         // RLIMIT_FSIZE in bytes: a full disk
    bool obey_permissions = false;      // root, too, may read and write only where it is allowed
    bool on_terminal = false;           // stderr is a pseudo-terminal
    std::filesystem::path folder;       // the working directory
    std::vector<std::string> launcher;  // a program that starts it, with its arguments: mpirun
};

struct ProgramRun {
    int status = -1;  // the exit status; -signal when a signal ended it
    std::string out, err;
    std::vector<std::string> error_lines() const;  // lines of stderr
};

// The program under way. Its output is collected when it is waited for.
class Program {
  public:
    Program(const std::vector<std::string>& arguments, const ProgramOptions& options = {});
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    void signal(int signal) const;
    bool running();  // reaps it when it has ended
    // Waits until stderr has `text` in it. False when the program ended before.
    bool wait_for_error_text(const std::string& text);
    ProgramRun wait();

  private:
    pid_t child_ = -1;
    std::optional<int> wait_status_;
    std::filesystem::path out_, err_;  // files, so that a full pipe never blocks the program
    int terminal_ = -1;
    std::string terminal_text_;
    void read_terminal();
};

ProgramRun run_program(const std::vector<std::string>& arguments,
                       const ProgramOptions& options = {});

}  // namespace keepsake::testing
