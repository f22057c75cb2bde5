#include "editor/edit/distil_plan.h"

#include <algorithm>

#include "editor/session/line_file.h"
#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/number_text.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using optimize::GuidanceRange;
using pipeline::PredictionType;
using pipeline::SampleOptions;

constexpr std::int64_t usual_teacher_steps = 32;
constexpr int usual_drawn = 1024;
constexpr std::size_t most_prompts = 100'000;

std::string range_text(const GuidanceRange& range) {
    return number_text(range.low) +
           (range.low == range.high ? "" : " to " + number_text(range.high));
}

std::vector<std::string> read_prompts(const fs::path& path) {
    std::vector<std::string> prompts;
    for (FileLine& line : read_line_file(path, {"prompt", "prompts", most_prompts, 64 << 20}))
        prompts.push_back(std::move(line.text));
    return prompts;
}

double own_guidance(const DistilPlan& plan) {
    SampleOptions sample;
    apply(plan.defaults.sample, sample);
    return std::max(1.0, sample.guidance_scale);
}

void choose_guidance(DistilPlan& plan) {
    const DistilRequest& request = plan.request;
    const StudentLimits& taught = plan.defaults.student;
    const bool takes = plan.model.unet.takes_guidance();
    const bool learns_it = request.kind == DistilKind::guidance ||
                           (request.kind == DistilKind::consistency && request.all_weights);
    const double own = own_guidance(plan);
    if (request.guidance)
        plan.guidance = *request.guidance;
    else if (takes && taught.least_guidance)
        plan.guidance = {*taught.least_guidance, *taught.most_guidance};
    else if (learns_it || takes)
        plan.guidance = {1, 2 * own};
    else
        plan.guidance = {own, own};
    const bool lora = request.kind == DistilKind::consistency && !request.all_weights;
    plan.told = takes || learns_it || (!lora && plan.guidance.low != plan.guidance.high);
    if (takes && taught.least_guidance &&
        (plan.guidance.low < *taught.least_guidance || plan.guidance.high > *taught.most_guidance))
        throw Error("--guidance", range_text(plan.guidance) + "; the teacher was taught " +
                                      range_text({*taught.least_guidance, *taught.most_guidance}));
    if (request.kind == DistilKind::guidance && takes)
        throw Error(plan.model.path.string(), "takes guidance as an input already");
}

void choose_stages(DistilPlan& plan) {
    const DistilRequest& request = plan.request;
    plan.stages = {0};
    if (request.kind != DistilKind::steps) return;
    const std::int64_t range = plan.model.schedule.config.num_train_timesteps;
    const std::int64_t steps = request.steps;
    if (steps < 1 || 2 * steps > range)
        throw Error("--steps",
                    std::to_string(steps) + " is not between 1 and " + std::to_string(range / 2));
    std::int64_t teacher = 2 * steps;
    while (!request.teacher_steps && teacher < usual_teacher_steps) teacher *= 2;
    while (request.teacher_steps && teacher < *request.teacher_steps) teacher *= 2;
    if (request.teacher_steps && teacher != *request.teacher_steps)
        throw Error("--teacher-steps", std::to_string(*request.teacher_steps) + " is not " +
                                           std::to_string(steps) +
                                           " doubled: " + std::to_string(2 * steps) + ", " +
                                           std::to_string(4 * steps) + ", ...");
    if (teacher > range)
        throw Error("--teacher-steps", std::to_string(teacher) + " is more than the model's " +
                                           std::to_string(range) + " timesteps");
    if (plan.defaults.student.steps && *plan.defaults.student.steps != teacher)
        throw Error("--teacher-steps", std::to_string(teacher) + "; the teacher was taught " +
                                           std::to_string(*plan.defaults.student.steps) +
                                           " steps alone");
    plan.stages.clear();
    for (std::int64_t n = teacher / 2; n >= steps; n /= 2) plan.stages.push_back(n);
}

void check_prediction(const DistilPlan& plan, const DistilControls& controls) {
    if (plan.model.schedule.config.prediction_type != PredictionType::epsilon) return;
    const float last = plan.model.schedule.alphas_cumprod[-1].item<float>();
    if (last == 0)
        throw Error(plan.model.path.string(),
                    "predicts noise and begins with nothing but noise, of which that says nothing; "
                    "only models that predict v are distilled from there");
    if (plan.request.kind == DistilKind::steps && plan.request.steps < 4 && controls.warn)
        controls.warn(
            "--steps: " + std::to_string(plan.request.steps) +
            ": a model that predicts noise seldom comes below 4; one that predicts v does");
}

std::string fingerprint_of_prompts(const std::vector<std::string>& prompts) {
    Fingerprint fingerprint;
    for (const std::string& prompt : prompts) {
        fingerprint.add(prompt);
        fingerprint.end_part();
    }
    return fingerprint.text();
}

std::string fingerprint_of_set(const PictureSet& set) {
    Fingerprint fingerprint;
    for (const SetPicture& picture : set.pictures) {
        fingerprint.add(picture.fingerprint + std::to_string(picture.repeats));
        for (const std::string& caption : picture.captions) {
            fingerprint.end_part();
            fingerprint.add(caption);
        }
        fingerprint.end_part();
    }
    return fingerprint.text();
}

std::int64_t learned_numbers(const DistilPlan& plan) {
    const auto& parameters = plan.model.unet.parameters();
    std::int64_t count = 0;
    if (plan.request.kind == DistilKind::consistency && !plan.request.all_weights) {
        for (const std::string& layer : optimize::consistency_layers(plan.model.unet)) {
            const at::Tensor& weight = parameters.at(layer + ".weight");
            const std::int64_t rank =
                std::min({plan.request.stage.rank, weight.size(0), weight.size(1)});
            count += rank * (weight.numel() / weight.size(0) + weight.size(0));
        }
        return count;
    }
    for (const auto& [name, tensor] : parameters) count += tensor.numel();
    if (plan.told && !plan.model.unet.takes_guidance())
        count += 256 * plan.model.unet.config().block_out_channels.front();
    return count;
}

}  // namespace

