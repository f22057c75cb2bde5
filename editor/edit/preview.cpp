#include "editor/edit/preview.h"

namespace keepsake::editor {

pipeline::SampleOptions preview_sampling(pipeline::SampleOptions sample,
                                         const ModelDefaults& defaults) {
    if (sample.steps <= preview_steps || defaults.student.steps) return sample;
    sample.sampler = pipeline::Sampler::unipc;
    sample.steps = preview_steps;
    sample.inversion_steps = preview_inversion_steps;
    sample.spacing = pipeline::TimestepSpacing::trailing;
    sample.schedule.reset();  // it would be stronger than the spacing
    return sample;
}

}  // namespace keepsake::editor
