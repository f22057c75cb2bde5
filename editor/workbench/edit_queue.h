// The edits that are worked off one after the other: an immutable part of the Document, and what a
// person changes of it. Plain values; no file is read here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "editor/workbench/edit_draft.h"
#include "editor/workbench/model_choice.h"
#include "editor/workbench/picture.h"

namespace keepsake::editor {

// How an edit is made: what the window's fields said when it was added.
struct QueueSettings {
    ModelChoice model;
    TuningDraft tuning;  // a crop of nothing: as the photo has it by default
    SampleDraft sample;
    std::uint64_t seed = 0;  // of the pictures
    bool operator==(const QueueSettings&) const = default;
};

struct QueuedEdit {
    enum class State { waiting, working, done, failed };
    std::uint64_t id = 0;  // no other edit of the list has it
    std::filesystem::path photo;
    std::string name;                       // the photo's, for the person
    std::string text;                       // empty: not written yet; the edit is passed over
    std::optional<QueueSettings> settings;  // none: the model's own
    State state = State::waiting;
    double seconds = 0;             // that it was worked on so far
    std::filesystem::path session;  // of one that is done
    std::string remark;             // why it failed, or what is to be said of it
    Picture before, after;          // small; null where they are not read or cannot be
    bool before_read = false, after_read = false;
};

struct EditQueue {
    std::vector<QueuedEdit> edits;  // in the order in which they are worked off
    bool paused = false;
    std::uint64_t next_id = 1;
    std::string unkept;  // why the list will be gone when the window closes; mostly empty
};

// How far the edit that is being worked on is.
struct QueueProgress {
    std::uint64_t id = 0;  // 0: there is none
    std::string stage;     // of WorkProgress, or "render"
    double fraction = 0;   // of the whole edit
    double seconds = 0;    // that it was worked on, at other times, too
    Picture preview;       // may be null
};

constexpr std::size_t most_queued = 1000;

// Puts each photo with each text at the end; without texts, each photo once, its text to be
// written.
struct QueueAddRequest {
    std::vector<std::filesystem::path> photos;
    std::vector<std::string> texts;
    std::optional<QueueSettings> settings;
    std::string name = {};  // of the photo where it is one; empty: its file's
};

// Each edit whose text is not written yet becomes one of each of these texts, in its place.
struct QueueTextsRequest {
    std::vector<std::string> texts;
    std::optional<QueueSettings> settings;
};

struct QueueChangeRequest {
    // up and down: past the next edit that waits, too. write: its text is `text`. again: a failed
    // one waits once more.
    enum class OfOne { up, down, remove, write, again } what = OfOne::remove;
    std::uint64_t id = 0;
    std::string text;
};

struct QueueRunRequest {
    // pause: at once; what was learned is kept, and going on continues from there. clear: those
    // that are done leave the list.
    enum class What { pause, go_on, clear } what = What::pause;
};

// Throw Error when more than most_queued would be in the list.
EditQueue changed(EditQueue queue, const QueueAddRequest& request);
EditQueue changed(EditQueue queue, const QueueTextsRequest& request);
// Of an edit that is not there, or not in such a state, nothing changes.
EditQueue changed(EditQueue queue, const QueueChangeRequest& request);
EditQueue changed(EditQueue queue, const QueueRunRequest& request);

// Null when there is none.
const QueuedEdit* find_edit(const EditQueue& queue, std::uint64_t id);
// The edit to be worked on next; null when it is paused, too.
const QueuedEdit* next_edit(const EditQueue& queue);
// Whether an edit is being worked on and shall be.
bool is_wanted(const EditQueue& queue);

// How many wait, the one under way among them; of `unwritten` the text is not written yet.
struct QueueCount {
    std::size_t waiting = 0, unwritten = 0, done = 0, failed = 0;
};
QueueCount count_of(const EditQueue& queue);

// The texts of a field, one a line, without those that are empty.
std::vector<std::string> lines_of(const std::string& field);

}  // namespace keepsake::editor
