// What a window shows of the editor's state: an immutable snapshot without tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/direction_note.h"
#include "editor/photo/photo.h"
#include "editor/transfer/edit_region.h"
#include "editor/transfer/export_proof.h"
#include "editor/workbench/edit_draft.h"
#include "editor/workbench/edit_queue.h"
#include "editor/workbench/model_choice.h"
#include "editor/workbench/picture.h"
#include "editor/workbench/picture_offer.h"
#include "editor/workbench/teach_board.h"

namespace keepsake::editor {

// How a text reads to the model.
struct TokenCount {
    std::size_t used = 0;  // tokens of the text that the model sees
    std::size_t most = 0;  // how many it can see
    std::string cut_text;  // what it will not see; empty when all fits
};

struct ModelView {
    ModelChoice choice;  // its path whole, and its parts with where they lie
    std::string name;
    std::string about;        // what it knows, one line for the person; may be empty
    std::string fault;        // why there is no model, or not the one asked for
    std::string fingerprint;  // of its own weights, whatever was added to them
    std::vector<std::string> modes, samplers;
    double useful_first = 0, useful_last = 0;  // the eta in which edits of this model mostly lie
    // Quick and without state: may be called at each frame. Empty while there is no model.
    std::function<TokenCount(const std::string& text)> count_tokens;
    // Why no word can be learned by this name, else an empty text; likewise.
    std::function<std::string(const std::string& name)> check_word;
    std::int64_t word_steps = 0, subject_steps = 0, caption_steps = 0;  // of learning by default
};

struct PhotoView {
    std::string name;
    std::shared_ptr<const Photo> file;
    Picture view;  // the photo, not larger than a texture should be
};

// One render of the tuned session.
struct Render {
    double eta = 0;
    std::uint64_t seed = 0;
    Picture square;                        // as the model made it
    std::shared_ptr<const Recipe> recipe;  // how it was made
    // Whether it changed as the words say (editor/edit/direction.h); none: not measured.
    std::optional<double> direction;
};

// A render beside the photo it came from, no larger than PhotoView::view, as they are compared.
struct Comparison {
    double eta = 0;
    std::uint64_t seed = 0;
    Picture before, after, difference;
    RegionKey region;  // that `after` keeps to
};

// A render laid onto the photo as Comparison::after is, small enough to be made for every render.
struct LivePicture {
    Picture square;  // Render::square that it is of
    Picture after;
};

// What a strength without a render of its own looks like: its two neighbours mixed. Renders of one
// seed differ so little from one tenth to the next that the mixture cannot be told from the render
// itself (docs/few-steps.md).
struct LiveMix {
    double low_eta = 0, high_eta = 0;
    Picture low, high;  // of one size
    double share = 0;   // of `high`, 0 to 1
};

// A part of the photo and of the edit in it at the photo's own size.
struct DetailTile {
    Crop core;   // of the photo: the part that it stands for
    Crop place;  // what its pictures show: a little more on each side, so that no seam is seen
    Picture before;
    Picture after, difference;  // null while they are made
};

// What is zoomed into, as far as it is made.
struct Detail {
    Picture of;  // Comparison::after that `after` and `difference` belong to
    std::vector<std::shared_ptr<const DetailTile>> tiles;
};

struct Variation {
    std::uint64_t seed = 0;
    Picture square;  // null until it is rendered
};

enum class Activity { idle, loading, tuning, rendering, queue, teaching, captioning };
enum class Tuned { nothing, partly, fully };

// The training loss along both stages.
struct LossCurves {
    std::vector<float> embedding, finetune;
};

struct Preview {
    Picture square;
    double eta = 0;
    std::string stage;  // "nothing" (before anything is learned), "embedding", "finetune"
    std::int64_t step = 0;
};

// A result that a person has looked at.
struct HistoryItem {
    EditDraft draft;
    double eta = 0;
    std::uint64_t seed = 0;
    std::filesystem::path session;
    Picture square;
    std::optional<std::size_t> before;  // the item that was shown when this one was made
};

struct Notice {
    // stopped: the open photo's edit ended in a fault, which Apply or Go on continues.
    enum class Kind { note, fault, stopped };
    std::uint64_t number = 0;  // rises with each notice
    Kind kind = Kind::note;
    std::string text;
};

// A photo, session or folder that can be opened with one click.
struct ShelfItem {
    enum class Kind { folder, photo, session };
    std::filesystem::path path;
    Kind kind = Kind::photo;
    std::string title;   // a file's name, or a session's text
    std::string prompt;  // a sample's suggested edit
    Picture thumbnail;   // null while it is not read yet, or cannot be
};

struct Folder {
    std::filesystem::path path;
    std::vector<ShelfItem> items;
    std::string fault;  // why it cannot be read
};

struct ExportState {
    enum class Kind { nothing, exists, under_way, written, failed };
    Kind kind = Kind::nothing;
    std::filesystem::path path;
    std::string fault;
    // Of a photo that is written, once it was compared with the one that was opened.
    std::shared_ptr<const ExportProof> proof = nullptr;
};

struct Document {
    std::uint64_t revision = 0;  // rises with each snapshot
    std::shared_ptr<const ModelView> model;

