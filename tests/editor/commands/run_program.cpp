#include "tests/editor/commands/run_program.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "pipeline/files/atomic_file.h"

namespace keepsake::testing {
namespace {

std::filesystem::path output_file() {
    std::string name = (std::filesystem::temp_directory_path() / "keepsake-out-XXXXXX").string();
    const int file = ::mkstemp(name.data());
    if (file < 0) throw std::runtime_error("no temporary file " + name);
    ::close(file);
    return name;
}

void redirect(int to, const std::filesystem::path& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_TRUNC);
    if (file < 0 || ::dup2(file, to) < 0) ::_exit(126);
    ::close(file);
}

// In the child, just before the program.
void prepare_child(const ProgramOptions& options) {
    // Quick on a busy machine, and the same sums in the same order.
    ::setenv("OMP_NUM_THREADS", "1", 1);
    for (const auto& [name, value] : options.environment) {
        ::setenv(name.c_str(), value.c_str(), 1);
    }
    if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
    if (options.largest_file) {
        const rlimit limit{*options.largest_file, *options.largest_file};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(126);
    }
    // Out of the bounding set, root does not get it back at exec: permission bits then count.
    if (options.obey_permissions && ::geteuid() == 0 &&
        (::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) != 0 ||
         ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0) != 0)) {
        ::_exit(126);
    }
}

}  // namespace

std::vector<std::string> ProgramRun::error_lines() const {
    std::vector<std::string> lines;
    std::istringstream stream(err);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

Program::Program(const std::vector<std::string>& arguments, const ProgramOptions& options)
    : out_(output_file()), err_(output_file()) {
    std::vector<std::string> all = options.launcher;
    all.push_back(KEEPSAKE_BINARY);
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int slave = -1;
    if (options.on_terminal && ::openpty(&terminal_, &slave, nullptr, nullptr, nullptr) != 0) {
        throw std::runtime_error("no pseudo-terminal");
    }
    child_ = ::fork();
    if (child_ < 0) throw std::runtime_error("cannot fork");
    if (child_ == 0) {
        redirect(STDOUT_FILENO, out_);
        if (slave >= 0) {
            ::dup2(slave, STDERR_FILENO);
        } else {
            redirect(STDERR_FILENO, err_);
        }
        prepare_child(options);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    if (slave >= 0) {
        ::close(slave);
        ::fcntl(terminal_, F_SETFL, O_NONBLOCK);
    }
}

Program::~Program() {
    if (running()) {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove(out_, ignored);
    std::filesystem::remove(err_, ignored);
    if (terminal_ >= 0) ::close(terminal_);
}

void Program::signal(int signal) const {
    ::kill(child_, signal);
}

void Program::read_terminal() {
    char buffer[4096];
    for (ssize_t size = 0;
         terminal_ >= 0 && (size = ::read(terminal_, buffer, sizeof buffer)) > 0;) {
        terminal_text_.append(buffer, static_cast<std::size_t>(size));
    }
}

bool Program::running() {
    read_terminal();
    if (wait_status_) return false;
    int status = 0;
    if (::waitpid(child_, &status, WNOHANG) != child_) return true;
    wait_status_ = status;
    read_terminal();
    return false;
}

bool Program::wait_for_error_text(const std::string& text) {
    while (read_file(err_).find(text) == std::string::npos) {
        if (!running()) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return running();
}

ProgramRun Program::wait() {
    while (running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ProgramRun run;
    run.status = WIFEXITED(*wait_status_) ? WEXITSTATUS(*wait_status_) : -WTERMSIG(*wait_status_);
    run.out = read_file(out_);
    run.err = terminal_ >= 0 ? terminal_text_ : read_file(err_);
    return run;
}

ProgramRun run_program(const std::vector<std::string>& arguments, const ProgramOptions& options) {
    return Program(arguments, options).wait();
}

}  // namespace keepsake::testing
