// What is looked at closely: the edit region while it is set and painted, the compared pictures
// with it, and the photo's own pixels where it is zoomed into. Needs no model, so that it never
// waits for a tuning or a render. Used by one thread of the Worker.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "editor/transfer/apply_change.h"
#include "editor/workbench/document_board.h"
#include "editor/workbench/requests.h"

namespace keepsake::editor {

// The two renders that an edit is made of.
struct RenderPair {
    Picture reconstruction, edit;
    bool operator==(const RenderPair&) const = default;
};

// An edit fitted to the photo or its reduced view, with the strength of the region there. Each is
// made again only when what it depends on has changed.
struct PlacedEdit {
    RenderPair renders;
    FittedEdit fitted;
    std::optional<RegionKey> region;
    std::optional<RegionStrength> strength;
};

// Renders laid onto the photo for Document::live. Everything is of one reconstruction.
struct LiveTable {
    Picture reconstruction, ground;        // ground: the photo, of the pictures' size
    std::map<Picture, FittedEdit> fitted;  // by Render::square
    std::optional<RegionKey> region;
    std::optional<RegionStrength> strength;
    std::map<Picture, Picture> after;  // of `region`
};

// What undo goes back to.
struct PaintedState {
    RegionMode mode = RegionSettings{}.mode;
    SharedMask painted;
};

// What was set or painted and is not in the session's folder yet.
struct UnsavedRegion {
    std::optional<RegionSettings> settings;
    SharedMask mask;
};

struct LightTable {
    DocumentBoard& board;

    std::shared_ptr<const PhotoView> photo;  // that everything below is of
    std::filesystem::path session;           // likewise
    std::vector<PaintedState> undo, redo;
    bool painting = false;                                   // within a stroke
    std::map<std::filesystem::path, UnsavedRegion> unsaved;  // by session
    // Where saving failed (a full disk): what was told of it, and when it is tried again.
    std::string save_fault;
    std::chrono::steady_clock::time_point save_again;

    std::optional<RegionKey> overlay;  // what Document::region.weights was made for
    RenderPair compared;               // and Document::shown
    std::optional<RegionKey> compared_region;
    PlacedEdit on_view, on_photo;
    Crop visible;  // of Document::detail
    LiveTable live, live_previews;
};

// Does what is asked, at once. What follows from it is left to work().
void take(LightTable& table, const LightTableRequest& request);

// Does one piece of what is left to do, the most urgent first: the overlay, the compared pictures,
// saving, a tile of the detail, a live picture. Returns false when there was nothing. Throws Error;
// the piece is not tried again then until something changes.
bool work(LightTable& table);

// Writes what is not saved yet. What cannot be written stays unsaved, and work() tries again after
// `save_pause`; throws Error naming the file, of the same reason once.
void save(LightTable& table);
constexpr std::chrono::seconds save_pause{3};

}  // namespace keepsake::editor
