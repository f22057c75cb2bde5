// The man page and the shells' completions: made of the command line's own table, and read by the
// programs that they are for, where those are installed.
#include "editor/commands/manual.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "tests/editor/commands/run_program.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

using namespace keepsake::editor;

// A program with one option of each kind.
struct SmallProgram {
    CLI::App app{"Does 'little' [or \\ nothing]", "small-one"};
    std::string text;
    bool flag = false;

    SmallProgram() {
        CLI::App& paint = *app.add_subcommand("paint", "Paint: a picture");
        paint.add_option("PHOTO", text, "What to paint")->type_name("FILE")->required();
        paint.add_option("--colour", text, "-bright- or 'dull'")->type_name("red|blue");
        paint.add_option("--device", text, "On what")->check(CLI::IsMember({"cpu", "cuda"}));
        paint.add_option("--mask", text, ".none at first")->type_name("auto|FILE");
        paint.add_option("--steps", text, "How many [at most]")->type_name("INT");
        paint.add_flag("--full,!--no-full", flag, "All of it");
        paint.add_option("--secret", text, "Hidden")->group("");
        app.add_subcommand("print", "Print it");
    }
};

const OptionText* find(const CommandText& command, const std::string& name) {
    for (const OptionText& option : command.options)
        for (const std::string& one : option.names)
            if (one == name) return &option;
    return nullptr;
}

TEST(Manual, TheTableIsThatOfTheParser) {
    const SmallProgram small;
    const ProgramText text = program_text(small.app);
    EXPECT_EQ(text.program.name, "small-one");
    ASSERT_EQ(text.commands.size(), 2u);
    const CommandText& paint = text.commands[0];
    EXPECT_EQ(paint.name, "paint");
    ASSERT_NE(find(paint, "PHOTO"), nullptr);
    EXPECT_TRUE(find(paint, "PHOTO")->positional && find(paint, "PHOTO")->required);
    EXPECT_TRUE(find(paint, "PHOTO")->takes_files);
    const std::vector<std::string> colours = {"red", "blue"}, devices = {"cpu", "cuda"},
                                   masks = {"auto"};
    EXPECT_EQ(find(paint, "--colour")->choices, colours);
    EXPECT_EQ(find(paint, "--colour")->value, "red|blue");
    EXPECT_EQ(find(paint, "--device")->choices, devices);
    EXPECT_EQ(find(paint, "--mask")->choices, masks);
    EXPECT_TRUE(find(paint, "--mask")->takes_files);
    EXPECT_EQ(find(paint, "--steps")->value, "INT");
    EXPECT_TRUE(find(paint, "--steps")->choices.empty());
    EXPECT_EQ(find(paint, "--full")->value, "");
    EXPECT_EQ(find(paint, "--full"), find(paint, "--no-full"));
    EXPECT_EQ(find(paint, "--secret"), nullptr);
}

bool has_program(const std::string& name) {
    return std::system(("command -v " + name + " >/dev/null 2>&1").c_str()) == 0;
}

// What a shell writes that has read `script` as the file $script and runs `commands`.
std::string ask(const std::string& shell, const std::string& script, const std::string& commands) {
    const TemporaryFolder folder;
    write_bytes(folder.path / "script", script);
    write_bytes(folder.path / "photo.jpg", "");
    write_bytes(folder.path / "commands", commands);
    const std::string line = "cd '" + folder.path.string() + "' && script=$PWD/script HOME=$PWD " +
                             shell + " commands >out 2>&1";
    EXPECT_EQ(std::system(line.c_str()), 0) << line;
    std::ostringstream out;
    out << std::ifstream(folder.path / "out").rdbuf();
    return out.str();
}

// One word a line, for the words of a command line whose last one is completed.
std::string bash_words(const std::string& script, const std::string& words) {
    return ask("bash --norc", script,
               "source \"$script\"\nCOMP_WORDS=(" + words +
                   ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                   "_small_one\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n");
}

TEST(Manual, BashOffersWhatFits) {
    const SmallProgram small;
    const std::string script = bash_completion(program_text(small.app));
    EXPECT_EQ(bash_words(script, "small-one p"), "paint\nprint\n");
    EXPECT_EQ(bash_words(script, "small-one paint --c"), "--colour\n");
    EXPECT_EQ(bash_words(script, "small-one paint --colour ''"), "red\nblue\n");
    EXPECT_EQ(bash_words(script, "small-one paint --device cu"), "cuda\n");
    EXPECT_EQ(bash_words(script, "small-one paint ph"), "photo.jpg\n");
    EXPECT_EQ(bash_words(script, "small-one paint --mask ph"), "photo.jpg\n");
    EXPECT_EQ(bash_words(script, "small-one paint --mask au"), "auto\n");
    EXPECT_EQ(bash_words(script, "small-one paint --steps ph"), "\n");
    EXPECT_EQ(bash_words(script, "small-one paint --no"), "--no-full\n");
    EXPECT_EQ(bash_words(script, "small-one print --c"), "\n");
}

TEST(Manual, FishOffersWhatFits) {
    if (!has_program("fish")) GTEST_SKIP() << "fish is not installed";
    const SmallProgram small;
    const std::string script = fish_completion(program_text(small.app));
    const auto words = [&](const std::string& line) {
        return ask("fish --no-config", script, "source $script\ncomplete -C '" + line + "'\n");
    };
    EXPECT_EQ(words("small-one p"), "paint\tPaint: a picture\nprint\tPrint it\n");
    EXPECT_EQ(words("small-one paint --c"), "--colour\t-bright- or 'dull'\n");
    EXPECT_EQ(words("small-one paint --colour r"), "red\t-bright- or 'dull'\n");
    EXPECT_EQ(words("small-one paint pho"), "photo.jpg\n");
}

