// What a distillation is going to do, all of it settled before it begins.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "editor/edit/distil.h"
#include "editor/edit/learn_set.h"
#include "editor/session/option_overrides.h"
#include "editor/session/run_folder.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

struct DistilPlan {
    const DistilRequest& request;
    const pipeline::Model& model;  // the teacher
    ModelDefaults defaults;        // its own
    PictureSet set;
    std::vector<std::string> prompts;
    int drawn = 0;  // of the prompts
    LearnSize size;
    optimize::GuidanceRange guidance;
    bool told = false;  // the student takes guidance as an input
    // The stages, in order: of progressive distillation the steps of each one's student; else one,
    // of 0.
    std::vector<std::int64_t> stages;

    // "steps-8", "guidance", "consistency"
    std::string stage_name(std::size_t stage) const;
    // How the student of that stage samples, told or taught the guidance that suits the model best.
    pipeline::SampleOptions sample(std::size_t stage) const;
    // How the teacher does.
    pipeline::SampleOptions teacher_sample() const;
};

// Throws Error naming the option, the file or the model that does not allow it.
DistilPlan plan_distil(const DistilRequest& request, const pipeline::Model& model,
                       const DistilControls& controls, Monitor& monitor);

// What the numbers depend on.
RunRecipe distil_recipe(const DistilPlan& plan);

// Lines for `--check`.
std::vector<std::string> describe_distil(const DistilPlan& plan);

}  // namespace keepsake::editor
