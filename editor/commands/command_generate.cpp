// keepsake generate
#include <charconv>
#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/commands/print_results.h"
#include "editor/edit/generate_files.h"
#include "editor/edit/settings_from.h"
#include "editor/photo/image_file.h"
#include "editor/session/files_root.h"
#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/printable_text.h"
#include "pipeline/model/prompt.h"

namespace keepsake::editor {
namespace {

constexpr double most_image_guidance = 100;
constexpr int most_padding = 4096;

struct GenerateArguments {
    RunArguments run;
    SampleArguments sample;
    std::string text;
    std::string out = "generated.png";
    std::optional<std::string> grid, grid_guidance;
    std::vector<std::string> grid_texts;
    std::optional<std::string> size, image, crop, latents_in, latents_out, recipe_from;
    bool parameters = true;
    std::optional<std::string> syntax, rng;
    std::optional<double> strength, image_guidance;
    std::optional<std::string> mask;
    std::string only_masked;  // empty: not given
    bool full = true;
};

void add_options(CLI::App& command, GenerateArguments& arguments) {
    command.add_option("TEXT", arguments.text,
                       "What the image should show; may be left out with --recipe-from");
    command
        .add_option("--out", arguments.out,
                    "The image file (.png, .jpg, .webp), numbered when there are several; "
                    "default: generated.png")
        ->type_name("FILE");
    command
        .add_option("--grid", arguments.grid,
                    "All pictures on one sheet, too: the seeds side by side, labelled")
        ->type_name("FILE");
    command
        .add_option("--grid-guidance", arguments.grid_guidance,
                    "With --grid: a row of pictures for each of these guidances")
        ->type_name("G[,G...]");
    command
        .add_option("--grid-text", arguments.grid_texts,
                    "With --grid: one more text, with rows of its own; as often as needed")
        ->type_name("TEXT")
        ->expected(1)
        ->take_all();
    command
        .add_option("--size", arguments.size,
                    "Side of the square, or WIDTHxHEIGHT; default: the model's own")
        ->type_name("PX");
    command
        .add_option(
            "--recipe-from", arguments.recipe_from,
            "A picture made by Keepsake, AUTOMATIC1111, ComfyUI or InvokeAI, whose settings "
            "hold where no option says otherwise")
        ->type_name("FILE");
    command
        .add_option("--prompt-syntax", arguments.syntax,
                    "plain (the default) or a1111: (x:1.2), [x], BREAK, [a:b:0.5], [a|b], "
                    "<lora:name:0.8> and texts of any length, as AUTOMATIC1111 reads them")
        ->type_name("plain|a1111");
    command
        .add_option("--rng", arguments.rng,
                    "Whose noise a seed means: cpu (PyTorch's on a processor, the default) or "
                    "philox (on a graphics card, AUTOMATIC1111's default)")
        ->type_name("cpu|philox");
    command.add_flag("--parameters,!--no-parameters", arguments.parameters,
                     "Write AUTOMATIC1111's text of the settings into the picture, too (default)");
    command.add_option("--image", arguments.image, "Image to image: the photo to start from")
        ->type_name("FILE");
    command.add_option("--strength", arguments.strength,
                       "With --image: 0 (the photo) to 1 (all new); default 0.8, with --mask 1");
    command.add_option("--image-guidance", arguments.image_guidance,
                       "With --image, of a model that edits by instruction (InstructPix2Pix): how "
                       "closely the photo is kept, 1 or more; default 1.5");
    command
        .add_option("--mask", arguments.mask,
                    "With --image: the picture of what is drawn anew, white on black, of the "
                    "photo's size or the crop's shape. By any model, and best by one made for "
                    "inpainting. What comes out is the photo itself, outside the mask unchanged")
        ->type_name("FILE");
    command.add_flag("--only-masked{" + std::to_string(usual_mask_padding) + "}",
                     arguments.only_masked,
                     "With --mask: work at the model's resolution on the part around the mask "
                     "alone, with 32 pixels of the photo around it, or as many as "
                     "--only-masked=PX says (AUTOMATIC1111's \"Only masked\" and its padding)");
    command.add_flag("--full,!--no-full", arguments.full,
                     "With --mask, and of a model that edits by instruction: write the photo at "
                     "its own size (default), or the model's picture");
    command
        .add_option("--crop", arguments.crop,
                    "With --image: x,y,w,h, the part to start from; default: the whole")
        ->type_name("X,Y,W,H");
    command
        .add_option("--latents-in", arguments.latents_in,
                    "Initial noise: a safetensors file with `latents`, (B, C, H/8, W/8) float32")
        ->type_name("FILE");
    command.add_option("--latents-out", arguments.latents_out, "Where the final latents go")
        ->type_name("FILE");
    add_sample_options(command, arguments.sample);
    add_model_options(command, arguments.run);
    add_run_options(command, arguments.run);
}

// "512" or "512x768"
void set_size(const std::string& text, GenerateRequest& request) {
    const auto side = [&](std::string_view digits) {
        int number = 0;
        const auto [end, code] =
            std::from_chars(digits.data(), digits.data() + digits.size(), number);
        require(code == std::errc() && end == digits.data() + digits.size(), "--size",
                "'" + checked_utf8(text) + "' is neither a side nor WIDTHxHEIGHT in pixels");
        return checked_size(number);
    };
    const std::string_view view(text);
    const std::size_t cross = view.find('x');
    request.size = side(view.substr(0, cross));
    if (cross != view.npos) request.height = side(view.substr(cross + 1));
}

void set_only_masked(const GenerateArguments& arguments, GenerateRequest& request) {
    const std::string& text = arguments.only_masked;
    if (text.empty()) return;
    require(arguments.mask.has_value(), "--only-masked", "is only for --mask");
    require(!arguments.latents_in, "--only-masked",
            "and --latents-in do not go together: what is worked on has its own shape");
    int padding = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), padding);
    const bool number = code == std::errc() && end == text.data() + text.size();
    require(number && padding >= 0 && padding <= most_padding, "--only-masked",
            "'" + checked_utf8(text) + "' is no number of pixels from 0 to " +
                std::to_string(most_padding));
    request.only_masked = padding;
}