    std::shared_ptr<const PhotoView> photo;  // null: nothing is open
    std::filesystem::path session;           // empty: nothing of it was tuned yet
    // What the fields show. Where `draft_revision` rises, the window takes over draft, eta and
    // seed; else what the person is typing stands.
    EditDraft draft;
    double eta = 0;
    std::uint64_t seed = 0;
    std::uint64_t draft_revision = 0;
    std::vector<EditDraft> defaults;  // of each mode, for this photo; without one, for any

    Tuned tuned = Tuned::nothing;
    EditDraft tuned_draft;  // with `tuned`: what the session holds
    Activity activity = Activity::idle;
    WorkProgress progress;
    std::shared_ptr<const LossCurves> losses;
    Preview preview;

    Picture working_square;            // the photo as the model sees it
    std::vector<Render> renders;       // of the seed and sampling shown, by rising eta
    std::optional<double> chosen_eta;  // of this tuning, where the words have arrived by the
                                       // model's own judgement; none: not judged, or they have not
    DirectionNote measured;            // what Render::direction was measured with
    std::vector<Render> previews;      // likewise, in few steps, while there are no others
    std::vector<Render> quick_looks;   // of this text, before anything was learned
    std::vector<LivePicture> live;     // of both, as far as they are made
    Comparison shown;                  // the exact render of `eta` and `seed`, when there is one
    Detail detail;                     // of `shown`
    RegionView region;                 // of the session
    std::vector<Variation> variations;
    double variations_eta = 0;

    std::vector<HistoryItem> history;
    std::optional<std::size_t> history_at;
    bool can_redo = false;

    Notice notice;
    ExportState exported;
    // Of this photo's file, or of a picture that was dropped on it; null: nothing is offered.
    std::shared_ptr<const PictureOffer> offer;
    std::shared_ptr<const TakenOffer> taken_offer;  // for this photo; null: none was
    std::vector<ShelfItem> samples, recent;
    std::shared_ptr<const FileNames> files = std::make_shared<const FileNames>();  // never null
    Folder folder;
    std::shared_ptr<const EditQueue> queue = std::make_shared<const EditQueue>();  // never null
    QueueProgress queue_progress;
    TeachView teach;
};

// The render whose eta is nearest; null when there is none.
const Render* nearest_render(const Document& document, double eta);
// The render of exactly this eta, likewise.
const Render* exact_render(const Document& document, double eta);
// What to show of an eta while its exact render is not there: of `renders`, else of `previews`,
// those that are in `live` and nearest below and above it. None when there are not both.
std::optional<LiveMix> live_mix(const Document& document, double eta);
// Likewise of the model's own squares, for the strip while it is rendered: of `previews` alone.
std::optional<LiveMix> preview_mix(const Document& document, double eta);

}  // namespace keepsake::editor
