#include "editor/commands/command_line.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <new>

#include "editor/commands/command_caption.h"
#include "editor/commands/commands.h"
#include "editor/commands/manual.h"
#include "pipeline/error.h"
#include "pipeline/files/printable_text.h"

namespace keepsake::editor {
namespace {

constexpr int done = 0, failed = 1, wrong_usage = 2;

// One line, whatever is in `text`.
int report(std::string text, int status) {
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, ' ');
    constexpr std::size_t most = 4000;  // it may name every tensor of a stranger's file
    text = printable(text, most);
    // A progress bar may stand where the line is going to be.
    const char* clear = isatty(STDERR_FILENO) ? "\r\033[K" : "";
    std::cerr << clear << "keepsake: " << text << std::endl;
    return status;
}

// LibTorch's errors say it in the first line and go on with a stack trace.
std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

int parse(CLI::App& app, int argc, const char* const* argv) {
    try {
        app.parse(argc, argv);
        return done;
    } catch (const CLI::Success& success) {  // --help, --version
        return app.exit(success);
    } catch (const CLI::ParseError& error) {
        return report(error.what(), wrong_usage);
    }
}

// What is wrong with the command at place `at`, and which there are; empty where nothing is.
std::string command_fault(CLI::App& app, int argc, const char* const* argv, int at) {
    const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty()) return {};
    std::string program = "keepsake", names;
    for (int i = 1; i < at; ++i) program += std::string(" ") + argv[i];
    for (const CLI::App* command : commands)
        names += (names.empty() ? "" : ", ") + command->get_name();
    const std::string choices = "one of " + names + " (" + program + " --help)";
    if (at >= argc) return "command: is missing; " + choices;
    const std::string name = argv[at];
    if (name.starts_with("-")) return {};
    for (CLI::App* command : commands)
        if (command->get_name() == name) return command_fault(*command, argc, argv, at + 1);
    return "command: '" + name + "' is unknown; " + choices;
}

// How a command ended, and what is to be said of it.
struct Ending {
    int status = done;
    std::string why = {};
};

Ending attempt(const Command& command, const Interrupt& interrupt,
               const optimize::MessagePassing& processes) {
    try {
        command(interrupt);
        std::cout.flush();
        if (!std::cout) throw Error("standard output", "cannot be written");
        processes.wait_for_others();
        return {};
    } catch (const optimize::LostRanks&) {
        return {interrupt.exit_status(),
                "stopped while another process had ended or was still at work; the same command "
                "goes on with what is saved"};
    } catch (const Cancelled&) {
        return {interrupt.exit_status()};
    } catch (const UsageError& error) {
        return {wrong_usage, error.what()};
    } catch (const Error& error) {
        return {failed, error.what()};
    } catch (const std::bad_alloc&) {
        return {failed, "memory: there is not enough of it for this"};
    } catch (const c10::Error& error) {
        return {failed, "LibTorch: " + first_line(error.what_without_backtrace())};
    } catch (const std::exception& error) {
        return {failed, std::string("unexpected: ") + first_line(error.what())};
    }
}

int run(const Command& command, const Interrupt& interrupt, optimize::MessagePassing& processes) {
    using namespace std::chrono_literals;
    const Ending ending = attempt(command, interrupt, processes);
    // Rank 0 saves what a stopped training has reached, which takes its time.
    const bool speaks =
        ending.status != done && processes.has_the_word(ending.why.empty() ? 10min : 2s);
    if (speaks && !ending.why.empty()) report(processes.name() + ending.why, ending.status);
    processes.end(ending.status);
    return ending.status;
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
    // A file-size limit is an error like a full disk, not the program's death.
    std::signal(SIGXFSZ, SIG_IGN);
    const Interrupt interrupt;  // before any other thread

    optimize::MessagePassing processes;
    CLI::App app("Keepsake edits a photo by words and keeps the rest of the photo.", "keepsake");
    add_version_and_manual(app);
    app.require_subcommand(1);
    // Given twice, the last one counts: what scripts and shell aliases rely on.
    app.option_defaults()->take_last();
    Command chosen;
    add_edit(app, chosen);
    add_render(app, chosen);
    add_generate(app, chosen);
    add_info(app, chosen);
    add_tokenize(app, chosen);
    add_batch(app, chosen);
    add_compare(app, chosen);
    add_learn(app, chosen, processes);
    add_distil(app, chosen, processes);
    add_train(app, chosen, processes);
    add_score(app, chosen);
    add_caption(app, chosen);
    if (const std::string fault = command_fault(app, argc, argv, 1); !fault.empty())
        return report(fault, wrong_usage);
    const int status = parse(app, argc, argv);
    return status == done && chosen ? run(chosen, interrupt, processes) : status;
}

}  // namespace keepsake::editor
