// What the window itself remembers between frames; the edit is in the Document.
#pragma once

#include <imgui.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "editor/transfer/brush.h"
#include "editor/transfer/edit_region.h"
#include "editor/workbench/document.h"
#include "editor/workbench/edit_draft.h"
#include "editor/workbench/export_picture.h"
#include "editor/workbench/teach_draft.h"

namespace keepsake::gui {

enum class Room { edit, teach, queue };

enum class View { crop, mask, edit, wipe, side_by_side, difference, variations };

// Of the strength that the slider shows: its exact picture, its neighbours mixed, the nearest
// render; or something else than a finished edit.
enum class Drawn { exact, live, nearest, other };

struct OpenDialog {
    bool wanted = false;  // open it in the next frame
    bool showing = false;
    bool adds = false;             // photos to learn from, several of them, in place of opening one
    std::filesystem::path first;   // the folder to begin with; empty: where photos are kept
    std::string path;              // in the text field
    std::filesystem::path listed;  // the folder that the field shows
    int selected = -1;
};

struct ExportDialog {
    bool wanted = false;
    bool showing = false;
    editor::ExportKind kind = editor::ExportKind::photo;
    std::string path;
    bool format_chosen = false;  // by the person; else a photo is written in its own format
    int quality = 92;
    bool strip_gps = false;
    bool sent = false;  // this dialog's export is under way or answered
};

// A photo that another program gave to be changed.
struct ExternalFile {
    std::filesystem::path path;  // empty: there is none
    bool sent = false;           // its saving is under way
    bool saved = false;          // and the window is still open, for what is to be read
};

// What a picture's settings were offered for, and what became of that.
struct OfferPanel {
    std::uint64_t answered = 0;  // number of the offer that is not offered any more
    std::uint64_t taken = 0;     // number of Document::taken_offer that the fields have
    bool told = false;           // what was used of it is still to be read
    bool asking = false;         // the popup is open
    // The fields as they were before.
    editor::EditDraft draft_before;
    std::uint64_t seed_before = 0;
    editor::ModelChoice model_before;
};

struct MaskTool {
    bool tint = true;  // shows where the edit does not reach, or where it does
    bool tint_inside = false;
    float radius = 30;  // of the brush, in units of the design: the same on the screen at any zoom
    bool painting = false, erasing = false;
    editor::BrushPoint last;  // where the stroke has got to
    // Asked for and not in the Document yet.
    std::optional<editor::RegionSettings> sent;
    double sent_at = 0;
    std::filesystem::path asked_for;  // the session for which the window asked to paint
};

// The text field in which a word of My words is being spelled.
struct WordField {
    std::string id;  // empty: none
    std::size_t cursor = 0;
    double shown_until = 0;  // a click on what is proposed takes the keyboard from the field
};

struct TeachRoom {
    editor::TeachDraft draft;
    std::size_t taken = 0;             // of TeachView::offers
    std::size_t captions_taken = 0;    // of CaptionBoard::said
    bool captions_anew = false;        // over those that are there, too
    std::string captioner;             // its folder; empty: the model itself
    std::vector<std::string> remarks;  // on what was added, until they are read
    bool on_the_way = false;           // the middle shows the run's pictures, not the photos
    bool had_samples = false;
    std::string strength_of;  // the word whose strength is being set, and to what
    double strength = 1;
    std::string deleting;  // the word whose deletion is asked about
};

struct QueueRoom {
    std::string texts;                             // one a line
    std::map<std::uint64_t, std::string> written;  // the fields of the edits that wait, by their id
};

struct WindowState {
    Room room = Room::edit;
    TeachRoom teach;
    QueueRoom queue;
    WordField word_field;

    // The fields, until they are applied. Taken over from the Document where its draft_revision
    // rises.
    editor::EditDraft draft;
    double eta = 0;
    std::uint64_t seed = 0;
    std::uint64_t draft_revision = 0;

    // When a look was last asked for by the slider or a field; sent when it rests.
    std::optional<double> look_since;
    editor::LookRequest last_look;

    View view = View::crop;
    Drawn drawn = Drawn::other;  // in the last frame
    bool was_tuning = false;
    bool had_result = false;  // the view changes by itself when the first one comes
    float wipe = 0.5F;        // of the picture's width
    float zoom = 1;           // 1: the whole picture fits
    ImVec2 pan = {0, 0};      // of the picture's centre, in fractions of its shown size
    float pixel_zoom = 0;     // the zoom at which one pixel of the photo is one of the screen
    editor::Crop detail;      // the part of the photo that was asked for at its own size
    bool dragging_wipe = false;
    MaskTool mask;
    enum class CropDrag { nothing, move, resize } crop_drag = CropDrag::nothing;
    int crop_corner = 0;
    std::optional<editor::Crop> crop_before;  // what a drag began with
    ImVec2 drag_from = {0, 0};

    // A tooltip comes when the pointer has rested on one item for a while.
    ImVec2 hovered = {-1, -1};
    double hovered_since = 0;
    bool tooltip_waits = false;

    std::uint64_t first_variation = 0;
    bool advanced = false;
    bool advanced_drawn = false;  // in the last frame
    bool help = false;
    bool focus_text = false;
    std::uint64_t notice_closed = 0;  // number of the notice that was read
    std::string model_path;
    std::string vae, loras;  // of the model; taken over from the Document where that has another
    std::shared_ptr<const editor::ModelView> parts_of;
    OpenDialog open;
    ExportDialog exporting;
    ExternalFile external;
    OfferPanel offer;
    bool quit = false;
};

}  // namespace keepsake::gui
