// keepsake edit, keepsake render
#include <iostream>
#include <memory>

#include "editor/commands/edit_options.h"
#include "editor/commands/option_values.h"
#include "editor/commands/print_results.h"
#include "editor/edit/edit_grid.h"

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

struct GridArguments {
    std::optional<std::string> file, guidances;
    std::vector<std::string> texts;  // of `edit`
};

void add_grid_options(CLI::App& command, GridArguments& arguments) {
    command
        .add_option("--grid", arguments.file,
                    "All pictures on one sheet, labelled: seeds and strengths side by side; with "
                    "--out FOLDER")
        ->type_name("FILE");
    command
        .add_option("--grid-guidance", arguments.guidances,
                    "With --grid: a row of pictures for each of these guidances")
        ->type_name("G[,G...]");
}

// None: no grid is asked for.
std::optional<EditGrid> grid_of(const GridArguments& arguments, const RenderRequest& request) {
    require(arguments.file || !arguments.guidances, "--grid-guidance", "is only for --grid");
    require(arguments.file || arguments.texts.empty(), "--grid-text", "is only for --grid");
    if (!arguments.file) return std::nullopt;
    require(has_photo_extension(*arguments.file), "--grid",
            "'" + checked_utf8(*arguments.file) + "' does not end in .png, .jpg, .webp or .tif");
    require(!request.out.path.empty() && !request.out.is_file, "--grid", "needs --out FOLDER");
    EditGrid grid{*arguments.file, {}, {}};
    for (const std::string& text : arguments.texts)
        grid.more_texts.push_back(checked_text("--grid-text", text));
    if (!arguments.guidances) return grid;
    require(!request.sample.guidance_scale, "--guidance",
            "and --grid-guidance do not go together: one says what the other says");
    grid.guidances = parse_guidances("--grid-guidance", *arguments.guidances);
    return grid;
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
    const auto grid = std::make_shared<GridArguments>();
    add_edit_options(command, *arguments);
    add_grid_options(command, *grid);
    command
        .add_option("--grid-text", grid->texts,
                    "With --grid: one more text, with a session and rows of its own; as often as "
                    "needed")
        ->type_name("TEXT")
        ->expected(1)
        ->take_all();
    command.callback([&chosen, arguments, grid] {
        chosen = [arguments, grid](const Interrupt& interrupt) {
            const EditRequest request = request_of(*arguments);
            const std::optional<EditGrid> sheet = grid_of(*grid, request.render);
            Monitor monitor = terminal_monitor(arguments->render.run, interrupt);
            const EditControls controls{&monitor, print_warning};
            try {
                print_results(
                    sheet ? edit_grid(request, *sheet, controls) : edit(request, controls),
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
    const auto grid = std::make_shared<GridArguments>();
    add_out_option(command, *arguments);
    add_render_options(command, *arguments);
    add_grid_options(command, *grid);
    command.callback([&chosen, arguments, session, preview, grid] {
        chosen = [arguments, session, preview, grid](const Interrupt& interrupt) {
            require(!session->empty(), "SESSION", "is empty");
            RenderRequest request = render_request(*arguments);
            request.preview = *preview;
            request.out = parse_destination(arguments->out, request);
            const std::optional<EditGrid> sheet = grid_of(*grid, request);
            Monitor monitor = terminal_monitor(arguments->run, interrupt);
            const EditControls controls{&monitor, print_warning};
            print_results(sheet ? render_grid(*session, request, *sheet, controls)
                                : render_session(*session, request, controls),
                          arguments->sample.json);
        };
    });
}

}  // namespace keepsake::editor