TEST(Manual, ZshOffersWhatFits) {
    if (!has_program("zsh")) GTEST_SKIP() << "zsh is not installed";
    const SmallProgram small;
    // A terminal of zsh's own, in which `keys`, the tab and Enter are pressed; the program that it
    // then runs says its arguments.
    const auto runs = [&](const std::string& keys, const std::string& arguments) {
        const std::string out =
            ask("timeout 60 zsh -f", zsh_completion(program_text(small.app)),
                "zmodload zsh/zpty\nmkdir f\ncp $script f/_small-one\nzpty shell zsh -f -i\n"
                "zpty -w shell 'fpath=($PWD/f $fpath); autoload -U compinit; compinit -u -D; "
                "small-one() { print \"ran<$*>\" }; print REA\"\"DY'\n"
                "zpty -r shell before '*READY*'\n"
                "zpty -w shell '" +
                    keys +
                    "'$'\\t'\n"
                    "zpty -r shell after '*ran<*>*'\nprint -r -- ${${after##*ran<}%%>*}\n");
        EXPECT_EQ(out, arguments + "\n");
    };
    runs("small-one pai", "paint");
    runs("small-one paint --colour r", "paint --colour red");
    runs("small-one paint pho", "paint photo.jpg");
}

// The same with a command that has commands.
struct ProgramWithParts : SmallProgram {
    ProgramWithParts() {
        CLI::App& teach = *app.add_subcommand("teach", "Teach something");
        teach.add_subcommand("word", "A word")->add_option("--token", text, "Which");
        CLI::App& subject = *teach.add_subcommand("subject", "A subject");
        subject.add_option("PHOTOS", text, "Of it")->type_name("PATH")->required();
        subject.add_option("--class", text, "Of what kind")->type_name("rose|tulip");
    }
};

TEST(Manual, CommandsOfACommandStandByThemselves) {
    const ProgramWithParts program;
    const ProgramText text = program_text(program.app);
    ASSERT_EQ(text.commands.size(), 5u);
    EXPECT_EQ(text.commands[2].name, "teach");
    ASSERT_EQ(text.commands[2].commands.size(), 2u);
    EXPECT_EQ(text.commands[2].commands[1].first, "subject");
    EXPECT_EQ(text.commands[4].name, "teach subject");
    EXPECT_NE(find(text.commands[4], "--class"), nullptr);
    const std::string page = man_page(text);
    EXPECT_NE(page.find(".SH SMALL\\-ONE TEACH SUBJECT\n"), page.npos);
    EXPECT_EQ(page.find(".SH SMALL\\-ONE TEACH\n"), page.npos);
    EXPECT_NE(page.find("small\\-one teach subject\\fR \\fIPHOTOS\\fR"), page.npos);
    const std::string script = bash_completion(text);
    EXPECT_EQ(bash_words(script, "small-one te"), "teach\n");
    EXPECT_EQ(bash_words(script, "small-one teach ''"), "word\nsubject\n");
    EXPECT_EQ(bash_words(script, "small-one teach subject --c"), "--class\n");
    EXPECT_EQ(bash_words(script, "small-one teach subject --class t"), "tulip\n");
    EXPECT_EQ(bash_words(script, "small-one teach subject ph"), "photo.jpg\n");
    EXPECT_EQ(bash_words(script, "small-one teach word --c"), "\n");
    if (has_program("fish")) {
        const auto words = [&](const std::string& line) {
            return ask("fish --no-config", fish_completion(text),
                       "source $script\ncomplete -C '" + line + "'\n");
        };
        EXPECT_EQ(words("small-one teach s"), "subject\tA subject\n");
        EXPECT_EQ(words("small-one teach subject --class t"), "tulip\tOf what kind\n");
    }
    if (has_program("zsh")) {
        EXPECT_EQ(ask("zsh -f", zsh_completion(text), "zsh -n $script && echo fine\n"), "fine\n");
    }
}

TEST(Manual, ManReadsThePageWithoutWarnings) {
    const SmallProgram small;
    const std::string page = man_page(program_text(small.app));
    for (const char* part :
         {".TH SMALL\\-ONE 1 ", ".SH SMALL\\-ONE PAINT\n", "\\fB\\-\\-colour\\fR",
          "\n\\&.none at first\n", "\\fIPHOTO\\fR", "[or \\e nothing]"})
        EXPECT_NE(page.find(part), page.npos) << part << " in\n" << page;
    if (!has_program("man")) GTEST_SKIP() << "man is not installed";
    EXPECT_EQ(ask("sh", page, "man --warnings -l \"$script\" 2>&1 >/dev/null\n"), "");
}

TEST(Manual, OfTheProgramItself) {
    for (const char* kind : {"man", "bash", "zsh", "fish"}) {
        const ProgramRun run = run_program({"--manual", kind});
        EXPECT_EQ(run.status, 0) << run.err;
        for (const char* part : {"noise", "checkpointing", "dpmpp_2m", "tokenize"})
            EXPECT_NE(run.out.find(part), run.out.npos) << kind << ": " << part;
        EXPECT_EQ(run.out.find("manual\\fR"), run.out.npos);
    }
    EXPECT_EQ(run_program({"--help"}).out.find("--manual"), std::string::npos);
    EXPECT_EQ(run_program({"--manual", "html"}).status, 2);
}

}  // namespace
}  // namespace keepsake::testing
