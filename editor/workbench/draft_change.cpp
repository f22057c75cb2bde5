#include "editor/workbench/draft_change.h"

namespace keepsake::editor {

EditDraft changed(EditDraft draft, const DraftChange& change) {
    SampleDraft& sample = draft.sample;
    draft.prompt = change.prompt.value_or(draft.prompt);
    sample.negative = change.negative.value_or(sample.negative);
    sample.sampler = change.sampler.value_or(sample.sampler);
    sample.schedule = change.schedule.value_or(sample.schedule);
    sample.spacing = change.spacing.value_or(sample.spacing);
    sample.steps = change.steps.value_or(sample.steps);
    sample.guidance = change.guidance.value_or(sample.guidance);
    sample.ddim_eta = change.ddim_eta.value_or(sample.ddim_eta);
    sample.tcd_eta = change.tcd_eta.value_or(sample.tcd_eta);
    sample.noise_share = change.noise_share.value_or(sample.noise_share);
    return draft;
}

DraftChange change_to(const EditDraft& draft, std::uint64_t seed) {
    const SampleDraft& sample = draft.sample;
    return {draft.prompt, sample.negative, sample.sampler,  sample.schedule, sample.spacing,
            sample.steps, sample.guidance, sample.ddim_eta, sample.tcd_eta,  sample.noise_share,
            seed};
}

}  // namespace keepsake::editor
