// A program's man page and its completions for bash, zsh and fish, made from the table of options
// that it parses its command line with, so that they cannot say anything else.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

namespace keepsake::editor {

struct OptionText {
    std::vector<std::string> names;    // "--full", "--no-full"; of what has a place: "PHOTO"
    std::string description;           // as --help has it
    std::string value;                 // "FILE", "fast|paper"; empty: it takes none
    std::vector<std::string> choices;  // the words among `value`
    bool positional = false;
    bool required = false;
    bool takes_files = false;
};

struct CommandText {
    std::string name, description;    // "edit"; of a command's command "learn subject"
    std::vector<OptionText> options;  // in the order of --help
    // The commands of this one, by name and description: "subject". They stand by themselves, too.
    std::vector<std::pair<std::string, std::string>> commands = {};
};

struct ProgramText {
    CommandText program;  // what may come before a command; all, where there are none
    std::vector<CommandText> commands;
};

// What --help shows: neither hidden options nor those without a group. A value's name says what it
// may be: words in lower case separated by '|', or a list that CLI11 checks, are choices; FILE,
// FOLDER and PATH are completed as files.
ProgramText program_text(const CLI::App& app);

std::string man_page(const ProgramText& text);         // section 1, for man(7)'s macros
std::string bash_completion(const ProgramText& text);  // for share/bash-completion/completions
std::string zsh_completion(const ProgramText& text);   // for a folder in fpath, as _<name>
std::string fish_completion(const ProgramText& text);  // for share/fish/vendor_completions.d

// --version; and --manual man|bash|zsh|fish, which --help does not show: prints one of the above,
// for the build. `app` has the program's name.
void add_version_and_manual(CLI::App& app);

}  // namespace keepsake::editor
