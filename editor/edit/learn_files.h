// What a training on pictures leaves: the files that travel, and the pictures on the way.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "editor/edit/draw_pictures.h"
#include "editor/edit/learn.h"
#include "editor/session/picture_set.h"
#include "editor/session/sample_prompts.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// What is known of a run when its file is written.
struct LearnedFacts {
    const LearnRequest& request;
    const pipeline::Model& model;
    const PictureSet& set;
    std::int64_t side = 0;            // in pixels
    std::int64_t prior_pictures = 0;  // in the run
    std::int64_t steps = 0;           // done
    std::string word = {};            // that is learned; else empty
};

// What the family of Stable Diffusion is called in a LoRA's header, by the width of its text; empty
// for others.
struct ModelFamily {
    std::string base, architecture;
};
ModelFamily family_of(const pipeline::Model& model);

// The header of a LoRA's file: kohya's ss_* and the modelspec.* that web interfaces show, all
// values text; of a word's file modelspec.* alone. What the model is no relative of Stable
// Diffusion for is left out.
std::map<std::string, std::string> learned_metadata(const LearnedFacts& facts);

// <folder>/<name>.safetensors, a LoRA, or a word whose tensor is called as it is (diffusers); or of
// all weights the folder <name>, which diffusers opens: the model's own files, with what learned in
// the place of the old. Returns its path. Throws Error
// naming the file, and for all weights of a single-file checkpoint the way out.
std::filesystem::path write_learned(const std::filesystem::path& folder, const std::string& name,
                                    const LearnedFacts& facts,
                                    const optimize::LearnedPictures& learned);

// <folder>/a1111/<word>.safetensors, for programs that call a word by its file's name (A1111,
// ComfyUI). Returns its path, or an empty one where the word is no file's name.
std::filesystem::path write_word_by_stem(const std::filesystem::path& folder,
                                         const LearnedFacts& facts,
                                         const optimize::LearnedPictures& learned);

// One picture of each prompt as the run stands: samples/step-000100-1.png, ... Prompts without a
// seed take 0.
void draw_samples(const std::filesystem::path& folder, const std::vector<SamplePrompt>& prompts,
                  const pipeline::Model& model, const optimize::LearnedPictures& learned,
                  Monitor& monitor);

// Likewise with other networks and another way of sampling, above which the prompts' own stand.
struct SamplesDrawing {
    const pipeline::Model& model;
    pipeline::SampleOptions sample;
    DrawingNetworks networks;
};
void draw_samples(const std::filesystem::path& folder, std::int64_t step,
                  const std::vector<SamplePrompt>& prompts, const SamplesDrawing& by,
                  Monitor& monitor);

// The pictures on the way of a run that are there, by rising step.
struct SampleRow {
    std::int64_t step = 0;
    std::vector<std::filesystem::path> pictures;
};
std::vector<SampleRow> sample_rows(const std::filesystem::path& run);

// samples/sheet.png: all of them, a row of pictures a step. Returns its path, or an empty one where
// there is no picture.
std::filesystem::path write_samples_sheet(const std::filesystem::path& folder,
                                          const std::vector<SamplePrompt>& prompts,
                                          const std::string& title);

// A folder in which pictures of the class are, drawn by the model where they are not there yet:
// class-0001.png, each with its recipe. Pictures of another prompt, model or way of sampling are
// drawn anew.
void draw_class(const std::filesystem::path& folder, const std::string& prompt,
                const PriorRequest& prior, std::int64_t side, const pipeline::Model& model,
                Monitor& monitor);

}  // namespace keepsake::editor
