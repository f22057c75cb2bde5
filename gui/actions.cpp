// What shortcuts and buttons share.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "editor/session/is_session.h"
#include "editor/workbench/queue_settings.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

// How long the slider rests before its exact render is asked for: until then its neighbours mixed
// are as good.
constexpr double rest_seconds = 0.3;
// What was asked for and is not there after this long was changed by something else.
constexpr double patience_seconds = 1;

void send_look(Frame& frame) {
    WindowState& state = frame.state;
    state.look_since.reset();
    frame.send(editor::LookRequest{state.draft.sample, state.eta, state.seed});
}

}  // namespace

// An error that was answered by doing the next thing needs no longer be read.
void close_notice(Frame& frame) {
    frame.state.notice_closed = frame.document.notice.number;
}

void open_file(Frame& frame, const std::filesystem::path& path) {
    frame.state.open.showing = false;
    close_notice(frame);
    frame.send(editor::OpenRequest{path, {}, false});
}

void open_dropped(Frame& frame, const std::vector<std::filesystem::path>& paths) {
    if (!frame.state.external.path.empty()) return;
    if (frame.state.room == Room::teach) {
        frame.state.open.showing = false;
        close_notice(frame);
        frame.send(editor::TeachAddRequest{paths});
        return;
    }
    const auto opens = [](const std::filesystem::path& path) {
        return editor::has_photo_extension(path) || editor::is_session(path);
    };
    std::vector<std::filesystem::path> photos;
    std::ranges::copy_if(paths, std::back_inserter(photos), editor::has_photo_extension);
    if (photos.size() > 1 || (frame.state.room == Room::queue && !photos.empty()))
        return queue_photos(frame, photos);
    const auto found = std::ranges::find_if(paths, opens);
    const std::filesystem::path path = found == paths.end() ? paths.front() : *found;
    std::error_code code;
    if (found == paths.end() && std::filesystem::is_directory(path, code)) {
        begin_open(frame);
        frame.state.open.first = path;
        return;
    }
    frame.state.open.showing = frame.state.exporting.showing = false;
    close_notice(frame);
    frame.state.room = Room::edit;
    if (frame.document.photo && editor::has_photo_extension(path) && !editor::is_session(path))
        frame.send(editor::PictureRequest{path, true});
    else
        frame.send(editor::OpenRequest{path, {}, false});
}

std::optional<editor::QueueSettings> queue_settings(const Frame& frame, bool of_open_photo) {
    if (frame.document.defaults.empty()) return std::nullopt;
    editor::EditDraft draft = frame.state.draft;
    if (!of_open_photo) draft.tuning.crop = {};
    return editor::settings_of(frame.document.model->choice, draft, frame.state.seed);
}

void queue_photos(Frame& frame, const std::vector<std::filesystem::path>& photos) {
    frame.state.open.showing = frame.state.exporting.showing = false;
    frame.state.room = Room::queue;
    close_notice(frame);
    frame.send(editor::QueueAddRequest{photos, {}, queue_settings(frame, false)});
}

bool can_queue_texts(const Frame& frame) {
    if (editor::lines_of(frame.state.queue.texts).empty()) return false;
    return editor::count_of(*frame.document.queue).unwritten > 0 || frame.document.photo;
}

void queue_texts(Frame& frame) {
    if (!can_queue_texts(frame)) return;
    close_notice(frame);
    QueueRoom& room = frame.state.queue;
    const std::vector<std::string> texts = editor::lines_of(room.texts);
    if (editor::count_of(*frame.document.queue).unwritten > 0) {
        frame.send(editor::QueueTextsRequest{texts, queue_settings(frame, false)});
    } else {
        const editor::PhotoView& photo = *frame.document.photo;
        std::error_code code;
        frame.send(editor::QueueAddRequest{{std::filesystem::absolute(photo.file->path, code)},
                                           texts,
                                           queue_settings(frame, true),
                                           photo.name});
    }
    room.texts.clear();
}

