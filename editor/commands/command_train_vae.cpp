// keepsake train vae
#include <iostream>
#include <memory>

#include "editor/commands/commands_train.h"
#include "editor/commands/json_line.h"
#include "editor/commands/train_options.h"
#include "editor/edit/train_vae.h"

namespace keepsake::editor {
namespace {

struct VaeArguments {
    TrainArguments train;
    std::optional<double> structure, kl;
    double discriminator = 0;
    std::int64_t discriminator_from = 0;
    double held_out = TrainVaeRequest{}.held_out;
};

void add_options(CLI::App& command, VaeArguments& arguments) {
    const optimize::VaeOptions defaults = optimize::vae_options();
    const TrainVaeRequest request;
    add_train_places(command, arguments.train, "vae");
    command
        .add_option("--config", arguments.train.config,
                    "The build: a diffusers config.json, or a folder with one; default: that of "
                    "the default model's autoencoder")
        ->type_name("PATH");
    command
        .add_option("--from", arguments.train.from,
                    "Go on from this autoencoder: a folder, a file, or a model; default: from "
                    "nothing")
        ->type_name("PATH");
    command.add_option("--size", arguments.train.size,
                       "Side of the square in pixels; default " + std::to_string(request.size));
    command.add_flag("--mirror", arguments.train.mirror,
                     "Every other time a picture is seen mirrored");
    add_train_steps(command, arguments.train, train_steps(defaults));
    command.add_option("--structure", arguments.structure,
                       "Weight of 1 - SSIM at up to three scales, beside the mean absolute error; "
                       "default " +
                           number_text(defaults.structure));
    command.add_option("--kl", arguments.kl,
                       "Weight of the divergence from the standard normal, as a sum beside a sum "
                       "over pixels; default " +
                           number_text(defaults.kl) + " (latent-diffusion)");
    command.add_option("--discriminator", arguments.discriminator,
                       "Weight of what a discriminator says of each patch (PatchGAN, hinge loss), "
                       "which learns beside the autoencoder: texture in place of blur; "
                       "latent-diffusion: 0.5; default 0, none");
    command.add_option("--discriminator-from", arguments.discriminator_from,
                       "The step from which on it counts and learns; latent-diffusion: 50000; "
                       "default 0");
    command.add_option("--held-out", arguments.held_out,
                       "Percent of the pictures that are not learned from, to measure by; "
                       "default " +
                           number_text(request.held_out));
    add_train_run(command, arguments.train, request.every);
}

TrainVaeRequest request_of(const VaeArguments& arguments) {
    TrainVaeRequest request;
    const TrainArguments& given = arguments.train;
    optimize::VaeOptions& options = request.options;
    const RunPlaces places = run_places(given.pictures, given.name, "vae", given.out);
    request.pictures = places.pictures;
    request.out = places.out;
    request.name = places.name;
    if (given.config) request.config = *given.config;
    if (given.from) request.from = *given.from;
    if (given.size) request.size = checked_size(*given.size);
    request.mirror = given.mirror;
    set_train_steps(given, options);
    options.structure = arguments.structure.value_or(options.structure);
    options.kl = arguments.kl.value_or(options.kl);
    require(options.structure >= 0 && options.structure <= 1000, "--structure",
            "is not between 0 and 1000");
    require(options.kl >= 0 && options.kl <= 1000, "--kl", "is not between 0 and 1000");
    require(arguments.discriminator >= 0 && arguments.discriminator <= 1000, "--discriminator",
            "is not between 0 and 1000");
    require(arguments.discriminator_from >= 0, "--discriminator-from", "is below 0");
    require(arguments.discriminator_from == 0 || arguments.discriminator > 0,
            "--discriminator-from", "is for --discriminator, which has no weight");
    options.adversarial = {arguments.discriminator, arguments.discriminator_from};
    require(arguments.held_out >= 0 && arguments.held_out <= 50, "--held-out",
            "is not between 0 and 50");
    request.held_out = arguments.held_out;
    request.seed = given.seed;
    request.restart = given.restart;
    request.every = checked_every(given.every);
    request.compute = start_run(given.run);
    request.options.stage.arithmetic = request.compute.arithmetic;
    return request;
}

void report(const TrainVaeResult& result, bool json) {
    if (!json) {
        std::cout << result.folder.string() << "\n";
        if (!result.sheet.empty()) std::cout << result.sheet.string() << "\n";
        return;
    }
    nlohmann::ordered_json line;
    line["file"] = result.folder.string();
    line["steps"] = result.steps;
    line["seconds"] = result.seconds;
    line["pictures"] = {{"learned_from", result.learned_from}, {"held_out", result.held_out}};
    line["scaling_factor"] = result.scale;
    line["quality"] = nlohmann::ordered_json::array();
    for (const optimize::VaeQuality& one : result.evaluations)
        line["quality"].push_back({{"step", one.step},
                                   {"psnr", one.psnr},
                                   {"ssim", one.ssim},
                                   {"absolute", one.absolute}});
    if (!result.sheet.empty()) line["sheet"] = result.sheet.string();
    std::cout << json_line(line);
}

}  // namespace

void add_train_vae(CLI::App& train, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command =
        *train.add_subcommand("vae", "An autoencoder: pictures made small, and brought back");
    const auto arguments = std::make_shared<VaeArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            const TrainVaeRequest request = request_of(*arguments);
            Monitor monitor = rank_monitor(arguments->train.run, interrupt, ranks);
            const TrainVaeResult result =
                train_vae_run(request, monitor, rank_warning(ranks), ranks);
            if (is_first(ranks)) report(result, arguments->train.json);
        };
    });
}

}  // namespace keepsake::editor
