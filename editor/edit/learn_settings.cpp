#include "editor/edit/learn_settings.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include "editor/edit/clock.h"
#include "editor/edit/device.h"
#include "editor/edit/network_configs.h"
#include "editor/session/place_in.h"
#include "editor/session/recipe.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/number_text.h"
#include "pipeline/networks/activation_bytes.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using optimize::PictureOptions;

std::string gib(double bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f GiB", bytes / (1 << 30));
    return text;
}

std::int64_t parameters_of(const pipeline::TensorMap& tensors) {
    std::int64_t count = 0;
    for (const auto& [name, tensor] : tensors) count += tensor.numel();
    return count;
}

// Numbers of a LoRA on a network.
std::int64_t lora_numbers(const pipeline::TensorMap& parameters,
                          const std::vector<std::string>& layers, std::int64_t rank) {
    std::int64_t count = 0;
    for (const std::string& layer : layers) {
        const at::Tensor& weight = parameters.at(layer + ".weight");
        const std::int64_t least = std::min({rank, weight.size(0), weight.size(1)});
        count += least * (weight.numel() / weight.size(0) + weight.size(0));
    }
    return count;
}

std::int64_t learned_numbers(const LearnPlan& plan) {
    const PictureOptions& options = plan.request.options;
    const auto& unet = plan.model.unet;
    const auto& text = plan.model.text_encoder;
    std::int64_t count = 0;
    if (plan.word) return plan.word->start.numel();
    if (options.all_weights) {
        count = parameters_of(unet.parameters());
        if (options.text_encoder) count += parameters_of(text.parameters());
        return count;
    }
    const pipeline::LoraOptions& lora = options.lora;
    count = lora_numbers(unet.parameters(), pipeline::lora_layers(unet, lora.targets), lora.rank);
    if (options.text_encoder)
        count +=
            lora_numbers(text.parameters(), pipeline::lora_layers(text, lora.targets), lora.rank);
    return count;
}

// "LoRA of rank 16"; ", alpha 8, dropout 0.1" where they are not as they start.
std::string describe(const pipeline::LoraOptions& lora) {
    std::string text = "LoRA of rank " + std::to_string(lora.rank);
    if (lora.alpha) text += ", alpha " + number_text(*lora.alpha);
    if (lora.dropout > 0) text += ", dropout " + number_text(lora.dropout);
    return text;
}

// "LoRA of rank 16, U-Net"
std::string learners(const LearnPlan& plan) {
    const PictureOptions& options = plan.request.options;
    if (plan.word) return describe(*plan.word);
    return (options.all_weights ? std::string("all weights") : describe(options.lora)) +
           (options.text_encoder ? ", U-Net and text encoder" : ", U-Net");
}

// "160x96: 12 pictures".
void describe_sizes(const LearnPlan& plan, std::vector<std::string>& lines) {
    std::map<optimize::BucketSize, std::int64_t> counts;
    for (const SetPicture& picture : plan.set.pictures)
        counts[place_of(picture, plan.size).bucket] += picture.repeats;
    for (const auto& [size, count] : counts)
        lines.push_back("size " + std::to_string(size.width) + "x" + std::to_string(size.height) +
                        ": " + std::to_string(count) + (count == 1 ? " picture" : " pictures"));
}

void describe_captions(const LearnPlan& plan, std::vector<std::string>& lines) {
    if (const auto without = plan.set.without_caption(); without > 0)
        lines.push_back(
            "captions: " + std::to_string(without) + " of " +
            std::to_string(plan.set.pictures.size()) + " have none: " +
            (plan.word ? std::to_string(plan.word->texts.size()) + " templates, " : "") + "\"" +
            plan.prompt + "\"");
    for (const SetPicture& picture : plan.set.pictures)
        for (const std::string& caption : picture.captions)
            if (const auto tokens = plan.model.tokenizer(caption); tokens.cut_tokens > 0)
                lines.push_back("caption of " + picture.name +
                                " is cut: the model does not see \"" +
                                checked_utf8(tokens.cut_text) + "\"");
}

// What the run's own settings do not say and whoever goes on with it needs (learn_again.cpp), and
// the pictures' names for people.
void add_hints(const LearnPlan& plan, ordered_json& hints) {
    const LearnRequest& request = plan.request;
    const auto noted = [&](const fs::path& place) {
        return checked_utf8(place_in(request.out, place).string());
    };
    hints["model"] = checked_utf8(plan.model.path.string());
    hints["name"] = request.name;
    hints["precision"] = precision_name(request.options.stage.arithmetic);
    hints["places"] = ordered_json::array();
    for (const fs::path& place : request.pictures) hints["places"].push_back(noted(place));
    if (request.kind == LearnKind::captions && !request.token.empty())
        hints["token"] = checked_utf8(request.token);
    if (request.word.init) hints["init"] = checked_utf8(*request.word.init);
    if (request.word.style) hints["style"] = true;
    if (!request.word.templates.empty()) hints["templates"] = request.word.templates;
    if (request.prior.folder) hints["class_folder"] = noted(*request.prior.folder);
    hints["pictures"] = ordered_json::array();
    for (const SetPicture& picture : plan.set.pictures)
        if (hints["pictures"].size() < 1000) hints["pictures"].push_back(picture.name);
}

}  // namespace