// --prompt-syntax and --rng, where they are given.
void set_reading(const GenerateArguments& arguments, GenerateRequest& request) {
    if (arguments.syntax) {
        const std::string& syntax = *arguments.syntax;
        require(syntax == "plain" || syntax == "a1111", "--prompt-syntax",
                "'" + checked_utf8(syntax) + "' is none of plain, a1111");
        request.syntax = pipeline::parse_prompt_syntax(syntax);
    }
    if (arguments.rng) {
        const std::string& rng = *arguments.rng;
        require(rng == "cpu" || rng == "philox", "--rng",
                "'" + checked_utf8(rng) + "' is none of cpu, philox");
        request.rng = rng == "philox" ? NoiseSource::philox : NoiseSource::cpu;
    }
}

// <lora:name:0.8> in the prompt: files of the folder root. Says what the prompt was read as.
void take_prompt_networks(const GenerateArguments& arguments, GenerateRequest& request) {
    if (request.syntax != pipeline::PromptSyntax::a1111) return;
    for (const std::string& text : request.more_prompts)
        require(pipeline::take_networks(text).networks.empty(), "--grid-text",
                "'" + checked_utf8(text) + "' names a network, which would be in all pictures; " +
                    "give it by --lora");
    for (const auto& [kind, name, weight] : pipeline::take_networks(request.prompt).networks) {
        const std::string tag = "<" + kind + ":" + name + ">";
        if (kind != "lora" && kind != "lyco") {
            print_warning("prompt: " + tag + " is of no kind that is known here");
            continue;
        }
        const auto file = find_file(FileKind::lora, name);
        const std::string where = files_root() ? files_root()->string()
                                               : std::string("$KEEPSAKE_FILES, which is not set");
        const std::string why = tag + " is no file in the LoRA folders of " + where;
        // Of a picture's settings it is one more that has no counterpart.
        if (!file && arguments.text.empty()) {
            print_warning(*arguments.recipe_from + ": " + why);
            continue;
        }
        if (!file) throw Error("prompt", why);
        request.compute.adapters.push_back({*file, weight});
    }
    const int steps = request.sample.steps.value_or(pipeline::SampleOptions{}.steps);
    if (!arguments.run.quiet)
        std::cerr << printable("keepsake: the prompt is read as\n" +
                               pipeline::prompt_reading(request.prompt, steps));
}

