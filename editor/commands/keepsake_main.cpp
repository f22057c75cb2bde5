// The program `keepsake`.
#include "editor/commands/command_line.h"

int main(int argc, char** argv) {
    return keepsake::editor::run_command_line(argc, argv);
}
