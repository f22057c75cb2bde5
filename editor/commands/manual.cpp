#include "editor/commands/manual.h"

#include <algorithm>
#include <cctype>
#include <iostream>
#include <sstream>
#include <utility>

namespace keepsake::editor {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

bool is_upper_case(const std::string& word) {
    return std::none_of(word.begin(), word.end(),
                        [](unsigned char c) { return std::islower(c) || std::isdigit(c); });
}

// What may stand for a value, from its name as CLI11 shows it: "FILE", "fast|paper",
// "TEXT:{cpu,cuda,auto}".
void read_value(const std::string& type, OptionText& text) {
    const std::size_t open = type.find('{'), close = type.find('}');
    std::vector<std::string> words;
    if (open != type.npos && close != type.npos)
        words = split(type.substr(open + 1, close - open - 1), ',');
    else
        words = split(type, '|');
    text.value.clear();
    for (const std::string& word : words) {
        text.value += (text.value.empty() ? "" : "|") + word;
        if (word == "FILE" || word == "FOLDER" || word == "PATH")
            text.takes_files = true;
        else if (!is_upper_case(word))
            text.choices.push_back(word);
    }
}

OptionText option_text(const CLI::Option& option) {
    OptionText text;
    text.description = option.get_description();
    text.required = option.get_required();
    text.positional = option.get_positional();
    if (text.positional) text.names.push_back(option.get_name(true));
    for (const std::string& name : option.get_snames()) text.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) text.names.push_back("--" + name);
    if (option.get_items_expected_max() > 0) read_value(option.get_type_name(), text);
    return text;
}

CommandText command_text(const CLI::App& command) {
    CommandText text{command.get_name(), command.get_description(), {}, {}};
    for (const CLI::Option* option : command.get_options())
        if (!option->get_group().empty()) text.options.push_back(option_text(*option));
    return text;
}

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
    std::vector<const CLI::App*> shown = app.get_subcommands([](const CLI::App*) { return true; });
    std::erase_if(shown, [](const CLI::App* command) { return command->get_group().empty(); });
    return shown;
}

// Text as roff takes it: no word becomes a request, no hyphen a dash.
std::string roff(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
        if (c == '\\')
            escaped += "\\e";
        else if (c == '-')
            escaped += "\\-";
        else
            escaped += c;
    }
    if (!escaped.empty() && (escaped[0] == '.' || escaped[0] == '\'')) escaped.insert(0, "\\&");
    return escaped;
}

std::string upper_case(std::string text) {
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

// ".B \-\-out \fIPATH\fR", or ".I PHOTO".
std::string roff_heading(const OptionText& option) {
    std::string line;
    for (const std::string& name : option.names)
        line += (line.empty() ? "" : ", ") + ((option.positional ? "\\fI" : "\\fB") + roff(name)) +
                "\\fR";
    if (!option.positional && !option.value.empty()) line += " \\fI" + roff(option.value) + "\\fR";
    return line;
}

void write_options(std::ostream& page, const CommandText& command) {
    for (const OptionText& option : command.options)
        page << ".TP\n" << roff_heading(option) << "\n" << roff(option.description) << "\n";
}

// "keepsake edit PHOTO TEXT [options]"
void write_synopsis(std::ostream& page, const std::string& program, const CommandText& command) {
    page << "\\fB" << roff(program);
    if (command.name != program) page << " " << roff(command.name);
    page << "\\fR";
    for (const OptionText& option : command.options) {
        if (!option.positional) continue;
        const std::string name = "\\fI" + roff(option.names[0]) + "\\fR";
        page << " " << (option.required ? name : "[" + name + "]");
    }
    page << " [\\fIoptions\\fR]\n";
}

constexpr const char* end_of_page =
    R"(.SH EXIT STATUS
0: done. 1: it failed, and says why in one line. 2: wrong usage. 128 + N: ended by signal N.
.SH ENVIRONMENT
.TP
\fBKEEPSAKE_MODEL\fR
The model to use where \fB\-\-model\fR is not given: a diffusers folder or a single file.
.TP
\fBKEEPSAKE_KERNELS\fR
\fBavx2\fR: not the AVX\-512 kernels; \fBnone\fR: LibTorch's operators in their place.
.SH FILES
.TP
\fB$XDG_DATA_HOME/keepsake\fR, \fB~/.local/share/keepsake\fR
The window's sessions. The command line makes its own beside what it writes.
)";

}  // namespace

ProgramText program_text(const CLI::App& app) {
    ProgramText text{command_text(app), {}};
    for (const CLI::App* command : shown_commands(app)) {
        const std::size_t at = text.commands.size();
        text.commands.push_back(command_text(*command));
        for (const CLI::App* part : shown_commands(*command)) {
            text.commands[at].commands.emplace_back(part->get_name(), part->get_description());
            text.commands.push_back(command_text(*part));
            text.commands.back().name = command->get_name() + " " + part->get_name();
        }
    }
    return text;
}

std::string man_page(const ProgramText& text) {
    const CommandText& program = text.program;
    std::ostringstream page;
    page << ".TH " << upper_case(roff(program.name)) << " 1 \"\" \"keepsake " KEEPSAKE_VERSION
         << "\" \"User commands\"\n";
    std::string does = program.description;
    if (does.ends_with('.')) does.pop_back();
    page << ".SH NAME\n" << roff(program.name) << " \\- " << roff(does) << "\n.SH SYNOPSIS\n";
    if (text.commands.empty()) write_synopsis(page, program.name, program);
    bool first = true;
    for (const CommandText& command : text.commands) {
        if (!command.commands.empty()) continue;
        if (!std::exchange(first, false)) page << ".br\n";
        write_synopsis(page, program.name, command);
    }
    page << ".SH OPTIONS\n";
    write_options(page, program);
    for (const CommandText& command : text.commands) {
        if (!command.commands.empty()) continue;  // each stands by itself
        page << ".SH " << upper_case(roff(program.name + " " + command.name)) << "\n"
             << roff(command.description) << ".\n";
        write_options(page, command);
    }
    page << end_of_page;
    return page.str();
}

void add_version_and_manual(CLI::App& app) {
    app.set_version_flag("--version", app.get_name() + " " KEEPSAKE_VERSION);
    app.add_option_function<std::string>("--manual",
                                         [&app](const std::string& kind) {
                                             const ProgramText text = program_text(app);
                                             std::cout << (kind == "man"    ? man_page(text)
                                                           : kind == "bash" ? bash_completion(text)
                                                           : kind == "zsh"  ? zsh_completion(text)
                                                                           : fish_completion(text));
                                             throw CLI::Success();
                                         })
        ->check(CLI::IsMember({"man", "bash", "zsh", "fish"}))
        ->group("");
}

}  // namespace keepsake::editor
