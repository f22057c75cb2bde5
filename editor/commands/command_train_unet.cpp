// keepsake train unet
#include <memory>

#include "editor/commands/commands_train.h"
#include "editor/commands/learn_options.h"
#include "editor/commands/train_options.h"
#include "optimize/scratch/unet.h"

namespace keepsake::editor {
namespace {

struct UNetArguments {
    TrainArguments train;
    std::optional<std::string> vae;
    std::optional<double> min_snr, dropout, noise_offset;
    bool zero_snr = false, buckets = false;
    std::optional<std::string> sample_prompts;
    double held_out = UNetRequest{}.held_out;
};

void add_options(CLI::App& command, UNetArguments& arguments) {
    const optimize::PictureOptions defaults = optimize::unet_options();
    add_train_places(command, arguments.train, "unet");
    command
        .add_option("--model", arguments.train.run.model,
                    "Whose autoencoder, text encoder and tokenizer it learns with, a diffusers "
                    "folder; default: $KEEPSAKE_MODEL, else the bundled model")
        ->type_name("FOLDER");
    command
        .add_option("--vae", arguments.vae,
                    "An autoencoder in place of the model's own, as `keepsake train vae` leaves it")
        ->type_name("PATH");
    command
        .add_option("--config", arguments.train.config,
                    "The build: a diffusers config.json, or a folder with one; default: that of "
                    "the model's U-Net")
        ->type_name("PATH");
    command
        .add_option("--from", arguments.train.from,
                    "Go on from this model's U-Net; default: from nothing")
        ->type_name("PATH");
    command
        .add_option("--prediction", arguments.train.run.prediction,
                    "What it learns to predict; default: what the model's scheduler says")
        ->type_name("epsilon|v_prediction|sample");
    command.add_flag("--zero-snr", arguments.zero_snr,
                     "Noise alone at the last timestep (zero terminal SNR, Lin et al.); needs "
                     "v_prediction");
    command.add_option("--size", arguments.train.size, "Side in pixels; default: the model's own");
    command.add_flag("--buckets", arguments.buckets,
                     "Pictures keep their shape about, and their area is that of the square; "
                     "default: the centred square is cut out");
    command.add_flag("--mirror", arguments.train.mirror,
                     "Every other time a picture is seen mirrored");
    add_train_steps(command, arguments.train, train_steps(defaults));
    command.add_option("--min-snr", arguments.min_snr,
                       "Gamma of the min-SNR weights (Hang et al.); 0: every timestep counts "
                       "alike; default " +
                           number_text(defaults.min_snr_gamma));
    command.add_option("--caption-dropout", arguments.dropout,
                       "Share of pictures without caption, which guidance needs (latent diffusion, "
                       "Ho & Salimans); default " +
                           number_text(defaults.caption_dropout));
    command.add_option("--noise-offset", arguments.noise_offset,
                       "Noise of whole channels, usually 0.05 to 0.1; default 0");
    command.add_option("--held-out", arguments.held_out,
                       "Percent of the pictures that are not learned from, to measure by; "
                       "default " +
                           number_text(arguments.held_out));
    command
        .add_option("--sample-prompts", arguments.sample_prompts,
                    "What is drawn on the way: a file with a prompt a line, as for `keepsake "
                    "learn`")
        ->type_name("FILE");
    add_train_run(command, arguments.train, 1000);
}

LearnRequest request_of(const UNetArguments& arguments) {
    const TrainArguments& given = arguments.train;
    LearnRequest request;
    request.kind = LearnKind::unet;
    optimize::PictureOptions& options = request.options;
    options = optimize::unet_options();
    const RunPlaces places = run_places(given.pictures, given.name, "unet", given.out);
    request.pictures = places.pictures;
    request.out = places.out;
    request.name = places.name;
    if (given.config) request.unet.config = *given.config;
    if (given.from) request.unet.from = *given.from;
    request.unet.zero_snr = arguments.zero_snr;
    require(arguments.held_out >= 0 && arguments.held_out <= 50, "--held-out",
            "is not between 0 and 50");
    request.unet.held_out = arguments.held_out;
    if (given.size) request.size = checked_size(*given.size);
    request.buckets = arguments.buckets;
    request.mirror = given.mirror;
    set_train_steps(given, options);
    options.min_snr_gamma = arguments.min_snr.value_or(options.min_snr_gamma);
    require(options.min_snr_gamma >= 0 && options.min_snr_gamma <= 1e6, "--min-snr",
            "is not between 0 and 1e6");
    options.caption_dropout = arguments.dropout.value_or(options.caption_dropout);
    require(options.caption_dropout >= 0 && options.caption_dropout <= 1, "--caption-dropout",
            "is not between 0 and 1");
    options.noising.offset = arguments.noise_offset.value_or(0);
    require(options.noising.offset >= 0 && options.noising.offset <= 10, "--noise-offset",
            "is not between 0 and 10");
    request.seed = given.seed;
    request.restart = given.restart;
    request.every = checked_every(given.every);
    if (arguments.sample_prompts) request.sample_prompts = *arguments.sample_prompts;
    RunArguments run = given.run;
    run.vae = arguments.vae;
    request.model = model_path(run);
    request.compute = start_run(run);
    request.options.stage.arithmetic = request.compute.arithmetic;
    return request;
}

}  // namespace

void add_train_unet(CLI::App& train, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command = *train.add_subcommand(
        "unet", "The network that draws, from pictures with captions: a whole model comes of it");
    const auto arguments = std::make_shared<UNetArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            LearnArguments shown;
            shown.run = arguments->train.run;
            shown.json = arguments->train.json;
            run_learn(request_of(*arguments), shown, interrupt, ranks);
        };
    });
}

}  // namespace keepsake::editor
