// Everything that a person can set for an edit, as plain values: what the window's fields hold.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editor/photo/photo.h"

namespace keepsake::pipeline {
struct SampleOptions;
}

namespace keepsake::editor {

struct Recipe;
struct EditRequest;

// What the tuning depends on beside the text.
struct TuningDraft {
    std::string mode;
    Crop crop;     // of the upright photo
    int size = 0;  // the working square's side in pixels
    std::uint64_t seed = 0;
    std::int64_t embedding_steps = 0;
    double embedding_rate = 0;
    std::int64_t finetune_steps = 0;
    double finetune_rate = 0;
    bool operator==(const TuningDraft&) const = default;
};

struct SampleDraft {
    std::string sampler;
    int steps = 0;
    double guidance = 0;
    std::string negative;
    double ddim_eta = 0;
    double noise_share = 1;
    double tcd_eta = 0;
    std::string spacing;   // empty: as the model's files say
    std::string schedule;  // likewise; of samplers that have sigmas, unless it is of timesteps
    bool operator==(const SampleDraft&) const = default;
};

// A draft has no defaults of its own: it is read from a recipe, which has them.
struct EditDraft {
    std::string prompt;
    TuningDraft tuning;
    SampleDraft sample;
    bool operator==(const EditDraft&) const = default;
};

bool same_tuning(const EditDraft& a, const EditDraft& b);

// Whether it is of the mode inpaint, which draws a mask anew.
bool draws_anew(const TuningDraft& tuning);

EditDraft draft_of(const Recipe& recipe);

// The tuning modes that a person is offered, the default one first.
std::vector<std::string> offered_modes();

// The samplers' names.
std::vector<std::string> offered_samplers();

// The schedules that this sampler can be laid out by; the first is empty: as the model's files say.
std::vector<std::string> offered_schedules(const std::string& sampler);

// The request whose recipe is exactly this draft; its photo and session are left empty. Throws
// Error naming the field that is out of range, e.g. "sampling steps: 0 is less than 1".
EditRequest request_of(const EditDraft& draft);

constexpr int most_working_size = 2048;

// Throws Error naming the field that is out of range, or a mode that there is not.
void check_tuning(const TuningDraft& tuning);

// Throws Error naming the field that is out of range, or a sampler that there is not.
void check_sample(const SampleDraft& draft);

// As the model takes it; ranges are not looked at. Throws Error naming a sampler that there is not.
pipeline::SampleOptions sample_options(const SampleDraft& draft);

}  // namespace keepsake::editor
