// From a photo to edited images: the whole of `keepsake edit` and `keepsake render`, without the
// command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/device.h"
#include "editor/edit/direction_note.h"
#include "editor/edit/tune.h"
#include "editor/photo/photo.h"
#include "editor/session/option_overrides.h"
#include "editor/session/session.h"
#include "editor/transfer/full_resolution.h"
#include "pipeline/error.h"

namespace keepsake::editor {

// Where images go: a folder, or one file.
struct Destination {
    std::filesystem::path path;  // empty: the session's renders/
    bool is_file = false;        // then exactly one image can be asked for
};

// Where the edit may reach in the photo.
enum class MaskSource {
    words,      // where the words belong, if the model is sure of it, else the whole working square
    none,       // the whole working square
    automatic,  // where the model's predictions differ (auto_mask.h)
    file,       // a picture (export_photo.h, load_mask)
};

// What the image files are.
struct OutputRequest {
    bool full = true;  // the photo itself, at its own size; else the model's square, as a PNG
    MaskSource mask = MaskSource::words;
    std::filesystem::path mask_file;
    double mask_threshold = EditRegion{}.threshold;
    double mask_feather = EditRegion{}.feather;
    bool strip_gps = false;
    std::optional<int> quality;            // of JPEG and lossy WebP; none: like the photo's own
    std::optional<std::string> extension;  // ".jpg" ..., of files in a folder; none: the photo's
};

// What is rendered. Fields that are not given: `edit` takes the model's defaults, `render` samples
// as the session's last edit did.
struct RenderRequest {
    std::optional<EtaRange> eta;  // none: those in which something happens, the chosen one among
                                  // them; of one image, the chosen one
    std::optional<Way> way;       // none: of `edit` the mode's, of `render` the session's
    std::vector<std::uint64_t> seeds = {0};
    bool preview = false;    // of `render`: in few steps, and no strength is chosen (preview.h)
    SampleOverrides sample;  // stronger than a preview's own
    Destination out;
    OutputRequest output;
    Compute compute;
    std::optional<std::filesystem::path> model;  // none: the session's, else the bundled one
};

// What is tuned. Fields that are not given: an existing session's, else the defaults.
struct EditRequest {
    std::filesystem::path photo;
    std::string prompt;
    std::filesystem::path session;
    std::optional<Mode> mode;  // none: the session's, and fast for a new one
    // A fast session of the same photo on the same model, finished: the tuning starts from what it
    // learned, with fewer steps.
    std::optional<std::filesystem::path> from;
    // Learns a word of this name in e_opt's place and writes the edit for other programs
    // (elsewhere_files.h).
    std::optional<std::string> as_word;
    std::optional<Crop> crop;
    std::optional<int> size;
    std::optional<std::uint64_t> tuning_seed;
    StageOverrides embedding, finetune;
    bool restart = false;  // tune anew where the session holds another tuning
    double checkpoint_seconds = TuneControls{}.checkpoint_seconds;
    optimize::Checkpointing checkpointing = TuneControls{}.checkpointing;
    RenderRequest render;
};

struct RenderedImage {
    std::filesystem::path file;
    std::optional<double> eta;  // none for a picture that is no edit
    std::uint64_t seed = 0;
    // Whether the picture changed as the words say (direction.h); none: not measured.
    std::optional<double> directional_similarity;
};

// The evaluation loss around each stage, of this run or an earlier one.
struct LossSummary {
    std::optional<double> embedding_before, embedding_after, finetune_before, finetune_after;
};

struct EditResult {
    std::vector<RenderedImage> images;
    std::filesystem::path sheet;  // the contact sheet; empty when one file was asked for
    StageSeconds seconds;
    LossSummary losses;
    int threads = 1;  // that computed
    // Where no strength was asked for, of the words' way: the smallest at which the picture is what
    // the words say, by the model's own judgement (words_judge.h), and whether it is at any.
    std::optional<double> chosen;
    bool words_taken = false;
    DirectionNote direction;  // of all images
    std::string mask;         // what the edit kept to: "none", "words", "auto", or a file's name
};

struct EditControls {
    Monitor* monitor = nullptr;                         // "embedding", "rate", "finetune", "render"
    std::function<void(const std::string& text)> warn;  // one line for the user
};

// Tunes what is not tuned yet and renders. Throws Error (the session keeps what was reached), and
// Cancelled after the session has been saved.
EditResult edit(const EditRequest& request, const EditControls& controls);
// The same on a model that is loaded already (load_session_model of edit_recipe.h), which several
// edits share: what the request says of model and device is passed over.
EditResult edit(const EditRequest& request, const EditControls& controls,
                const pipeline::Model& model);

// Renders from a tuned session. Throws Error when its tuning is not finished.
EditResult render_session(const std::filesystem::path& session, const RenderRequest& request,
                          const EditControls& controls);

}  // namespace keepsake::editor
