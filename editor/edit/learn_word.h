// A word that is about to be learned: its place in the vocabulary, what it starts from, and what is
// said of the pictures.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editor/edit/learn.h"
#include "editor/session/picture_set.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

struct WordPlan {
    std::string name;
    std::int64_t first_id = 0;            // of its vectors' ids
    std::vector<std::int64_t> start_ids;  // tokens that it starts from
    std::string start_text;
    at::Tensor start;                // (n, D) float32, on the model's device
    std::vector<std::string> texts;  // the templates with the word in them
};

// Gives the model's tokenizer the word; the text encoder gets its vectors where they learn
// (optimize/learn/pictures.h). Throws Error naming the word where the vocabulary has it already,
// with another proposed, and naming the option that asks for the impossible.
WordPlan plan_word(const WordRequest& request, pipeline::Model& model);

// Of the pictures' captions those in which the word stands: the others would teach it nothing. What
// is left out is added to the set's remarks.
void keep_captions_with(const WordPlan& word, const pipeline::Tokenizer& tokenizer,
                        PictureSet& set);

// Throws Error naming a template that is longer than the model sees.
void check_texts(const WordPlan& word, const pipeline::Tokenizer& tokenizer);

void add_settings(const WordPlan& word, const optimize::WordOptions& options,
                  nlohmann::ordered_json& settings);

// "2 vectors of '<my-rose>', from \"red rose\""
std::string describe(const WordPlan& word);

}  // namespace keepsake::editor