// What the picture says and nobody else; the rest is told.
void take_settings(const std::filesystem::path& picture, bool seed_given,
                   GenerateRequest& request) {
    if (!seed_given) request.seeds.clear();
    const GenerationSettings settings = settings_of_picture(picture);
    std::string left;
    for (const std::string& what : apply_settings(settings, request))
        left += (left.empty() ? "" : ", ") + what;
    if (!left.empty())
        print_warning(picture.string() + ": of its settings these are not used: " + left);
    if (request.prompt.empty())
        throw Error(picture.string(), "its settings have no text; give one");
}

void set_grid(const GenerateArguments& arguments, GenerateRequest& request) {
    require(arguments.grid || !arguments.grid_guidance, "--grid-guidance", "is only for --grid");
    require(arguments.grid || arguments.grid_texts.empty(), "--grid-text", "is only for --grid");
    if (!arguments.grid) return;
    require(has_photo_extension(*arguments.grid), "--grid",
            "'" + checked_utf8(*arguments.grid) + "' does not end in .png, .jpg, .webp or .tif");
    require(*arguments.grid != arguments.out, "--grid", "is the file of --out, too");
    request.grid = *arguments.grid;
    for (const std::string& text : arguments.grid_texts)
        request.more_prompts.push_back(checked_text("--grid-text", text));
    if (!arguments.grid_guidance) return;
    require(!request.sample.guidance_scale, "--guidance",
            "and --grid-guidance do not go together: one says what the other says");
    request.guidances = parse_guidances("--grid-guidance", *arguments.grid_guidance);
}

GenerateRequest generate_request(const GenerateArguments& arguments) {
    GenerateRequest request;
    require(!arguments.text.empty() || arguments.recipe_from, "text", "is empty");
    if (!arguments.text.empty()) request.prompt = checked_text("text", arguments.text);
    require(has_photo_extension(arguments.out), "--out",
            "'" + checked_utf8(arguments.out) + "' does not end in .png, .jpg or .webp");
    request.out = arguments.out;
    if (arguments.size) set_size(*arguments.size, request);
    request.parameters = arguments.parameters;
    request.seeds = parse_seeds(arguments.sample.seed);
    request.sample = sample_overrides(arguments.sample);
    set_grid(arguments, request);
    request.image = arguments.image;
    require(arguments.image || !arguments.strength, "--strength", "is only for --image");
    require(arguments.image || !arguments.crop, "--crop", "is only for --image");
    require(arguments.image || !arguments.mask, "--mask", "is only for --image");
    require(!arguments.mask || !arguments.mask->empty(), "--mask", "is empty");
    require(arguments.image || arguments.full, "--no-full", "is only for --image");
    require(arguments.image || !arguments.image_guidance, "--image-guidance",
            "is only for --image");
    request.image_guidance = arguments.image_guidance;
    require(!request.image_guidance ||
                (*request.image_guidance >= 1 && *request.image_guidance <= most_image_guidance),
            "--image-guidance", "is not between 1 and 100");
    if (arguments.mask) request.mask = *arguments.mask;
    set_only_masked(arguments, request);
    request.full = arguments.full;
    if (arguments.crop) request.crop = parse_crop(*arguments.crop);
    request.strength = arguments.strength;
    require(!request.strength || (*request.strength >= 0 && *request.strength <= 1), "--strength",
            "is not between 0 and 1");
    require(!arguments.latents_in || request.seeds.size() == 1, "--latents-in",
            "stands for the seed's noise: give one --seed");
    request.latents_in = arguments.latents_in;
    request.latents_out = arguments.latents_out;
    require(!request.height || !request.image, "--size",
            "is one number with --image, whose shape the picture keeps");
    request.model = model_path(arguments.run);
    request.compute = start_run(arguments.run);
    return request;
}

}  // namespace

void add_generate(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand("generate", "Text to image, or image to image");
    const auto arguments = std::make_shared<GenerateArguments>();
    add_options(command, *arguments);
    const CLI::Option* seed = command.get_option("--seed");
    command.callback([&chosen, arguments, seed] {
        chosen = [arguments, seed](const Interrupt& interrupt) {
            GenerateRequest request = generate_request(*arguments);
            if (arguments->recipe_from)
                take_settings(*arguments->recipe_from, seed->count() > 0, request);
            set_reading(*arguments, request);
            take_prompt_networks(*arguments, request);
            Monitor monitor = terminal_monitor(arguments->run, interrupt);
            print_results(generate(request, {&monitor, print_warning}), arguments->sample.json);
        };
    });
}

}  // namespace keepsake::editor
