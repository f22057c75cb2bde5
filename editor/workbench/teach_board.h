// What the room Teach shows: an immutable part of the Document.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "editor/workbench/teach_draft.h"
#include "editor/workbench/work_progress.h"

namespace keepsake::editor {

// Pictures of one step on the way, small.
struct SamplesShown {
    std::int64_t step = 0;
    std::vector<Picture> pictures;  // null where one cannot be read
};

// The run that was begun or opened last.
struct TeachBoard {
    enum class State { nothing, running, stopped, finished };
    State state = State::nothing;
    std::filesystem::path folder;
    TeachDraft draft;  // that it was begun with
    WorkProgress progress;
    std::int64_t steps = 0;                                    // of the whole run
    std::shared_ptr<const std::vector<float>> losses;          // one a step; null: none yet
    std::vector<std::pair<std::int64_t, double>> evaluations;  // (steps done, loss)
    std::vector<SamplesShown> samples;                         // by rising step
    std::filesystem::path sheet;                               // all of them, large; empty: none
    std::vector<std::string> remarks;                          // one line each
    std::string fault;                                         // why it stopped by itself
};

// Photos, or a run, that the person added: the window takes over each once.
struct TeachOffer {
    std::vector<TeachPicture> pictures;
    std::vector<std::string> remarks;
    std::optional<TeachDraft> run;  // a run was opened: this is its draft, in place of the fields
};

struct WordShown {
    std::string name;
    bool is_word = true;  // of one vocabulary entry or several; else a LoRA
    double strength = 1;
    std::string model;  // ModelView::fingerprint of that it was learned with
    Picture picture;    // may be null
    std::filesystem::path file;
};

// A run of the window's that was not finished.
struct UnfinishedRun {
    std::filesystem::path folder;
    std::string token;
    std::int64_t done = 0, steps = 0;
};

// What the photos show, as a captioner said it: the window takes each over once.
struct CaptionSaid {
    std::filesystem::path photo;
    std::string caption;
};
struct CaptionBoard {
    bool running = false;
    std::size_t done = 0, total = 0;
    std::vector<CaptionSaid> said;  // since the window was opened
};

struct TeachView {
    std::vector<std::shared_ptr<const TeachOffer>> offers;  // since the window was opened
    std::string reading;  // "12 of 40 photos", while they are read
    TeachBoard run;
    CaptionBoard captions;
    std::vector<WordShown> words;
    std::vector<UnfinishedRun> unfinished;
};

}  // namespace keepsake::editor
