// What a model can say of a picture by itself: words that it was taught, and how they are read from
// how well texts with them predict the noise (editor/edit/model_captioner.h). captions.json in a
// model's folder:
//
//   {"kind": "keepsake caption words", "version": 1,
//    "text": "a photo of a {colour} {flower}",
//    "levels": [0.3, ...], "noises": 1, "seed": 0, "centre": 0.625,
//    "named": [{"name": "flower", "words": ["rose", ...], "bias": [0, ...],
//               "weights": [[1, ...], ...],
//               "clip": {"bias": [0, ...], "weights": [[1, ...], ...]}}, {"name": "colour", ...}],
//    "again": {"name": "flower", "levels": [0.2, ...], "noises": 8, "weight": 100},
//    "noted": [{"name": "background", "words": ["", " in the grass", ...], "bar": 0.01}, ...],
//    "caption": "{style} a {colour} {flower}{background}"}
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keepsake::editor {

struct CaptionWords {
    // A score for each word: its bias, and its weights times some features of a picture.
    struct Scores {
        std::vector<double> bias;
        std::vector<std::vector<double>> weights;
    };
    // Of each, the word with the highest sum of scores holds: by what the words gain
    // (word_features), and, where the file has it, by the vector of the picture of the CLIP in the
    // model's folder (picture_vector).
    struct Named {
        std::string name;
        std::vector<std::string> words;
        Scores gains;
        std::optional<Scores> clip;
    };
    // One of the names is asked again with the words found for the others, by more noises: what
    // its words gain then over the whole picture, in the mean over the levels, is added to their
    // scores by this weight.
    struct Again {
        std::size_t named = 0;  // place in the list
        std::vector<double> levels;
        std::int64_t noises = 1;
        double weight = 0;
    };
    // The first word holds, which says nothing, unless another gains more than the bar.
    struct Noted {
        std::string name;
        std::vector<std::string> words;
        double bar = 0;
    };
    std::string text;            // of what is named, in all combinations
    std::vector<double> levels;  // of the noise, shares of the training timesteps
    std::int64_t noises = 1;     // at each
    std::uint64_t seed = 0;
    double centre = 1;  // share of the sides: the part in the middle that is looked at once more
    std::vector<Named> named;
    std::optional<Again> again;
    std::vector<Noted> noted;
    std::string caption;

    std::size_t named_words() const;
    bool asks_clip() const;
};

// Whether the model has any.
bool has_caption_words(const std::filesystem::path& model);
// Throws Error naming the file that is missing or malformed, and what is the matter with it.
CaptionWords read_caption_words(const std::filesystem::path& model);

// The words of names.
using NamedWords = std::vector<std::pair<std::string, std::string>>;
// `pattern` with each {name} replaced by the word of that name.
std::string filled_pattern(const std::string& pattern, const NamedWords& words);

}  // namespace keepsake::editor
