// What a window asks of the Worker.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

#include "editor/transfer/brush.h"
#include "editor/transfer/edit_region.h"
#include "editor/workbench/draft_change.h"
#include "editor/workbench/edit_draft.h"
#include "editor/workbench/edit_queue.h"
#include "editor/workbench/export_picture.h"
#include "editor/workbench/model_choice.h"
#include "editor/workbench/teach_draft.h"

namespace keepsake::editor {

// Opens a photo or a session's folder. What was under way is saved first.
struct OpenRequest {
    std::filesystem::path path;
    std::string prompt;  // for a photo: what the text field shows then
    bool apply = false;  // and tunes it at once
};

// Back to where nothing is open.
struct CloseRequest {};

// Tunes what the draft asks for as far as that is not done yet, then fills the film strip.
struct ApplyRequest {
    EditDraft draft;
};

// Stops tuning and rendering; what was reached is saved. The same ApplyRequest goes on with it.
struct StopRequest {};

// Shows the exact render of this eta, seed and sampling. A newer one supersedes it.
struct LookRequest {
    SampleDraft sample;
    double eta = 0;
    std::uint64_t seed = 0;
};

// Fills Document::variations, one for each seed.
struct VariationsRequest {
    SampleDraft sample;
    double eta = 0;
    std::vector<std::uint64_t> seeds;
};

struct UndoRequest {};
struct RedoRequest {};
struct HistoryRequest {
    std::size_t index = 0;  // of Document::history
};

// Uses another model from now on. An open photo stays, to be edited anew.
struct ModelRequest {
    ModelChoice choice;
    bool bundled = false;     // the one that comes with Keepsake, instead of its path
    DraftChange change = {};  // of the fields, which are else as the model's defaults say
};

// Finds the automatic mask, which the model is needed for. Comes with the RegionRequest for it.
struct FindMaskRequest {};

// Lists a folder in Document::folder; the thumbnails follow.
struct FolderRequest {
    std::filesystem::path path;
};

// Looks for settings in a picture, for Document::offer. asks: of one that is dropped on an open
// photo; without settings it is opened, with them the person is asked.
struct PictureRequest {
    std::filesystem::path path;
    bool asks = false;
};

// Looks for what Document::offer names, for Document::taken_offer.
struct TakeOfferRequest {};

// Lists the files of KEEPSAKE_FILES anew, in Document::files.
struct FileNamesRequest {};

// What follows never waits for the model.

// Which mask is used, and how. The automatic one is found where it is not there yet.
struct RegionRequest {
    RegionSettings settings;
};

// A brush stroke, or the next piece of one: `line` begins where the piece before it ended. Where
// another mask than the painted one is chosen, the first piece begins with that.
struct StrokeRequest {
    BrushLine line;
    bool begins = false, ends = false;
};

// Changes all of what is painted.
struct MaskRequest {
    enum class Kind { clear, fill, invert, automatic, undo, redo } kind = Kind::clear;
};

// Makes Document::detail for this part of the photo; an empty one: for none.
struct DetailRequest {
    Crop visible;
};

// Reads photos, folders of them, or a run, for the room Teach: TeachView::offers.
struct TeachAddRequest {
    std::vector<std::filesystem::path> places;
};

// Learns what the draft says, in a new run; or, where a folder is given, goes on with the run in it
// and passes over the draft. Edits go first: it waits for them and goes on.
struct TeachStartRequest {
    TeachDraft draft;
    std::filesystem::path folder;
};

// Stops it; what was learned is saved.
struct TeachStopRequest {};

// Says what these photos of the room Teach show: TeachView::captions. Edits go first, learning
// waits.
struct TeachCaptionRequest {
    std::vector<std::filesystem::path> photos;
    std::filesystem::path captioner;  // a folder (editor/edit/caption.h); empty: the model itself
};

// Stops it after the photo under way.
struct TeachCaptionStopRequest {};

// Changes one of My words.
struct MyWordRequest {
    enum class Kind { strength, remove } kind = Kind::strength;
    std::string name;
    double strength = 1;
};

// Writes the queue's list and reads the pictures that are missing in it. The Worker sends it to
// itself.
struct QueueKeepRequest {};

using LightTableRequest = std::variant<RegionRequest, StrokeRequest, MaskRequest, DetailRequest>;

using Request =
    std::variant<OpenRequest, CloseRequest, ApplyRequest, StopRequest, LookRequest,
                 VariationsRequest, UndoRequest, RedoRequest, HistoryRequest, ModelRequest,
                 FindMaskRequest, FolderRequest, PictureRequest, TakeOfferRequest, FileNamesRequest,
                 ExportRequest, LightTableRequest, TeachAddRequest, TeachStartRequest,
                 TeachStopRequest, TeachCaptionRequest, TeachCaptionStopRequest, MyWordRequest,
                 QueueAddRequest, QueueTextsRequest, QueueChangeRequest, QueueRunRequest,
                 QueueKeepRequest>;

}  // namespace keepsake::editor
