#include "editor/workbench/queue_run.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "editor/edit/clock.h"
#include "editor/workbench/queue_settings.h"

namespace keepsake::editor {
namespace {

using State = QueuedEdit::State;

// Rendering takes about this share of an edit's time.
constexpr double render_share = 0.15;

// What became of an edit.
struct Made {
    std::filesystem::path session = {};
    std::string remark = {};
};

// How long it is worked on now, and was before.
struct Time {
    Clock::time_point begin = Clock::now();
    double before = 0;
    double seconds() const { return before + seconds_since(begin); }
};

void set_state(DocumentBoard& board, std::uint64_t id, State state, double seconds,
               Made made = {}) {
    change_queue(board, [&](EditQueue queue) {
        for (QueuedEdit& edit : queue.edits) {
            if (edit.id != id) continue;
            edit.state = state;
            edit.seconds = seconds;
            edit.session = made.session;
            edit.remark = made.remark;
        }
        return queue;
    });
}

// Of the bench that the edit is made on.
QueueProgress progress_of(const Document& document, std::uint64_t id, double seconds) {
    if (document.tuned == Tuned::fully) {
        const double strip = double(strip_etas(first_eta()).size());
        const double rendered = std::min(double(document.renders.size()) / strip, 1.0);
        const bool learned = learns(parse_mode(document.tuned_draft.tuning.mode));
        const double share = learned ? render_share : 1;
        return {id, "render", 1 - share * (1 - rendered), seconds, document.shown.after};
    }
    const TuningDraft& tuning = document.tuned_draft.tuning;
    const std::string& stage = document.progress.stage;
    const double all = double(tuning.embedding_steps + tuning.finetune_steps);
    double done = 0;
    if (stage == "embedding") done = double(document.progress.done);
    if (stage == "rate") done = double(tuning.embedding_steps);
    if (stage == "finetune") done = double(tuning.embedding_steps + document.progress.done);
    const double fraction = all > 0 ? std::min(done / all, 1.0) * (1 - render_share) : 0;
    return {id, stage, fraction, seconds, document.preview.square};
}

bool looks_the_same(const QueueProgress& a, const QueueProgress& b) {
    constexpr double visible = 0.002;
    return a.id == b.id && a.stage == b.stage && a.preview == b.preview &&
           std::abs(a.fraction - b.fraction) < visible;
}

// The draft of the open photo with the edit's settings and its text.
EditDraft draft_for(const EditDraft& defaults, const QueuedEdit& edit) {
    EditDraft draft = defaults;
    draft.prompt = edit.text;
    if (!edit.settings) return draft;
    draft.tuning = edit.settings->tuning;
    if (draft.tuning.crop == Crop{}) draft.tuning.crop = defaults.tuning.crop;
    draft.sample = edit.settings->sample;
    return draft;
}

// The one that the edit was added with.
LoadedModel model_of(const Bench& bench, const QueuedEdit& edit) {
    if (edit.settings && !is_of_model(*edit.settings, bench.board.latest()->model->choice)) {
        const ModelChoice& choice = edit.settings->model;
        return read_model(with_parts(bench.compute, choice), place_of(choice), nullptr);
    }
    return {*bench.model, bench.defaults, bench.board.latest()->model};
}

Made make(Bench& bench, const QueuedEdit& edit, const Time& time, Monitor& monitor) {
    DocumentBoard* own = nullptr;
    DocumentBoard board([&] {
        const QueueProgress now = progress_of(*own->latest(), edit.id, time.seconds());
        if (looks_the_same(now, bench.board.latest()->queue_progress)) return;
        bench.board.change([&](Document& document) { document.queue_progress = now; });
    });
    own = &board;
    board.change([&](Document& document) { document.files = bench.board.latest()->files; });
    Bench apart{board};
    apart.library = bench.library;
    apart.compute = bench.compute;
    apart.is_watched = false;
    take_model(apart, model_of(bench, edit));
    if (is_session(edit.photo)) throw Error(edit.photo.string(), "is a session, not a photo");
    open_path(apart, {edit.photo, edit.text});
    PhotoView named = *apart.photo;
    named.name = edit.name;  // of a session's photo the name that it came with
    apart.photo = std::make_shared<const PhotoView>(std::move(named));
    if (edit.settings) apart.look.seed = edit.settings->seed;
    apply_edit(apart, draft_for(board.latest()->draft, edit));
    while (apart.wants_tuning || wants_render(apart)) {
        if (monitor.stop().stop_requested()) throw Cancelled();
        apart.wants_preview = false;  // nobody looks at it
        if (apart.wants_tuning)
            tune_session(apart, monitor);
        else
            render_next(apart, monitor);
    }
    if (board.latest()->renders.empty())  // nothing to paint with here
        throw Error("mode inpaint", "needs a mask: open the photo in the room Edit and paint it");
    return {apart.session->folder, board.latest()->notice.text};
}

// In one line, and without the folder of the photo, whose name stands beside it.
std::string remark_of(const std::exception& error, const QueuedEdit& edit) {
    std::string text = error.what();
    if (text.starts_with(edit.photo.string()))
        text.replace(0, edit.photo.string().size(), edit.name);
    std::ranges::replace(text, '\n', ' ');
    return text;
}

}  // namespace

void change_queue(DocumentBoard& board, const std::function<EditQueue(EditQueue)>& change) {
    board.change([&](Document& document) {
        document.queue = std::make_shared<const EditQueue>(change(*document.queue));
    });
}

bool wants_queue(const Bench& bench) {
    return bench.model && next_edit(*bench.board.latest()->queue);
}

void work_on_queue(Bench& bench, Monitor& monitor) {
    const auto queue = bench.board.latest()->queue;
    const QueuedEdit* next = next_edit(*queue);
    if (!next) return;
    const Time time{.before = next->seconds};
    const auto end = [&](State state, Made made) {
        bench.board.change([](Document& document) { document.queue_progress = {}; });
        set_state(bench.board, next->id, state, time.seconds(), std::move(made));
    };
    set_state(bench.board, next->id, State::working, next->seconds);
    try {
        end(State::done, make(bench, *next, time, monitor));
    } catch (const Cancelled&) {
        end(State::waiting, {});
        throw;
    } catch (const std::exception& error) {
        end(State::failed, {{}, remark_of(error, *next)});
    }
}

}  // namespace keepsake::editor
