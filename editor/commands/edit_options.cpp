#include "editor/commands/edit_options.h"

#include <cmath>

#include "editor/session/recipe.h"

namespace keepsake::editor {
namespace {

Way checked_way(const std::string& text) {
    require(text == "words" || text == "line", "--way",
            "'" + checked_utf8(text) + "' is none of words, line");
    return parse_way(text);
}

void check_stage(const StageOverrides& stage, const std::string& name) {
    require(stage.steps.value_or(0) >= 0, "--" + name + "-steps", "is less than 0");
    const double rate = stage.learning_rate.value_or(0);
    require(std::isfinite(rate) && rate >= 0, "--" + name + "-lr", "is no number from 0 up");
    require(stage.rank.value_or(0) >= 0 && stage.rank.value_or(0) <= 1024, "--rank",
            "is not from 0 to 1024");
}

Mode checked_mode(const std::string& text) {
    require(text == "fast" || text == "paper" || text == "quick" || text == "inpaint", "--mode",
            "'" + checked_utf8(text) + "' is none of fast, paper, quick, inpaint");
    return parse_mode(text);
}

optimize::Checkpointing checked_checkpointing(const std::string& text) {
    require(text == "auto" || text == "on" || text == "off", "--checkpointing",
            "'" + checked_utf8(text) + "' is none of auto, on, off");
    using optimize::Checkpointing;
    return text == "on"    ? Checkpointing::on
           : text == "off" ? Checkpointing::off
                           : Checkpointing::automatic;
}

}  // namespace

void add_text_option(CLI::App& command, EditArguments& arguments) {
    command.add_option("TEXT", arguments.text, "What the photo should show")->required();
}

void add_tuning_options(CLI::App& command, EditArguments& arguments) {
    command.add_flag("--restart", arguments.restart, "Tune anew what the session holds");
    command
        .add_option("--mode", arguments.mode,
                    "The tuning recipe: fast (default; a LoRA, few steps), paper (Imagic's own), "
                    "quick (nothing is learned: a first look, in the time of a render) or inpaint "
                    "(likewise: what --mask says is drawn anew)")
        ->type_name("fast|paper|quick|inpaint");
    command.add_option(
        "--size", arguments.size,
        "Side in pixels of a square as large as the working area; default: the model's own");
    command
        .add_option("--crop", arguments.crop,
                    "x,y,w,h: the part of the photo to work on; default: the whole photo, or of a "
                    "panorama the middle")
        ->type_name("X,Y,W,H");
    command.add_option("--embedding-steps", arguments.embedding.steps, "Stage A: steps");
    command.add_option("--embedding-lr", arguments.embedding.learning_rate,
                       "Stage A: learning rate");
    command.add_option("--finetune-steps", arguments.finetune.steps, "Stage B: steps");
    command.add_option("--finetune-lr", arguments.finetune.learning_rate,
                       "Stage B: learning rate; 0: the one that suits the network is found by "
                       "trying, as for every model without a keepsake.json in fast mode");
    command.add_option("--rank", arguments.finetune.rank,
                       "Stage B: rank of the LoRA that learns; 0: all weights learn");
    command.add_option("--tuning-seed", arguments.tuning_seed,
                       "Of the tuning's noise and timesteps; default 0");
    command.add_option("--checkpoint-seconds", arguments.checkpoint_seconds,
                       "Time between two savings of a tuning under way; default 30");
    command
        .add_option("--checkpointing", arguments.checkpointing,
                    "auto, on or off: compute activations again in the backward pass instead of "
                    "keeping them, which takes less memory and about a third more time; auto "
                    "(the default): where they would not fit into the memory that is free")
        ->type_name("auto|on|off");
}

void add_render_options(CLI::App& command, RenderArguments& arguments) {
    command.add_option(
        "--eta", arguments.eta,
        "auto, X or A:B:N: strength, or N evenly spaced from A to B; 0 is the photo. "
        "auto, the default: those in which something happens, and the name of the "
        "smallest at which the words have arrived; of one image, that one");
    command
        .add_option("--way", arguments.way,
                    "How a strength becomes a picture: words (the fast mode's; the words pull, the "
                    "photo's layout stays) or line (Imagic's own, from the photo's embedding to "
                    "the text's)")
        ->type_name("words|line");
    command.add_option("--noise-share", arguments.noise_share,
                       "0..1: how much of what sampling starts from is the seed's noise. The rest "
                       "is the photo's own, which keeps its structure; 1: noise alone, as the "
                       "paper has it");
    add_output_options(command, arguments.output);
    add_sample_options(command, arguments.sample);
    add_model_options(command, arguments.run);
    add_run_options(command, arguments.run);
}

RenderRequest render_request(const RenderArguments& arguments) {
    RenderRequest request;
    if (arguments.eta) request.eta = parse_eta_option(*arguments.eta);  // none: auto
    request.seeds = parse_seeds(arguments.sample.seed);
    request.sample = sample_overrides(arguments.sample);
    request.sample.noise_share = arguments.noise_share;
    if (arguments.way) request.way = checked_way(*arguments.way);
    const double share = arguments.noise_share.value_or(1);
    require(share >= 0 && share <= 1, "--noise-share", "is not between 0 and 1");
    request.output = output_request(arguments.output);
    request.model = model_path(arguments.run);
    request.compute = start_run(arguments.run);
    return request;
}

EditRequest edit_request(const EditArguments& arguments) {
    EditRequest request;
    request.photo = arguments.photo;
    request.prompt = checked_text("target text", arguments.text);
    if (arguments.mode) request.mode = checked_mode(*arguments.mode);
    if (arguments.crop) request.crop = parse_crop(*arguments.crop);
    if (arguments.size) request.size = checked_size(*arguments.size);
    request.tuning_seed = arguments.tuning_seed;
    check_stage(arguments.embedding, "embedding");
    check_stage(arguments.finetune, "finetune");
    request.embedding = arguments.embedding;
    request.finetune = arguments.finetune;
    request.restart = arguments.restart;
    require(arguments.checkpoint_seconds >= 0, "--checkpoint-seconds", "is no number from 0 up");
    request.checkpoint_seconds = arguments.checkpoint_seconds;
    if (arguments.checkpointing)
        request.checkpointing = checked_checkpointing(*arguments.checkpointing);
    request.render = render_request(arguments.render);
    return request;
}

}  // namespace keepsake::editor
