// keepsake batch
#include <charconv>
#include <iostream>
#include <memory>

#include "editor/commands/edit_options.h"
#include "editor/commands/json_line.h"
#include "editor/commands/print_results.h"
#include "editor/commands/progress.h"
#include "editor/edit/batch.h"
#include "editor/photo/photo.h"
#include "editor/session/recipe.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

struct BatchArguments {
    EditArguments edit;  // its photo, session and start are none
    std::string folder;
    std::optional<std::string> masks, shard;
    bool single = false;
};

void add_batch_options(CLI::App& command, BatchArguments& arguments) {
    command.add_option("FOLDER", arguments.folder, "The photos: JPEG, PNG, WebP or TIFF")
        ->type_name("FOLDER")
        ->required();
    add_text_option(command, arguments.edit);
    command
        .add_option("--out", arguments.edit.render.out,
                    "A folder for the images, sessions, results.csv and sheet.png; default: "
                    "FOLDER's name with -edited, beside it")
        ->type_name("FOLDER");
    command
        .add_option("--masks", arguments.masks,
                    "A folder of masks, by the photos' names: rose.png or rose-mask.png for "
                    "rose.jpg. Those beside the photos (rose-mask.png) are found without it. "
                    "Photos without one have --mask")
        ->type_name("FOLDER");
    command.add_flag("--single", arguments.single,
                     "One picture a photo, by the photo's own name: of the strength at which the "
                     "words have arrived, or of the one --eta");
    command
        .add_option("--shard", arguments.shard,
                    "I/N: of N programs that share the work and --out this is number I, from 1")
        ->type_name("I/N");
    add_tuning_options(command, arguments.edit);
    add_render_options(command, arguments.edit.render);
}

void parse_shard(const std::string& text, BatchRequest& request) {
    const char* const end = text.data() + text.size();
    const auto [slash, code] = std::from_chars(text.data(), end, request.shard);
    bool fits = code == std::errc() && slash != end && *slash == '/';
    if (fits) {
        const auto [rest, of_count] = std::from_chars(slash + 1, end, request.shards);
        fits = of_count == std::errc() && rest == end;
    }
    require(fits && request.shard >= 1 && request.shard <= request.shards, "--shard",
            "'" + checked_utf8(text) + "' is not I/N with I from 1 to N");
}

fs::path default_out(const std::string& folder) {
    std::string text = folder;
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    std::error_code code;
    const fs::path whole = fs::absolute(text, code).lexically_normal();
    return fs::path(text).parent_path() / (whole.filename().string() + "-edited");
}

BatchRequest batch_request(const BatchArguments& arguments) {
    BatchRequest request;
    require(!arguments.folder.empty(), "FOLDER", "is empty");
    request.folder = arguments.folder;
    request.out = arguments.edit.render.out.empty() ? default_out(arguments.folder)
                                                    : fs::path(arguments.edit.render.out);
    require(!has_photo_extension(request.out), "--out", "is an image; give a folder");
    if (arguments.masks) {
        require(!arguments.masks->empty(), "--masks", "is empty");
        require(arguments.edit.render.output.full, "--masks", "does not apply with --no-full");
        request.masks = *arguments.masks;
    }
    if (arguments.shard) parse_shard(*arguments.shard, request);
    request.single = arguments.single;
    request.edit = edit_request(arguments.edit);
    const RenderRequest& render = request.edit.render;
    require(
        !request.single || ((!render.eta || render.eta->count == 1) && render.seeds.size() == 1),
        "--single", "is one picture a photo: give one --eta and one --seed");
    return request;
}

void tell_sums(const BatchResult& result, bool json) {
    if (json) {
        nlohmann::ordered_json line;
        line["photos"] = result.photos;
        line["done"] = result.done;
        line["skipped"] = result.skipped;
        line["failed"] = result.failed;
        line["table"] = result.table.string();
        line["sheets"] = nlohmann::ordered_json::array();
        for (const fs::path& sheet : result.sheets) line["sheets"].push_back(sheet.string());
        std::cout << json_line(line);
        return;
    }
    std::cout << result.table.string() << "\n";
    for (const fs::path& sheet : result.sheets) std::cout << sheet.string() << "\n";
}

// In lines a stage's end alone, lest the log of a thousand photos be of forty thousand lines.
Monitor batch_monitor(const RunArguments& run, const Interrupt& interrupt) {
    const ProgressStyle style = progress_style(run.quiet);
    const Monitor::Report report = progress_report(style);
    if (style != ProgressStyle::lines) return Monitor(report, interrupt.token());
    const auto ends = [report](const Progress& progress) {
        if (progress.done >= progress.total) report(progress);
    };
    return Monitor(ends, interrupt.token());
}

void batch(const BatchArguments& arguments, const Interrupt& interrupt) {
    const BatchRequest request = batch_request(arguments);
    const RenderArguments& render = arguments.edit.render;
    Monitor monitor = batch_monitor(render.run, interrupt);
    const auto finished = [&](const BatchPhoto& photo, const EditResult& result) {
        print_results(result, render.sample.json, photo.file.string());
        std::cout.flush();
    };
    BatchResult result;
    try {
        edit_batch(request, {&monitor, print_warning, finished}, result);
    } catch (const Cancelled&) {
        std::cerr << "keepsake: stopped: " << result.done + result.skipped << " of "
                  << result.photos << " photos are done in " << request.out.string()
                  << "; the same command goes on from there" << std::endl;
        throw;
    }
    tell_sums(result, render.sample.json);
    std::cout.flush();
    if (result.failed == 0) return;
    throw Error(request.folder.string(),
                std::to_string(result.failed) + " of " + std::to_string(result.photos) +
                    " photos failed, the others are done; " + result.table.string() + " says why");
}

}  // namespace

void add_batch(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("batch", "The same edit for all photos of a folder");
    const auto arguments = std::make_shared<BatchArguments>();
    add_batch_options(command, *arguments);
    command.callback([&chosen, arguments] {
        chosen = [arguments](const Interrupt& interrupt) { batch(*arguments, interrupt); };
    });
}

}  // namespace keepsake::editor