std::string DistilPlan::stage_name(std::size_t stage) const {
    switch (request.kind) {
        case DistilKind::steps:
            return "steps-" + std::to_string(stages[stage]);
        case DistilKind::guidance:
            return "guidance";
        case DistilKind::consistency:
            break;
    }
    return "consistency";
}

SampleOptions DistilPlan::teacher_sample() const {
    SampleOptions sample;
    apply(defaults.sample, sample);
    return sample;
}

SampleOptions DistilPlan::sample(std::size_t stage) const {
    SampleOptions sample = teacher_sample();
    sample.guidance_scale =
        told ? std::clamp(sample.guidance_scale, guidance.low, guidance.high) : 1;
    if (request.kind == DistilKind::steps) {
        sample.sampler = pipeline::Sampler::ddim;
        sample.spacing = pipeline::TimestepSpacing::trailing;
        sample.steps = static_cast<int>(stages[stage]);
        sample.ddim_eta = 0;
    } else if (request.kind == DistilKind::consistency) {
        sample.sampler = pipeline::Sampler::lcm;
        sample.spacing = {};
        sample.steps = 4;
    }
    return sample;
}

DistilPlan plan_distil(const DistilRequest& request, const pipeline::Model& model,
                       const DistilControls& controls, Monitor& monitor) {
    DistilPlan plan{request,
                    model,
                    load_model_defaults(model.path),
                    {},
                    {},
                    0,
                    learn_size(model, request.size.value_or(static_cast<int>(model.native_size())),
                               false, request.mirror),
                    {},
                    false,
                    {}};
    choose_guidance(plan);
    choose_stages(plan);
    check_prediction(plan, controls);
    if (request.pictures.empty() && !request.prompts)
        throw Error("pictures", "none are given, and no --prompts");
    if (request.prompts) {
        plan.prompts = read_prompts(*request.prompts);
        const int count = static_cast<int>(plan.prompts.size());
        plan.drawn = request.drawn.value_or(std::max(usual_drawn, count));
    }
    if (!request.pictures.empty()) plan.set = read_picture_set(request.pictures, monitor);
    return plan;
}

RunRecipe distil_recipe(const DistilPlan& plan) {
    const DistilRequest& request = plan.request;
    RunRecipe recipe;
    nlohmann::ordered_json& s = recipe.settings;
    s["model"] = plan.model.fingerprint;
    if (plan.model.loaded_with.prediction_type)
        s["prediction"] =
            std::string(pipeline::prediction_name(plan.model.schedule.config.prediction_type));
    if (!plan.set.pictures.empty()) s["pictures"] = fingerprint_of_set(plan.set);
    if (!plan.prompts.empty()) {
        s["prompts"] = fingerprint_of_prompts(plan.prompts);
        s["drawn"] = plan.drawn;
    }
    s["size"] = plan.size.side;
    s["mirror"] = plan.size.mirror;
    s["seed"] = request.seed;
    s["guidance"] = {plan.guidance.low, plan.guidance.high};
    s["tune"] = request.stage.steps;
    s["batch"] = request.stage.batch_size;
    s["learning_rate"] = request.stage.learning_rate;
    s["schedule"] = static_cast<int>(request.stage.schedule);
    switch (request.kind) {
        case DistilKind::steps:
            recipe.what = "distil steps";
            s["students"] = plan.stages;
            break;
        case DistilKind::guidance:
            recipe.what = "distil guidance";
            break;
        case DistilKind::consistency:
            recipe.what = "distil consistency";
            s["all_weights"] = request.all_weights;
            if (!request.all_weights) s["rank"] = request.stage.rank;
            break;
    }
    recipe.hints["model"] = checked_utf8(plan.model.path.string());
    recipe.hints["name"] = request.name;
    return recipe;
}

std::vector<std::string> describe_distil(const DistilPlan& plan) {
    const DistilRequest& request = plan.request;
    std::vector<std::string> lines;
    const auto say = [&](const std::string& line) { lines.push_back(line); };
    if (const auto count = plan.set.pictures.size(); count > 0)
        say("pictures: " + std::to_string(count) + ", " +
            std::to_string(plan.set.without_caption()) + " without a caption");
    if (plan.drawn > 0)
        say("prompts: " + std::to_string(plan.prompts.size()) + ", of which the teacher draws " +
            std::to_string(plan.drawn) + " pictures");
    if (request.kind == DistilKind::steps) {
        std::string text = std::to_string(2 * plan.stages.front());
        for (const std::int64_t n : plan.stages) text += " -> " + std::to_string(n);
        say("steps: " + text);
    }
    say("guidance: " + range_text(plan.guidance) +
        (plan.told ? ", told the student" : ", taught the student for good"));
    say("updates: " + std::to_string(request.stage.steps) + " of " +
        std::to_string(request.stage.batch_size) + " samples" +
        (plan.stages.size() > 1 ? " for each of " + std::to_string(plan.stages.size()) + " students"
                                : ""));
    const bool lora = request.kind == DistilKind::consistency && !request.all_weights;
    say("learns: " + std::to_string(learned_numbers(plan)) + " numbers (" +
        (lora ? "LoRA of rank " + std::to_string(request.stage.rank) : "all weights") + ")");
    return lines;
}

}  // namespace keepsake::editor