bool can_apply(const Frame& frame) {
    const editor::Document& document = frame.document;
    if (!document.photo || !document.model || !document.model->count_tokens) return false;
    if (document.activity == editor::Activity::tuning) return false;
    if (frame.state.draft.prompt.find_first_not_of(" \t\r\n") == std::string::npos) return false;
    return document.tuned != editor::Tuned::fully ||
           !editor::same_tuning(frame.state.draft, document.tuned_draft);
}

void apply(Frame& frame) {
    if (!can_apply(frame)) return;
    close_notice(frame);
    // What was chosen a moment ago goes before the edit: after it, it would take the place of the
    // strength that the edit begins with.
    if (frame.state.look_since) send_look(frame);
    frame.state.had_result = false;
    frame.state.view = View::edit;
    frame.send(editor::ApplyRequest{frame.state.draft});
}

bool draws_anew(const Frame& frame) {
    return frame.document.tuned == editor::Tuned::fully &&
           editor::draws_anew(frame.document.tuned_draft.tuning);
}

void set_view(Frame& frame, View view) {
    if (!frame.document.photo) return;
    if (frame.state.view == View::mask && view != View::mask && draws_anew(frame)) send_look(frame);
    const bool asks = view == View::variations && frame.document.tuned == editor::Tuned::fully;
    frame.state.view = view;
    if (!asks) return;
    std::vector<std::uint64_t> seeds;
    for (std::size_t i = 0; i < variation_count; ++i) {
        seeds.push_back(frame.state.first_variation + i);
    }
    frame.send(editor::VariationsRequest{frame.state.draft.sample, frame.state.eta, seeds});
}

void set_eta(Frame& frame, double eta) {
    // Hundredths as the command line reads them: 85 / 100.0 is the number that "0.85" is.
    const double hundredths = std::clamp(std::round(eta * 100), 0.0, largest_eta * 100);
    const double rounded = hundredths / 100.0;
    if (rounded == frame.state.eta) return;
    frame.state.eta = rounded;
    frame.state.look_since = frame.now;
}

void choose_seed(Frame& frame, std::uint64_t seed) {
    frame.state.seed = seed;
    frame.state.look_since = frame.now - rest_seconds;
}

bool send_rested_look(Frame& frame) {
    WindowState& state = frame.state;
    if (!state.look_since) return false;
    if (frame.now - *state.look_since < rest_seconds) return true;
    send_look(frame);
    return false;
}

void begin_open(Frame& frame) {
    frame.state.open.adds = false;
    frame.state.open.wanted = frame.state.external.path.empty();
}

bool can_export(const Frame& frame) {
    return frame.document.photo && editor::exact_render(frame.document, frame.document.eta);
}

void begin_export(Frame& frame) {
    if (can_export(frame)) frame.state.exporting.wanted = true;
}

void set_room(Frame& frame, Room room) {
    if (frame.state.external.path.empty()) frame.state.room = room;
}

void begin_add_photos(Frame& frame) {
    frame.state.open.wanted = frame.state.open.adds = true;
}

editor::TeachFaults teach_faults(const Frame& frame) {
    std::vector<std::string> taken;
    for (const editor::WordShown& word : frame.document.teach.words) taken.push_back(word.name);
    return editor::faults_of(frame.state.teach.draft, *frame.document.model, taken);
}

bool is_run_of_fields(const Frame& frame) {
    const editor::TeachBoard& run = frame.document.teach.run;
    return run.state != editor::TeachBoard::State::nothing &&
           editor::same_lesson(run.draft, frame.state.teach.draft);
}

bool can_start_teaching(const Frame& frame) {
    using State = editor::TeachBoard::State;
    const State state = frame.document.teach.run.state;
    const auto& model = frame.document.model;
    if (!model || !model->check_word || state == State::running) return false;
    if (is_run_of_fields(frame)) return state == State::stopped;
    return teach_faults(frame).none();
}

