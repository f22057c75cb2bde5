#include "editor/workbench/edit_draft.h"

#include <algorithm>
#include <cmath>

#include "editor/edit/edit.h"

namespace keepsake::editor {
namespace {

void require(bool allowed, const char* field, const std::string& why) {
    if (!allowed) throw Error(field, why);
}

void require_rate(double rate, const char* field) {
    require(std::isfinite(rate) && rate >= 0, field, "is no number from 0 up");
}

void check(const EditDraft& draft) {
    require(draft.prompt.find_first_not_of(" \t\r\n\v\f") != std::string::npos, "the text",
            "is empty; say what the photo should show");
    check_tuning(draft.tuning);
    check_sample(draft.sample);
}

}  // namespace

bool same_tuning(const EditDraft& a, const EditDraft& b) {
    return a.prompt == b.prompt && a.tuning == b.tuning;
}

bool draws_anew(const TuningDraft& tuning) {
    return tuning.mode == mode_name(Mode::inpaint);
}

EditDraft draft_of(const Recipe& recipe) {
    return {
        recipe.prompt,
        {std::string(mode_name(recipe.mode)), recipe.crop, recipe.size, recipe.seed,
         recipe.embedding.steps, recipe.embedding.learning_rate, recipe.finetune.steps,
         recipe.finetune.learning_rate},
        {std::string(pipeline::sampler_name(recipe.sample.sampler)), recipe.sample.steps,
         recipe.sample.guidance_scale, recipe.sample.negative_prompt, recipe.sample.ddim_eta,
         recipe.sample.noise_share, recipe.sample.tcd_eta,
         std::string(recipe.sample.spacing ? pipeline::spacing_name(*recipe.sample.spacing) : ""),
         std::string(recipe.sample.schedule ? pipeline::schedule_name(*recipe.sample.schedule)
                                            : "")}};
}

std::vector<std::string> offered_modes() {
    std::vector<std::string> modes;
    for (const Mode mode : {Mode::fast, Mode::paper, Mode::quick, Mode::inpaint})
        modes.emplace_back(mode_name(mode));
    return modes;
}

std::vector<std::string> offered_samplers() {
    std::vector<pipeline::Sampler> samplers = pipeline::all_samplers();
    // The one that needs the fewest steps first.
    // Not that of std::ranges: clang 14, which the fuzzer is built with, cannot read GCC 12's.
    std::stable_partition(samplers.begin(), samplers.end(),
                          [](pipeline::Sampler s) { return s == pipeline::Sampler::dpmpp_2m; });
    std::vector<std::string> names;
    for (const pipeline::Sampler sampler : samplers) {
        names.emplace_back(pipeline::sampler_name(sampler));
    }
    return names;
}

std::vector<std::string> offered_schedules(const std::string& sampler) {
    std::vector<std::string> names = {""};
    const pipeline::Sampler of = pipeline::parse_sampler(sampler);
    for (const pipeline::NoiseSchedule schedule : pipeline::all_schedules())
        if (pipeline::fits(schedule, of)) names.emplace_back(pipeline::schedule_name(schedule));
    return names;
}

EditRequest request_of(const EditDraft& draft) {
    check(draft);
    EditRequest request;
    request.prompt = checked_utf8(draft.prompt);
    request.mode = parse_mode(draft.tuning.mode);
    request.crop = draft.tuning.crop;
    request.size = draft.tuning.size;
    request.tuning_seed = draft.tuning.seed;
    request.embedding.steps = draft.tuning.embedding_steps;
    request.embedding.learning_rate = draft.tuning.embedding_rate;
    request.finetune.steps = draft.tuning.finetune_steps;
    request.finetune.learning_rate = draft.tuning.finetune_rate;
    const pipeline::SampleOptions sample = sample_options(draft.sample);
    request.render.sample = {sample.sampler,         sample.steps,    sample.guidance_scale,
                             sample.negative_prompt, sample.ddim_eta, sample.noise_share,
                             sample.tcd_eta,         sample.spacing,  sample.schedule};
    return request;
}

void check_tuning(const TuningDraft& tuning) {
    parse_mode(tuning.mode);
    require(tuning.embedding_steps >= 0, "embedding steps", "less than 0");
    require(tuning.finetune_steps >= 0, "photo steps", "less than 0");
    require_rate(tuning.embedding_rate, "embedding rate");
    require_rate(tuning.finetune_rate, "photo rate");
    require(tuning.size >= 64 && tuning.size <= most_working_size && tuning.size % 8 == 0,
            "working size",
            std::to_string(tuning.size) + " is no multiple of 8 from 64 to " +
                std::to_string(most_working_size));
}

void check_sample(const SampleDraft& draft) {
    pipeline::parse_sampler(draft.sampler);
    require(draft.steps >= 1, "sampling steps", std::to_string(draft.steps) + " is less than 1");
    require_rate(draft.guidance, "guidance");
    require(draft.ddim_eta >= 0 && draft.ddim_eta <= 1, "DDIM noise", "is not between 0 and 1");
    require(draft.tcd_eta >= 0 && draft.tcd_eta <= 1, "TCD noise", "is not between 0 and 1");
    if (!draft.spacing.empty()) pipeline::parse_spacing(draft.spacing);
    if (!draft.schedule.empty()) pipeline::parse_schedule(draft.schedule);
    require(draft.noise_share >= 0 && draft.noise_share <= 1, "fresh noise",
            "is not between 0 and 1");
}

namespace {

// A schedule that was chosen for another sampler is no fault of the one chosen since.
std::optional<pipeline::NoiseSchedule> fitting_schedule(const SampleDraft& draft) {
    if (draft.schedule.empty()) return std::nullopt;
    const pipeline::NoiseSchedule schedule = pipeline::parse_schedule(draft.schedule);
    if (!pipeline::fits(schedule, pipeline::parse_sampler(draft.sampler))) return std::nullopt;
    return schedule;
}

}  // namespace

pipeline::SampleOptions sample_options(const SampleDraft& draft) {
    return {.sampler = pipeline::parse_sampler(draft.sampler),
            .steps = draft.steps,
            .guidance_scale = draft.guidance,
            .negative_prompt = checked_utf8(draft.negative),
            .ddim_eta = draft.ddim_eta,
            .noise_share = draft.noise_share,
            .tcd_eta = draft.tcd_eta,
            .spacing = draft.spacing.empty()
                           ? std::nullopt
                           : std::optional(pipeline::parse_spacing(draft.spacing)),
            .schedule = fitting_schedule(draft)};
}

}  // namespace keepsake::editor
