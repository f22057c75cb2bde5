// What the numbers of a training on pictures depend on, as JSON, and what it is before it begins.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/learn.h"
#include "editor/edit/learn_set.h"
#include "editor/edit/learn_word.h"
#include "editor/session/run_folder.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Everything that a training is told, gathered.
struct LearnPlan {
    const LearnRequest& request;
    const pipeline::Model& model;
    PictureSet set;        // of what is learned
    PictureSet prior_set;  // of the class, of a folder that was given
    LearnSize size;
    std::string prompt;        // of a picture without caption; of a word the first of `word->texts`
    std::string class_prompt;  // empty: no prior
    std::optional<WordPlan> word;

    // What is said of a picture without caption: one of these each time.
    std::vector<std::string> prompts() const {
        return word ? word->texts : std::vector<std::string>{prompt};
    }
};

RunRecipe run_recipe(const LearnPlan& plan);

// What is said of a picture of a subject or of its class without a caption: "a photo of sks
// flower".
std::string learned_prompt(const std::string& words);

// Of the pictures and what is said of them.
std::string fingerprint_of_set(const PictureSet& set);

// Lines for `--check`: pictures, sizes, captions and those that are cut, steps, memory.
std::vector<std::string> describe_plan(const LearnPlan& plan);

// Throws Error naming the option or the pictures that cannot be learned this way.
void check_plan(const LearnPlan& plan);

}  // namespace keepsake::editor
