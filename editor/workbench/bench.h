// What the Worker's thread works with: the model, the open photo, its session and what is still to
// be rendered. Used by that one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/direction.h"
#include "editor/edit/render.h"
#include "editor/session/option_overrides.h"
#include "editor/session/session.h"
#include "editor/workbench/document_board.h"
#include "editor/workbench/history.h"
#include "editor/workbench/render_cache.h"
#include "editor/workbench/requests.h"
#include "editor/workbench/teach_caption.h"
#include "editor/workbench/teach_run.h"
#include "editor/workbench/worker.h"

namespace keepsake::editor {

// What the renders of a session are measured with (editor/edit/direction.h), found when the first
// one is, and what was found.
struct BenchDirection {
    bool known = false;
    std::optional<EditDirection> of;
    std::map<std::string, double> found;  // by render_key()
};

// Where the words of a text belong on a working square, by the model in use: no tuning changes it.
struct FoundWords {
    Picture square;
    at::Tensor target;  // the text's embedding
    WordsPull words;
};

struct Bench {
    DocumentBoard& board;
    std::filesystem::path library;
    Compute compute;

    std::optional<pipeline::Model> model;
    ModelDefaults defaults;

    std::shared_ptr<const PhotoView> photo;
    Picture square;  // of the session's crop
    std::optional<Session> session;
    std::optional<optimize::Tuning> tuning;  // finished; none: not done, or not needed yet
    std::optional<Conditions> conditions;    // of `tuning` and `look.sample`
    std::optional<FoundWords> found_words;   // of the latest first look
    BenchDirection direction;                // of `session`
    // Of a session of the mode inpaint: what its renders draw anew, which is what was chosen when
    // they were asked for.
    EditRegion drawn;
    std::string drawn_tag;  // mask_tag of it; empty in other modes

    LookRequest look;                        // what is shown
    bool wants_tuning = false;               // of `session`
    bool wants_preview = false;              // of `look` and the strip, in few steps
    bool is_watched = true;                  // no previews for nobody
    bool wants_exact = false;                // the render of `look`
    bool wants_mask = false;                 // the automatic one
    bool wants_strip = false;                // the renders around that of `look`
    std::vector<std::uint64_t> wants_seeds;  // the variations that are not there yet
    RenderCache cache = RenderCache();
    History history;

    std::optional<TeachJob> teaching;    // of the room Teach
    std::optional<CaptionJob> captions;  // likewise
};

// A model that was read and is not used yet.
struct LoadedModel {
    pipeline::Model model;
    ModelDefaults defaults;
    std::shared_ptr<const ModelView> view;
};
// session: the one that it was made with. path: empty for the session's own. Throws Error.
LoadedModel read_model(const Compute& compute, const std::filesystem::path& path,
                       const Session* session);
// The same model with other words or LoRAs in it.
LoadedModel model_with(pipeline::Model model, ModelDefaults defaults);
// Throws nothing, so that what was read before it is shown whole or not at all.
void take_model(Bench& bench, LoadedModel loaded);
std::shared_ptr<const PhotoView> view_photo(const std::filesystem::path& path,
                                            const std::string& name);

// The model for an edit of these texts: with the words of My words that stand in them and the LoRAs
// that the text calls, as by --embedding and --lora of `keepsake edit`, and without those of other
// texts. None: the bench's own is that one, as it is where a session has these texts. Throws Error.
std::optional<LoadedModel> model_for(const Bench& bench, const EditDraft& draft);

// Reads a model in place of the present one. A failure is noted in Document::model and thrown.
void use_model(Bench& bench, const ModelChoice& choice);
// Likewise, and the open photo is then to be edited anew with it, by its defaults and the change.
void change_model(Bench& bench, const ModelChoice& choice, const DraftChange& change = {});

// The requests. They throw Error, after which the bench is as it was (house rule 8).
void open_path(Bench& bench, const OpenRequest& request);
void close_photo(Bench& bench);
void apply_edit(Bench& bench, const EditDraft& draft);
void look_at(Bench& bench, const LookRequest& request);
void begin_variations(Bench& bench, const VariationsRequest& request);
void undo(Bench& bench);
void redo(Bench& bench);
void go_to(Bench& bench, std::size_t index);

// Shows in the Document that `look` is what is looked at, with what the cache has of it.
void show_look(Bench& bench);
// Shows in the Document the edit region that the session keeps.
void show_region(Bench& bench);
// The automatic mask is to be found, if it is not there yet.
void want_mask(Bench& bench);
// Gives up what is left to do. A mask that was to be found is not chosen any more.
void want_nothing(Bench& bench);
// Opens the session of `folder` and its photo, and shows where it stands. history: in which it is
// the present item's; none: what the session's folder has noted.
void open_session_folder(Bench& bench, const std::filesystem::path& folder,
                         std::optional<History> history);
// The bench without a session; the Document is left as it is.
void forget_session(Bench& bench);
// A Document of the bench's photo, of which nothing is rendered yet.
void show_photo(Bench& bench, const EditDraft& draft);
// Notes in the Document how far the session is.
void show_session(Bench& bench);

// Long work, one piece a call. Throw Cancelled and Error.
void tune_session(Bench& bench, Monitor& monitor);
void render_next(Bench& bench, Monitor& monitor);
bool wants_render(const Bench& bench);
// Reads the tuning and finds what its renders share, each where it is first needed.
void prepare_renders(Bench& bench, Monitor& monitor);
// Shows the strip in few steps, where there is nothing of it yet. Throws Error of what this
// sampling or model does not allow.
void render_previews(Bench& bench, Monitor& monitor);
// In which numbers previews are drawn: bfloat16 where that is quicker, but of large models, whose
// weights would be in memory twice; none: in the model's own. For the drawing alone: what it is
// drawn from is kept for exact pictures.
std::optional<pipeline::Arithmetic> preview_arithmetic(const Bench& bench, const Recipe& recipe);
// The cache's name of a render of the bench's session, as it is drawn now.
std::string bench_key(const Bench& bench, const Recipe& recipe, const PictureKey& picture);

// What pictures of the session are measured with, read when first asked for; null: nothing. A CLIP
// that cannot be read is told once, and nothing is measured.
const EditDirection* direction_of(Bench& bench);
// The directional similarity of the render of `key`; none: not measured.
std::optional<double> measured_direction(Bench& bench, const std::string& key,
                                         const Picture& square);

// What is rendered in which order, coarse first: 0 to 1.2, at each step the eta farthest from those
// that are done, of equally far ones that nearest to `middle`.
std::vector<double> strip_etas(double middle);
// The eta that is shown first, of a mode by its name.
double first_eta(std::string_view mode = {});

// The session's recipe with this sampling.
Recipe sampled_recipe(const Bench& bench, const SampleDraft& sample);

}  // namespace keepsake::editor
