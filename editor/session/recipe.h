// The recipe of an edit: text that a person can read and a program can replay.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/photo/photo.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {

enum class Mode {
    fast,     // optimize/imagic/fast.h
    paper,    // Imagic's own recipe
    quick,    // nothing is learned: the photo is inverted with no text, and the words pull at that
    inpaint,  // likewise: what a mask says is drawn anew, an eta of 1 from noise alone
};
// Whether it tunes anything to the photo.
bool learns(Mode mode);
std::string_view mode_name(Mode mode);
Mode parse_mode(std::string_view name);  // throws Error naming the text and the choices

// How a strength becomes a picture.
enum class Way {
    line,   // Imagic's equation 3: on the line from e_opt to the target text's embedding
    words,  // pipeline/model/generate_edits.h: the words pull, the photo's layout stays
};
// Of the words' way. 1 held them against e_opt and pulled by less than half: other pictures.
inline constexpr int words_edition = 2;
std::string_view way_name(Way way);
Way parse_way(std::string_view name);  // throws Error naming the text and the choices

// The weights a recipe was made with. The path is a hint, the fingerprint decides.
struct ModelReference {
    std::string path;
    std::string fingerprint;
};

// A file that was added to a model or stood in its own one's place. The path is a hint, the
// fingerprint decides.
struct ModelPart {
    std::string path;  // empty: none
    std::string fingerprint;
    double weight = 1;  // of a LoRA
    bool operator==(const ModelPart&) const = default;
};

// What a session's model was besides its own files. All empty: nothing.
struct ModelChanges {
    std::string weights;  // fingerprint of the model's own files, where ModelReference has another
    std::vector<ModelPart> loras;  // in the order in which they were added
    ModelPart vae;
    int clip_skip = 0;       // 0: as the model says
    std::string prediction;  // likewise empty
    bool operator==(const ModelChanges&) const = default;
};

// A word that a text has and the model's vocabulary has not (pipeline/networks/word_file.h); the
// fingerprint is of its vectors.
struct WordReference {
    std::string name;
    std::string fingerprint;

    bool operator==(const WordReference&) const = default;
};

// `text` with malformed UTF-8 replaced by U+FFFD: JSON has no other text.
std::string checked_utf8(const std::string& text);

// What a tuning depends on, and how its renders were last sampled.
struct Recipe {
    std::string prompt;
    std::string photo;  // the photo's file name as given, without folders
    Mode mode = Mode::fast;
    Crop crop;     // of the upright photo
    int size = 0;  // the working square's side in pixels
    ModelReference model;
    ModelChanges changes;    // of it
    std::uint64_t seed = 0;  // of the tuning's noise and timesteps
    std::string start;       // tuning_tag of the session it started from; empty: from the model
    std::string as_word;     // that learns in e_opt's place (imagic/photo_word.h); empty: none does
    optimize::StageOptions embedding = optimize::paper_embedding_options();
    optimize::StageOptions finetune = optimize::paper_finetune_options();
    Way way = Way::line;  // of recipes that are older than the other one
    pipeline::SampleOptions sample;
    std::vector<WordReference> words;  // of the prompt and of the negative one
    // What a newer Keepsake's file has besides (its version and the fields that this one does not
    // know), as JSON: it is kept when the file is written again. Empty: nothing.
    std::string newer;
};

// How a render came to the photo's own size.
struct FullRender {
    bool full = false;          // else it is the model's square, and the rest says nothing
    std::string mask = "none";  // "none", "auto" or the mask file's name
    double mask_threshold = 0;
    double mask_feather = 0;
};

// One render of a tuned session: what an image of `edit` and `render` carries.
struct EditRender {
    Recipe recipe;
    double eta = 0;
    std::uint64_t seed = 0;
    FullRender full = {};
    bool preview = false;  // in few steps, which `recipe` says (edit/preview.h)
};

// What `generate` was given in place of what the model's files say; empty: nothing.
struct GenerateOverrides {
    std::vector<std::string> loras;  // "roses.safetensors:0.8"
    std::string vae;                 // a file's name
    int clip_skip = 0;
    std::string prompt_syntax, rng;
    std::string mask;                // a file's name
    std::optional<int> only_masked;  // pixels around it
    std::optional<double> image_guidance;
    std::vector<WordReference> words;  // of both texts
};

// One picture of `generate`.
struct GenerateRender {
    std::string prompt;
    ModelReference model;
    int width = 0;
    int height = 0;
    std::uint64_t seed = 0;
    std::string image;    // image to image: the start picture's file name; else empty
    Crop crop;            // of it
    double strength = 1;  // with `image`
    std::string latents;  // the file the noise came from, instead of the seed; else empty
    pipeline::SampleOptions sample;
    GenerateOverrides overrides = {};
};

// The recipe's file: {"kind": "keepsake session", "version": ..., "keepsake": {...}}, JSON as
// cereal writes it, UTF-8, ending in a newline.
std::string to_json(const Recipe& recipe);
// To be carried in an image: one object {"edit": ...} or {"generate": ...}, ASCII, one line. Of the
// model's path only the last name, so that a picture given away does not tell where things lie
// here.
std::string to_chunk(const EditRender& render);
std::string to_chunk(const GenerateRender& render);

// Throws Error naming `source` and the field that is missing, unknown, of the wrong kind or out of
// range. Files of before kind and version were in them are read too, and of a newer version's
// fields those that are unknown go to Recipe::newer.
Recipe recipe_from_json(const std::string& json, const std::string& source);

// Whether a file's text says that it is a session's recipe; it may be damaged otherwise.
enum class RecipeKind { ours, another, damaged };  // damaged: it is no JSON
RecipeKind recipe_kind(const std::string& json);

// Of a newer Keepsake's recipe what this one does not know, for the person: "sample.speed, more";
// empty for all others.
std::string unknown_fields(const Recipe& recipe);

Recipe load_recipe(const std::filesystem::path& path);
void save_recipe(const std::filesystem::path& path, const Recipe& recipe);

// Whether a word stands in a text, in any letter case.
bool has_word(const std::string& text, const std::string& name);

// 16 hex digits of what the tuned weights depend on: all but the model's path and the sampling.
// Session files carry it, so that files of two tunings are never mixed.
std::string tuning_tag(const Recipe& recipe);

}  // namespace keepsake::editor