std::string learned_prompt(const std::string& words) {
    return "a photo of " + words;
}

std::string fingerprint_of_set(const PictureSet& set) {
    Fingerprint fingerprint;
    for (const SetPicture& picture : set.pictures) {
        fingerprint.add(picture.fingerprint);
        fingerprint.add(std::to_string(picture.repeats));
        for (const std::string& caption : picture.captions) {
            fingerprint.end_part();
            fingerprint.add(caption);
        }
        fingerprint.end_part();
    }
    return fingerprint.text();
}

RunRecipe run_recipe(const LearnPlan& plan) {
    const LearnRequest& request = plan.request;
    const PictureOptions& options = request.options;
    RunRecipe recipe;
    recipe.what = learn_name(request.kind);
    ordered_json& s = recipe.settings;
    s["model"] = plan.model.fingerprint;
    s["pictures"] = fingerprint_of_set(plan.set);
    if (!plan.model.words.empty()) {
        s["words"] = ordered_json::array();
        for (const pipeline::LearnedWord& word : plan.model.words)
            s["words"].push_back(pipeline::fingerprint_of_word(word));
    }
    s["prompt"] = plan.prompt;
    if (plan.word) add_settings(*plan.word, *options.word, s);
    if (!plan.class_prompt.empty()) {
        s["class_prompt"] = plan.class_prompt;
        if (request.prior.folder) {
            s["class_set"] = fingerprint_of_set(plan.prior_set);
        } else {
            s["class_pictures"] = request.prior.pictures;
            s["class_steps"] = request.prior.steps;
        }
        s["prior_weight"] = options.prior_weight;
        s["prior"] = options.prior_form == optimize::PriorForm::kohya ? "kohya" : "diffusers";
    }
    s["size"] = plan.size.side;
    s["buckets"] = plan.size.buckets;
    s["mirror"] = plan.size.mirror;
    s["seed"] = request.seed;
    s["steps"] = options.stage.steps;
    s["batch"] = options.stage.batch_size;
    s["accumulation"] = options.accumulation;
    s["learning_rate"] = options.schedule.rate;
    s["schedule"] = static_cast<int>(options.schedule.kind);
    s["warmup"] = options.schedule.warmup_steps;
    s["weight_decay"] = options.weight_decay;
    s["gradient_norm"] = options.max_gradient_norm;
    s["stratified"] = options.stage.draws == optimize::Draws::stratified;
    s["min_snr"] = options.min_snr_gamma;
    s["noise_offset"] = options.noising.offset;
    s["input_perturbation"] = options.noising.perturbation;
    s["caption_dropout"] = options.caption_dropout;
    if (!plan.word) {
        s["text_encoder"] = options.text_encoder;
        s["all_weights"] = options.all_weights;
    }
    if (!plan.word && !options.all_weights) {
        s["rank"] = options.lora.rank;
        // Runs of before these were options go on.
        if (alpha_of(options.lora) != static_cast<double>(options.lora.rank))
            s["alpha"] = alpha_of(options.lora);
        if (options.lora.dropout > 0) s["dropout"] = options.lora.dropout;
        s["targets"] = static_cast<int>(options.lora.targets);
        s["lora_start"] = static_cast<int>(options.lora.start);
    }
    s["ema"] = options.ema ? options.ema->decay : 0.0;
    // What was asked for; else the model's fingerprint says it.
    if (request.kind == LearnKind::unet || plan.model.loaded_with.prediction_type)
        s["prediction"] =
            std::string(pipeline::prediction_name(plan.model.schedule.config.prediction_type));
    if (request.kind == LearnKind::unet) {
        s["unet"] = config_json(plan.model.unet.config());
        s["from"] = request.unet.from ? checked_utf8(request.unet.from->string()) : "";
        s["zero_snr"] = request.unet.zero_snr;
        s["held_out"] = request.unet.held_out;
    }
    add_hints(plan, recipe.hints);
    return recipe;
}

