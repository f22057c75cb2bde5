// What a shell offers for the words of our command line, one function for each shell.
#include <algorithm>
#include <sstream>

#include "editor/commands/manual.h"

namespace keepsake::editor {
namespace {

// 'text' for any of the three shells; only fish reads backslashes in it.
std::string quoted(const std::string& text, bool fish = false) {
    std::string result = "'";
    for (const char c : text) {
        if (c == '\'')
            result += fish ? "\\'" : "'\\''";
        else if (c == '\\' && fish)
            result += "\\\\";
        else
            result += c;
    }
    return result + "'";
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
    return text;
}

// A shell function of this program's.
std::string function_name(const ProgramText& text) {
    std::string name = "_" + text.program.name;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
}

bool has_files_by_place(const CommandText& command) {
    return std::any_of(
        command.options.begin(), command.options.end(),
        [](const OptionText& option) { return option.positional && option.takes_files; });
}

// One branch of bash's `case $command in`.
void write_bash_command(std::ostream& script, const CommandText& command, bool is_program) {
    if (!command.commands.empty() && !is_program) {
        std::vector<std::string> parts;
        for (const auto& [name, description] : command.commands) parts.push_back(name);
        script << "    " << command.name << ") words=" << quoted(joined(parts, " ")) << " ;;\n";
        return;
    }
    script << "    " << quoted(is_program ? "" : command.name) << ")\n        case $previous in\n";
    std::vector<std::string> all;
    for (const OptionText& option : command.options) {
        if (option.positional) continue;
        all.insert(all.end(), option.names.begin(), option.names.end());
        if (option.value.empty()) continue;
        script << "        " << joined(option.names, " | ")
               << ") words=" << quoted(joined(option.choices, " "))
               << " files=" << (option.takes_files ? "yes" : "") << " ;;\n";
    }
    script << "        *) options=" << quoted(joined(all, " "))
           << " files=" << (has_files_by_place(command) ? "yes" : "") << " ;;\n"
           << "        esac ;;\n";
}

std::string zsh_description(const std::string& text) {
    std::string result;
    for (const char c : text) {
        if (c == '[' || c == ']' || c == '\\') result += '\\';
        result += c;
    }
    return result;
}

// What zsh does for a value: ":FILE:_files", ":fast|paper:(fast paper)".
std::string zsh_action(const OptionText& option) {
    std::string message = option.positional ? option.names[0] : option.value;
    const std::string words = joined(option.choices, " ");
    if (option.takes_files && !words.empty())
        return ":" + message + ":{ compadd " + words + "; _files }";
    if (option.takes_files) return ":" + message + ":_files";
    return ":" + message + ":" + (words.empty() ? " " : "(" + words + ")");
}

// The arguments of zsh's _arguments for one command, each on a line of its own.
std::string zsh_arguments(const CommandText& command) {
    std::string lines;
    int place = 0;
    for (const OptionText& option : command.options) {
        if (option.positional) {
            lines += " \\\n        " + quoted(std::to_string(++place) + zsh_action(option));
            continue;
        }
        for (const std::string& name : option.names)
            lines +=
                " \\\n        " + quoted(name + "[" + zsh_description(option.description) + "]" +
                                         (option.value.empty() ? "" : zsh_action(option)));
    }
    return lines;
}

// A command of another command: "learn subject".
bool is_part(const CommandText& command) {
    return command.name.find(' ') != command.name.npos;
}

const CommandText& part_of(const ProgramText& text, const std::string& name) {
    return *std::ranges::find(text.commands, name, &CommandText::name);
}

// One branch of zsh's `case $command in`.
void write_zsh_command(std::ostream& script, const ProgramText& text, const CommandText& command) {
    script << "    (" << command.name << ")\n";
    if (command.commands.empty()) {
        script << "        _arguments" << zsh_arguments(command) << " ;;\n";
        return;
    }
    script << "        if (( CURRENT == 2 )); then\n            commands=(";
    for (const auto& [name, description] : command.commands)
        script << " " << quoted(name + ":" + description);
    script << " )\n            _describe command commands\n            return\n        fi\n"
           << "        local part=$words[2]\n        shift words\n        (( CURRENT-- ))\n"
           << "        case $part in\n";
    for (const auto& [name, description] : command.commands)
        script << "        (" << name << ")\n        _arguments"
               << zsh_arguments(part_of(text, command.name + " " + name)) << " ;;\n";
    script << "        esac ;;\n";
}

void write_fish_command(std::ostream& script, const std::string& program,
                        const CommandText& command, const std::string& condition) {
    const std::string start =
        "complete -c " + program + (condition.empty() ? "" : " -n " + quoted(condition, true));
    if (has_files_by_place(command)) script << start << " -F\n";
    for (const OptionText& option : command.options) {
        if (option.positional) continue;
        script << start;
        for (const std::string& name : option.names)
            script << (name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
        if (!option.value.empty()) script << (option.takes_files ? " -r -F" : " -x");
        if (!option.choices.empty()) script << " -a " << quoted(joined(option.choices, " "), true);
        script << " -d " << quoted(option.description, true) << "\n";
    }
}

}  // namespace

std::string bash_completion(const ProgramText& text) {
    const std::string name = function_name(text);
    std::ostringstream script;
    script << "# bash completion for " << text.program.name << ", made by its --manual bash\n"
           << name << "() {\n"
           << "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
           << "    local command='' options='' words='' files=''\n";
    if (!text.commands.empty())
        script << "    if [ \"$COMP_CWORD\" -gt 1 ]; then command=${COMP_WORDS[1]}; fi\n";
    for (const CommandText& command : text.commands) {
        if (command.commands.empty()) continue;
        script << "    if [ \"$COMP_CWORD\" -gt 2 ] && [ \"$command\" = " << command.name
               << " ]; then command=\"$command ${COMP_WORDS[2]}\"; fi\n";
    }
    script << "    case $command in\n";
    CommandText program = text.program;
    // A command is offered where an option of the program may stand.
    for (const CommandText& command : text.commands)
        if (!is_part(command)) program.options.push_back({.names = {command.name}});
    write_bash_command(script, program, true);
    for (const CommandText& command : text.commands) write_bash_command(script, command, false);
    script << "    esac\n"
              "    if [[ $current == -* || $command == '' ]]; then words=\"$words $options\"; fi\n"
              "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
              "    if [ \"$files\" ] && [[ $current != -* ]]; then\n"
              "        local -a found\n"
              "        mapfile -t found < <(compgen -f -- \"$current\")\n"
              "        COMPREPLY+=(\"${found[@]}\")\n"
              "        compopt -o filenames 2>/dev/null\n"
              "    fi\n"
              "}\n"
           << "complete -F " << name << " " << text.program.name << "\n";
    return script.str();
}

std::string zsh_completion(const ProgramText& text) {
    const std::string name = function_name(text);
    std::ostringstream script;
    script << "#compdef " << text.program.name << "\n"
           << "# made by " << text.program.name << " --manual zsh\n"
           << name << "() {\n";
    if (text.commands.empty()) {
        script << "    _arguments" << zsh_arguments(text.program) << "\n";
    } else {
        script << "    local -a commands\n    commands=(\n";
        for (const CommandText& command : text.commands)
            if (!is_part(command))
                script << "        " << quoted(command.name + ":" + command.description) << "\n";
        script << "    )\n    if (( CURRENT == 2 )); then\n"
               << "        _describe command commands\n        _arguments"
               << zsh_arguments(text.program) << "\n        return\n    fi\n"
               << "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
               << "    case $command in\n";
        for (const CommandText& command : text.commands)
            if (!is_part(command)) write_zsh_command(script, text, command);
        script << "    esac\n";
    }
    script << "}\n" << name << " \"$@\"\n";
    return script.str();
}

std::string fish_completion(const ProgramText& text) {
    const std::string& name = text.program.name;
    std::ostringstream script;
    script << "# fish completion for " << name << ", made by its --manual fish\n"
           << "complete -c " << name << " -f\n";
    if (text.commands.empty()) {
        write_fish_command(script, name, text.program, "");
        return script.str();
    }
    write_fish_command(script, name, text.program, "__fish_use_subcommand");
    for (const CommandText& command : text.commands) {
        if (is_part(command)) continue;
        const std::string seen = "__fish_seen_subcommand_from ";
        script << "complete -c " << name << " -n __fish_use_subcommand -a " << command.name
               << " -d " << quoted(command.description, true) << "\n";
        if (command.commands.empty())
            write_fish_command(script, name, command, seen + command.name);
        std::string parts;
        for (const auto& [part, description] : command.commands) parts += " " + part;
        for (const auto& [part, description] : command.commands) {
            script << "complete -c " << name << " -n "
                   << quoted(seen + command.name + "; and not __fish_seen_subcommand_from" + parts,
                             true)
                   << " -a " << part << " -d " << quoted(description, true) << "\n";
            write_fish_command(script, name, part_of(text, command.name + " " + part),
                               seen + command.name + "; and " + seen + part);
        }
    }
    return script.str();
}

}  // namespace keepsake::editor
