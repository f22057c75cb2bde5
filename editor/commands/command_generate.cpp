// keepsake generate
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/edit/generate_files.h"
#include "editor/photo/image_file.h"
#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

struct GenerateArguments {
    RunArguments run;
    SampleArguments sample;
    std::string text;
    std::string out = "generated.png";
    std::optional<int> size;
    std::optional<std::string> image, crop, latents_in, latents_out;
    std::optional<double> strength;
};

void add_options(CLI::App& command, GenerateArguments& arguments) {
    command.add_option("TEXT", arguments.text, "What the image should show")->required();
    command
        .add_option("--out", arguments.out,
                    "The image file (.png, .jpg, .webp), numbered when there are several; "
                    "default: generated.png")
        ->type_name("FILE");
    command.add_option("--size", arguments.size, "Side of the square; default: the model's own");
    command.add_option("--image", arguments.image, "Image to image: the photo to start from")
        ->type_name("FILE");
    command.add_option("--strength", arguments.strength,
                       "With --image: 0 (the photo) to 1 (all new); default 0.8");
    command
        .add_option("--crop", arguments.crop,
                    "With --image: x,y,w,h, the square to start from; default: the centred one")
        ->type_name("X,Y,W,H");
    command
        .add_option("--latents-in", arguments.latents_in,
                    "Initial noise: a safetensors file with `latents`, (B, C, H/8, W/8) float32")
        ->type_name("FILE");
    command.add_option("--latents-out", arguments.latents_out, "Where the final latents go")
        ->type_name("FILE");
    add_sample_options(command, arguments.sample);
    add_run_options(command, arguments.run);
}

GenerateRequest generate_request(const GenerateArguments& arguments) {
    GenerateRequest request;
    request.prompt = checked_text("text", arguments.text);
    require(has_photo_extension(arguments.out), "--out",
            "'" + checked_utf8(arguments.out) + "' does not end in .png, .jpg or .webp");
    request.out = arguments.out;
    if (arguments.size) request.size = checked_size(*arguments.size);
    request.seeds = parse_seeds(arguments.sample.seed);
    request.sample = sample_overrides(arguments.sample);
    request.image = arguments.image;
    require(arguments.image || !arguments.strength, "--strength", "is only for --image");
    require(arguments.image || !arguments.crop, "--crop", "is only for --image");
    if (arguments.crop) request.crop = parse_crop(*arguments.crop);
    request.strength = arguments.strength.value_or(request.strength);
    require(request.strength >= 0 && request.strength <= 1, "--strength", "is not between 0 and 1");
    require(!arguments.latents_in || request.seeds.size() == 1, "--latents-in",
            "stands for the seed's noise: give one --seed");
    request.latents_in = arguments.latents_in;
    request.latents_out = arguments.latents_out;
    request.model = model_path(arguments.run);
    request.compute = start_run(arguments.run);
    return request;
}

}  // namespace

void add_generate(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("generate", "Text to image, or image to image");
    const auto arguments = std::make_shared<GenerateArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, arguments] {
        chosen = [arguments](const Interrupt& interrupt) {
            const GenerateRequest request = generate_request(*arguments);
            Monitor monitor = terminal_monitor(arguments->run, interrupt);
            print_results(generate(request, {&monitor, print_warning}), arguments->sample.json);
        };
    });
}

}  // namespace keepsake::editor