namespace {

// Of one pass of the network for one picture of the largest size.
double seconds_of_pass(const LearnPlan& plan) {
    const at::NoGradGuard no_grad;
    const pipeline::UNetConfig& config = plan.model.unet.config();
    const std::int64_t unit = plan.model.vae.config().downscale();
    const auto largest = std::ranges::max_element(
        plan.size.sizes, {}, [](const auto& size) { return size.width * size.height; });
    const auto options = at::TensorOptions(plan.model.device).dtype(plan.model.dtype);
    const at::Tensor sample =
        at::ones({1, config.in_channels, largest->height / unit, largest->width / unit}, options);
    const at::Tensor timestep = at::full({1}, 500.0, options.dtype(at::kFloat));
    const at::Tensor text = at::ones({1, 77, config.cross_attention_dim}, options);
    constexpr double long_enough = 0.5;
    double seconds = 0;
    // The first one packs weights; of a large network that counts little.
    for (int pass = 0; pass < 3 && seconds < long_enough; ++pass) {
        const Clock::time_point begin = Clock::now();
        plan.model.unet(sample, timestep, text);
        seconds = seconds_since(begin);
    }
    return seconds;
}

std::string about(double seconds) {
    char text[32];
    const bool hours = seconds >= 5400, minutes = seconds >= 90;
    std::snprintf(text, sizeof text,
                  hours     ? "%.1f hours"
                  : minutes ? "%.0f minutes"
                            : "%.1f s",
                  seconds / (hours     ? 3600
                             : minutes ? 60
                                       : 1));
    return text;
}

// Forward and back, and where all weights learn, what Adam does with them.
double seconds_of_steps(const LearnPlan& plan) {
    const PictureOptions& options = plan.request.options;
    const double passes = options.all_weights ? 4 : 3;
    const double classes = plan.class_prompt.empty() ? 1 : 2;
    const auto pictures =
        static_cast<double>(options.stage.steps * options.stage.batch_size * options.accumulation);
    return passes * classes * pictures * seconds_of_pass(plan);
}

}  // namespace

std::vector<std::string> describe_plan(const LearnPlan& plan) {
    const PictureOptions& options = plan.request.options;
    std::vector<std::string> lines;
    const auto say = [&](const std::string& line) { lines.push_back(line); };
    const std::int64_t round = plan.set.with_repeats();
    say("pictures: " + std::to_string(plan.set.pictures.size()) + ", " + std::to_string(round) +
        " in a round");
    describe_sizes(plan, lines);
    describe_captions(plan, lines);
    if (!plan.class_prompt.empty())
        say("class: " +
            (plan.request.prior.folder
                 ? std::to_string(plan.prior_set.pictures.size()) + " pictures of " +
                       plan.request.prior.folder->string()
                 : std::to_string(plan.request.prior.pictures) + " pictures drawn by the model") +
            ", \"" + plan.class_prompt + "\"");
    const std::int64_t a_step = options.stage.batch_size * options.accumulation;
    char rounds[32];
    std::snprintf(rounds, sizeof rounds, "%.1f",
                  static_cast<double>(options.stage.steps * a_step) / static_cast<double>(round));
    say("steps: " + std::to_string(options.stage.steps) + " of " + std::to_string(a_step) +
        (a_step == 1 ? " picture" : " pictures") +
        (plan.class_prompt.empty() ? "" : " and as many of the class") + ": each is seen " +
        rounds + " times");
    const std::int64_t numbers = learned_numbers(plan);
    say("learns: " + std::to_string(numbers) + " numbers (" + learners(plan) + ")");
    std::int64_t activations = 0;
    const std::int64_t unit = plan.model.vae.config().downscale();
    for (const optimize::BucketSize& size : plan.size.sizes)
        activations = std::max(
            activations,
            pipeline::activation_bytes(plan.model.unet, 1, size.height / unit, size.width / unit));
    const std::int64_t weights = parameters_of(plan.model.unet.parameters()) +
                                 parameters_of(plan.model.text_encoder.parameters()) +
                                 parameters_of(plan.model.vae.parameters());
    const double copies = (options.all_weights ? 4 : 3) + (options.ema ? 1 : 0);
    say("memory: about " +
        gib(4.0 * static_cast<double>(weights) + 4.0 * copies * static_cast<double>(numbers) +
            1.5 * static_cast<double>(activations) + (512 << 20)) +
        " with one picture at a time; less where activations are recomputed");
    say("time: about " + about(seconds_of_steps(plan)) +
        " for the steps, by the time of one pass of the network now");
    return lines;
}

void check_plan(const LearnPlan& plan) {
    const LearnRequest& request = plan.request;
    const PictureOptions& options = request.options;
    if (plan.word) return check_texts(*plan.word, plan.model.tokenizer);
    if (!options.all_weights) pipeline::check(options.lora);
    if (request.kind != LearnKind::subject &&
        plan.set.without_caption() == static_cast<std::int64_t>(plan.set.pictures.size()))
        throw Error(request.pictures.front().string(),
                    "none of its pictures has a caption: put a .txt beside each, or a "
                    "metadata.jsonl in the folder");
    const auto tokens = plan.model.tokenizer(plan.prompt);
    if (request.kind == LearnKind::subject && tokens.cut_tokens > 0)
        throw Error("--token", "is longer than the 77 tokens that the model sees");
}

}  // namespace keepsake::editor
