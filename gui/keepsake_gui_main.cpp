// keepsake-gui [PHOTO or SESSION]; under the name keepsake-external: keepsake-external PHOTO
#include <CLI/CLI.hpp>
#include <cstdio>

#include "editor/commands/interrupt.h"
#include "editor/commands/manual.h"
#include "gui/window.h"

int main(int argc, char** argv) {
    // Before any other thread: SIGTERM, SIGINT and SIGHUP close the window, which saves.
    const keepsake::editor::Interrupt interrupt;
    keepsake::gui::WindowOptions options;
    options.stop = interrupt.token();
    std::string size;
    float scale = 0;
    CLI::App app("Edit a photo by words", "keepsake-gui");
    keepsake::editor::add_version_and_manual(app);
    app.add_option("PATH", options.open, "A photo, or a session's folder");
    app.add_option("--external", options.external,
                   "A photo that another program gives to be changed: Save and close writes the "
                   "edit into it, of the same size, depth, profile and metadata; Discard leaves it "
                   "as it is. Started as keepsake-external, PATH is that photo")
        ->type_name("FILE");
    app.add_option("--model", options.worker.model,
                   "A diffusers folder or a single .safetensors checkpoint; default: "
                   "$KEEPSAKE_MODEL, else the bundled model");
    app.add_option("--library", options.worker.library,
                   "Where sessions are made; default: keepsake in $XDG_DATA_HOME, else in "
                   "~/.local/share");
    app.add_option("--device", options.worker.device, "cpu, cuda or auto (the default)")
        ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
    app.add_option("--precision", options.worker.precision,
                   "float32 (the default), bfloat16, or auto: bfloat16 where the processor is fast "
                   "at it")
        ->check(CLI::IsMember({"float32", "bfloat16", "auto"}));
    app.add_option("--width", options.width, "Of the window, in pixels");
    app.add_option("--height", options.height, "Likewise");
    app.add_option("--scale", scale, "Of everything drawn; default: the display's")
        ->check(CLI::Range(0.5F, 4.0F));
    app.add_option("--state-file", options.state_file,
                   "Writes what was drawn last as JSON, for tests");
    app.add_option("--frame-log", options.frame_log, "Writes how long each frame took, for tests");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (scale > 0) options.scale = scale;
    // For programs that can be told a program and no arguments of it.
    if (std::filesystem::path(argv[0]).filename() == "keepsake-external")
        std::swap(options.open, options.external);
    if (!options.open.empty() && !options.external.empty()) {
        std::fprintf(stderr, "keepsake-gui: --external: is a photo of its own; leave out PATH\n");
        return 2;
    }
    try {
        keepsake::gui::run_window(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "keepsake-gui: %s\n", error.what());
        return 1;
    }
    return interrupt.token().stop_requested() ? interrupt.exit_status() : 0;
}
