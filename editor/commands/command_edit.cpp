// keepsake edit, keepsake render
#include <iostream>
#include <memory>

#include "editor/commands/edit_options.h"
#include "editor/commands/print_results.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

void add_out_option(CLI::App& command, RenderArguments& arguments) {
    command
        .add_option("--out", arguments.out,
                    "A folder for the images and the contact sheet, or one image file when one "
                    "--eta and one --seed are given; default: the session's renders/")
        ->type_name("PATH");
}

void add_edit_options(CLI::App& command, EditArguments& arguments) {
    command.add_option("PHOTO", arguments.photo, "JPEG, PNG, WebP or TIFF")
        ->type_name("FILE")
        ->required();
    add_text_option(command, arguments);
    command
        .add_option("--session", arguments.session,
                    "The session's folder; default: <photo's name>.keepsake beside --out. One "
                    "that is there is reopened, and only what is missing is done")
        ->type_name("FOLDER");
    command
        .add_option("--from", arguments.from,
                    "A finished fast session of the same photo: start from what it learned, "
                    "which takes a third of the time")
        ->type_name("FOLDER");
    command
        .add_option("--as-word", arguments.as_word,
                    "Learn a word of this name in place of an embedding that no other program "
                    "takes, and write word, LoRA and texts for them to elsewhere/ in the session")
        ->type_name("NAME");
    add_tuning_options(command, arguments);
    add_out_option(command, arguments.render);
    add_render_options(command, arguments.render);
}

// Beside --out: in the folder that holds it.
fs::path default_session(const EditArguments& arguments) {
    std::string out = arguments.render.out;
    while (out.size() > 1 && out.back() == '/') out.pop_back();
    return fs::path(out).parent_path() / (fs::path(arguments.photo).stem().string() + ".keepsake");
}

EditRequest request_of(const EditArguments& arguments) {
    EditRequest request = edit_request(arguments);
    request.render.out = parse_destination(arguments.render.out, request.render);
    if (arguments.from) {
        require(!arguments.from->empty(), "--from", "is empty");
        request.from = *arguments.from;
    }
    request.as_word = arguments.as_word;
    request.session =
        arguments.session.empty() ? default_session(arguments) : fs::path(arguments.session);
    return request;
}

}  // namespace

void add_edit(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("edit", "Edit a photo by words");
    const auto arguments = std::make_shared<EditArguments>();
    add_edit_options(command, *arguments);
    command.callback([&chosen, arguments] {
        chosen = [arguments](const Interrupt& interrupt) {
            const EditRequest request = request_of(*arguments);
            Monitor monitor = terminal_monitor(arguments->render.run, interrupt);
            try {
                print_results(edit(request, {&monitor, print_warning}),
                              arguments->render.sample.json);
            } catch (const Cancelled&) {
                std::cerr << "keepsake: stopped: the session " << request.session.string()
                          << " is saved; the same command goes on from there" << std::endl;
                throw;
            }
        };
    });
}

void add_render(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("render", "Render again from a tuned session");
    const auto arguments = std::make_shared<RenderArguments>();
    const auto session = std::make_shared<std::string>();
    command.add_option("SESSION", *session, "The session's folder")
        ->type_name("FOLDER")
        ->required();
    const auto preview = std::make_shared<bool>(false);
    command.add_flag("--preview", *preview,
                     "A quick look: 5 steps of unipc from the last timestep (docs/few-steps.md) "
                     "where the session has more, and no strength is chosen: of one image 0.6. "
                     "What is given besides, such as --steps, counts");
    add_out_option(command, *arguments);
    add_render_options(command, *arguments);
    command.callback([&chosen, arguments, session, preview] {
        chosen = [arguments, session, preview](const Interrupt& interrupt) {
            require(!session->empty(), "SESSION", "is empty");
            RenderRequest request = render_request(*arguments);
            request.preview = *preview;
            request.out = parse_destination(arguments->out, request);
            Monitor monitor = terminal_monitor(arguments->run, interrupt);
            print_results(render_session(*session, request, {&monitor, print_warning}),
                          arguments->sample.json);
        };
    });
}

}  // namespace keepsake::editor
