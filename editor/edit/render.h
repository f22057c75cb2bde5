// The last third of an edit: a tuned network and an embedding become image files.
#pragma once

#include "editor/edit/edit.h"
#include "editor/edit/inpaint.h"
#include "editor/edit/words_pull.h"

namespace keepsake::editor {

// What is rendered, all of it settled.
struct RenderJob {
    const pipeline::Model& model;
    const optimize::Tuning& tuning;  // finished
    const Recipe& recipe;            // its sampling is used
    const Photo& photo;
    const Pixels& square;  // the working square of it
    std::vector<double> etas;
    std::vector<std::uint64_t> seeds;
    Destination out;  // its path is not empty
    const OutputRequest& output;
    bool judged = false;   // the words' way: the strength at which they have arrived is found and
                           // rendered too
    bool preview = false;  // the files say so
};

struct RenderedFiles {
    std::vector<RenderedImage> images;
    std::filesystem::path sheet;   // empty when `out` is one file
    std::optional<double> chosen;  // as EditResult has it
    bool words_taken = false;
    DirectionNote direction;  // likewise
};

// What an edit keeps to: "none", "words", "auto", or a file's name.
std::string mask_text(const OutputRequest& output, Way way);

// Makes the folder and checks that it can be written, so that nobody waits an hour for a tuning
// whose pictures have nowhere to go. Throws Error naming it.
void prepare_destination(const Destination& out);

// What the images of an edit are called; a contact sheet is a PNG.
struct ImageNames {
    Destination out;  // its path is not empty
    std::string stem, extension;
};
ImageNames image_names(const Destination& out, const OutputRequest& output, const Recipe& recipe,
                       const Photo& photo);
// Likewise: throws Error naming the file that could not be written, for a name that is too long or
// what lies in its place.
void check_names(const ImageNames& names, const std::vector<double>& etas,
                 const std::vector<std::uint64_t>& seeds);

// Of n images, those that are rendered in one batch: `count` from `first` on.
struct ImageBatch {
    std::size_t first = 0, count = 0, n = 0;
};
// n images in batches of equal size or nearly so, of `most` at the most. most: at least 1.
std::vector<ImageBatch> image_batches(std::size_t n, std::size_t most);
// A Monitor whose steps are those of one batch in the progress of `whole`, with its stop.
Monitor part_of(Monitor& whole, const ImageBatch& batch);

// Says through controls.warn when the model will not see all of `text` (the noun is `what`).
void warn_if_cut(const pipeline::Model& model, const std::string& what, const std::string& text,
                 const EditControls& controls);

// Warns of words that stand in none of the texts, of which `used` are the others.
void warn_of_words(const pipeline::Model& model, const std::vector<WordReference>& used,
                   const EditControls& controls);

// Warns of what the model's file holds beside the model, and of what its adapters hold for another.
void warn_if_left_alone(const pipeline::Model& model, const EditControls& controls);

// What all renders of one tuning and sampling share.
struct Conditions {
    at::Tensor target, optimised;  // (1, T, D) float32, of the text encoder
    at::Tensor uncond;  // (1, T, D); undefined where nothing asks for it: the line, guidance 1
    // (1, C, h, w) float32: those of `square`; undefined where nothing here starts from them.
    at::Tensor photo_latents;
    std::optional<at::Tensor> inverted;  // of `square`; none where sampling starts from noise alone
    std::optional<WordsPull> words;      // where the recipe goes the words' way
    // Of the mode inpaint, whose pictures need both (take_mask).
    std::optional<pipeline::LatentDistribution> photo;
    std::optional<DrawnAnew> drawn;
};
// square: the working square that was learned. The recipe's way and sampling are used. words: where
// they were found before, for this square and target; else they are looked for. Throws Cancelled.
Conditions encode_conditions(const pipeline::Model& model, const optimize::Tuning& tuning,
                             const Recipe& recipe, const Pixels& square, Monitor& monitor,
                             const WordsPull* words = nullptr);
// The same edit sampled as this recipe says; its way and noise_share are those of `conditions`.
// Throws Cancelled.
Conditions with_sampling(Conditions conditions, const pipeline::Model& model,
                         const optimize::Tuning& tuning, const Recipe& recipe, Monitor& monitor);

// What the mode inpaint says where there is none.
Error no_mask_to_draw();
// What the mode inpaint draws anew of `square`. Throws Error where there is no mask.
void take_mask(Conditions& conditions, const pipeline::Model& model, const Pixels& square,
               const EditRegion& region);

// Pictures of a tuning that is finished or under way (before stage B the model's own network draws
// them), size x size pixels of `recipe`.
struct PictureJob {
    const pipeline::Model& model;
    const optimize::Tuning& tuning;
    const Recipe& recipe;
    const Conditions& conditions;
};

// Which of them. In order by seed, then eta.
struct PictureKey {
    std::uint64_t seed = 0;
    double eta = 0;
    auto operator<=>(const PictureKey&) const = default;
};

// Imagic's stage C (section 3.2, equation 3) and sampling, of all `keys` in one batch, or the
// words' way (pipeline/model/generate_edits.h), where an eta of 1 pulls by full_pull_of(). In the
// mode inpaint eta, up to 1, is the strength of `generate --mask`, whose picture of that seed it
// is. Each picture is what it is alone. Throws Cancelled.
std::vector<Pixels> render_pictures(const PictureJob& job, const std::vector<PictureKey>& keys,
                                    Monitor& monitor);
// The most that are rendered in one batch (pipeline::pictures_at_once).
std::size_t pictures_at_once(const pipeline::Model& model, const Recipe& recipe);

// One image for each seed and eta, <photo>-eta0.60-seed0.png (or as the photo's extension is), and
// in a folder the contact sheet <photo>-sheet.png, for which eta 0 is rendered too, as it is for
// images at the photo's own size. Rendered in batches, each image written when its batch is done.
// Throws Error naming a file that cannot be written, and Cancelled; what was written stays.
RenderedFiles render_images(RenderJob job, Monitor& monitor);

}  // namespace keepsake::editor