void start_teaching(Frame& frame) {
    if (!can_start_teaching(frame)) return;
    close_notice(frame);
    const bool again = is_run_of_fields(frame);
    frame.state.teach.had_samples = again;
    frame.send(
        editor::TeachStartRequest{frame.state.teach.draft, again ? frame.document.teach.run.folder
                                                                 : std::filesystem::path()});
}

bool can_save_external(const Frame& frame) {
    const ExternalFile& file = frame.state.external;
    return !file.path.empty() && !file.sent && !file.saved && can_export(frame);
}

void save_external(Frame& frame) {
    if (!can_save_external(frame)) return;
    close_notice(frame);
    editor::ExportRequest request;
    request.path = frame.state.external.path;
    request.in_place = true;
    frame.state.external.sent = true;
    frame.send(request);
}

// Once the answer is there, and what was written is compared: closes, or leaves it to the notice to
// say why not, or what the file has lost.
void finish_external(Frame& frame) {
    using Kind = editor::ExportState::Kind;
    ExternalFile& file = frame.state.external;
    const editor::ExportState& state = frame.document.exported;
    if (!file.sent || state.path != file.path || state.kind == Kind::under_way) return;
    if (state.kind == Kind::written && !state.proof) return;
    file.sent = false;
    file.saved = state.kind == Kind::written;
    frame.state.quit = file.saved && editor::is_as_expected(*state.proof);
}

bool leaves_external(const WindowState& state, const editor::Request& request) {
    const auto is = [&]<class... Kinds>() {
        return (std::holds_alternative<Kinds>(request) || ...);
    };
    if (state.external.path.empty()) return false;
    if (is.operator()<editor::OpenRequest, editor::CloseRequest>()) return true;
    // What is being saved stays what is shown until it is.
    return state.external.sent &&
           is.operator()<editor::ApplyRequest, editor::UndoRequest, editor::RedoRequest,
                         editor::HistoryRequest, editor::ModelRequest>();
}

bool can_undo(const Frame& frame) {
    const editor::Document& document = frame.document;
    if (frame.state.view == View::mask) return document.region.can_undo;
    if (!document.history_at) return false;
    const editor::HistoryItem& item = document.history[*document.history_at];
    return item.before.has_value() || item.session != document.session;
}

bool can_redo(const Frame& frame) {
    const editor::Document& document = frame.document;
    return frame.state.view == View::mask ? document.region.can_redo : document.can_redo;
}

void undo(Frame& frame) {
    if (!can_undo(frame)) return;
    if (frame.state.view == View::mask) {
        frame.send(editor::MaskRequest{editor::MaskRequest::Kind::undo});
    } else {
        frame.send(editor::UndoRequest{});
    }
}

void redo(Frame& frame) {
    if (!can_redo(frame)) return;
    if (frame.state.view == View::mask) {
        frame.send(editor::MaskRequest{editor::MaskRequest::Kind::redo});
    } else {
        frame.send(editor::RedoRequest{});
    }
}

editor::RegionSettings region_settings(const Frame& frame) {
    MaskTool& mask = frame.state.mask;
    const bool late = frame.now - mask.sent_at > patience_seconds;
    if (mask.sent && (late || *mask.sent == frame.document.region.settings)) mask.sent.reset();
    return mask.sent.value_or(frame.document.region.settings);
}

void set_region(Frame& frame, const editor::RegionSettings& settings) {
    if (settings == region_settings(frame)) return;
    frame.state.mask.sent = settings;
    frame.state.mask.sent_at = frame.now;
    frame.send(editor::RegionRequest{settings});
}

void resize_brush(Frame& frame, float factor) {
    float& radius = frame.state.mask.radius;
    radius = std::clamp(radius * factor, smallest_brush, largest_brush);
}

}  // namespace keepsake::gui
