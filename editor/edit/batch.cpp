#include "editor/edit/batch.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <new>
#include <set>

#include "editor/edit/batch_records.h"
#include "editor/edit/clock.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/render.h"
#include "editor/session/bundled_model.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr double table_seconds = 10;  // between two writings of the table

// What all photos of one call share.
struct Batch {
    const BatchRequest& request;
    const BatchControls& controls;
    std::vector<BatchPhoto> photos;  // of all shards
    fs::path model_path;
    BatchSettings settings;
    std::optional<pipeline::Model> model = {};  // loaded when the first photo needs it
    int threads = 1;
    std::set<std::string> said = {};  // a warning about the text is one, however many photos
};

void warn(Batch& batch, const std::string& text) {
    if (batch.controls.warn && batch.said.insert(text).second) batch.controls.warn(text);
}

// The monitor of one photo: its notes say which it is.
Monitor monitor_of(const Batch& batch, const BatchPhoto& photo, std::size_t place,
                   std::size_t count) {
    Monitor* whole = batch.controls.monitor;
    if (!whole) return Monitor();
    const std::string which = ", photo " + std::to_string(place) + " of " + std::to_string(count) +
                              " (" + checked_utf8(photo.file.filename().string()) + ")";
    const auto report = [whole, which](const Progress& part) {
        const bool bare = part.note.find(' ') == std::string_view::npos;  // the stage alone
        whole->step(part.done, part.total,
                    std::string(part.note) + (bare ? " " + which.substr(2) : which));
    };
    return Monitor(report, whole->stop());
}

void load_model_once(Batch& batch) {
    if (batch.model) return;
    RenderRequest request = batch.request.edit.render;
    request.model = batch.model_path;
    batch.model.emplace(load_session_model(request, nullptr));
    const int native = static_cast<int>(batch.model->native_size());
    batch.threads = set_threads(request.compute.threads, *batch.model,
                                batch.request.edit.size.value_or(native));
    warn_if_left_alone(*batch.model,
                       {nullptr, [&](const std::string& text) { warn(batch, text); }});
}

Destination destination_of(const BatchRequest& request, const BatchPhoto& photo) {
    const bool shared = photo.key != photo.file.stem().string();
    if (!request.single) {
        return {shared ? own_folder(request.out, photo.key) : request.out, false};
    }
    const OutputRequest& output = request.edit.render.output;
    std::string extension = ".png";
    if (output.full)
        extension = output.extension.value_or("." + read_photo_file(photo.file).extension);
    return {own_file(request.out, photo.key + extension), true};
}

EditRequest request_of(const Batch& batch, const BatchPhoto& photo) {
    EditRequest request = batch.request.edit;
    request.photo = photo.file;
    request.session = own_folder(batch.request.out, "sessions") / fs::path(photo.key + ".keepsake");
    request.render.out = destination_of(batch.request, photo);
    request.render.model = batch.model_path;
    request.render.compute.threads = batch.threads;
    if (!photo.mask.empty() && request.render.output.full) {
        request.render.output.mask = MaskSource::file;
        request.render.output.mask_file = photo.mask;
    }
    return request;
}

// batch.json says that this edit is meant: what a session holds of another one, or of a photo that
// was replaced since, is tuned anew.
bool holds_another(const EditRequest& request, const pipeline::Model& model) {
    if (!is_session(request.session)) return false;
    const Session session = open_session(request.session, SessionLock::Access::read);
    if (!is_model_of(session, model) || !knows_words(model, session.recipe)) return true;
    try {
        check_same_tuning(session, request, read_photo_file(request.photo));
    } catch (const Error&) {
        return true;
    }
    return false;
}

EditResult edit_photo(Batch& batch, const BatchPhoto& photo, Monitor& monitor) {
    load_model_once(batch);
    EditRequest request = request_of(batch, photo);
    request.restart = request.restart || holds_another(request, *batch.model);
    return edit(request, {&monitor, [&](const std::string& text) { warn(batch, text); }},
                *batch.model);
}

bool is_done(const Batch& batch, const BatchPhoto& photo, const std::string& settings) {
    if (batch.request.edit.restart) return false;
    const std::optional<PhotoRecord> record = load_record(batch.request.out, photo);
    return record && record->done() && record->settings == settings &&
           std::ranges::all_of(record->result.images, [&](const RenderedImage& image) {
               return is_there(batch.request.out / image.file);
           });
}

// What went wrong with a photo, in one line; of LibTorch's errors without the stack trace.
std::string failure_text(const std::exception& error) {
    if (dynamic_cast<const std::bad_alloc*>(&error)) return "memory: there is not enough for it";
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    const std::string text = torch ? torch->what_without_backtrace() : error.what();
    return checked_utf8(text.substr(0, text.find('\n')));
}

// "rose.jpg: is damaged": the name once, whatever the error names.
std::string failure_line(const BatchPhoto& photo, const std::string& failure) {
    const std::string name = checked_utf8(photo.file.string());
    return failure.find(name) == std::string::npos ? name + ": " + failure : failure;
}

void note_failure(const Batch& batch, const BatchPhoto& photo, const std::string& failure) {
    PhotoRecord record;
    record.error = failure.empty() ? "failed" : failure;
    save_record(batch.request.out, photo, record);
    if (batch.controls.warn) batch.controls.warn(failure_line(photo, failure));
}

void note_done(const Batch& batch, const BatchPhoto& photo, const std::string& settings,
               const EditResult& result) {
    PhotoRecord record{settings, "", result};
    for (RenderedImage& image : record.result.images)
        image.file = image.file.lexically_relative(batch.request.out);
    save_record(batch.request.out, photo, record);
}

// What is to be known before a photo is edited: empty settings where that is done already.
std::string settings_to_do(const Batch& batch, const BatchPhoto& photo) {
    std::string settings = settings_fingerprint(batch.settings, photo);
    return is_done(batch, photo, settings) ? "" : settings;
}

// Calls `work`; false, with the failure noted, where it throws anything but Cancelled.
bool survives(const Batch& batch, const BatchPhoto& photo, const std::function<void()>& work) {
    try {
        work();
        return true;
    } catch (const Cancelled&) {
        throw;
    } catch (const std::exception& error) {
        note_failure(batch, photo, failure_text(error));
        return false;
    }
}

enum class Fate { done, skipped, failed };

Fate do_photo(Batch& batch, const BatchPhoto& photo, Monitor& monitor) {
    std::string settings;
    if (!survives(batch, photo, [&] { settings = settings_to_do(batch, photo); }))
        return Fate::failed;
    if (settings.empty()) return Fate::skipped;
    load_model_once(batch);  // its failure concerns them all
    EditResult result;
    const bool edited = survives(batch, photo, [&] {
        result = edit_photo(batch, photo, monitor);
        note_done(batch, photo, settings, result);
    });
    if (!edited) return Fate::failed;
    if (batch.controls.finished) batch.controls.finished(photo, result);
    return Fate::done;
}

void warn_of_missing_masks(Batch& batch) {
    if (!batch.request.masks) return;
    std::string names;
    std::size_t count = 0;
    for (const BatchPhoto& photo : batch.photos) {
        if (!photo.mask.empty()) continue;
        if (++count <= 3)
            names += (names.empty() ? "" : ", ") + checked_utf8(photo.file.filename().string());
    }
    if (count == 0) return;
    warn(batch, "masks: " + std::to_string(count) + " of " + std::to_string(batch.photos.size()) +
                    " photos have none (" + names + (count > 3 ? ", ..." : "") + ")");
}

Batch open_batch(const BatchRequest& request, const BatchControls& controls) {
    Batch batch{request, controls, find_batch_photos(request.folder, request.masks), {}, {}};
    std::error_code code;
    prepare_destination({request.out, false});
    if (fs::equivalent(request.folder, request.out, code))
        throw Error(request.out.string(), "holds the photos; give another --out");
    batch.model_path = request.edit.render.model.value_or(default_model());
    batch.settings = batch_settings(request.edit, request.single, batch.model_path);
    note_batch(request.out, batch.settings, request.edit.restart);
    warn_of_missing_masks(batch);
    return batch;
}

}  // namespace

void edit_batch(const BatchRequest& request, const BatchControls& controls, BatchResult& result) {
    Batch batch = open_batch(request, controls);
    std::vector<const BatchPhoto*> own;
    for (std::size_t i = request.shard - 1; i < batch.photos.size(); i += request.shards)
        own.push_back(&batch.photos[i]);
    result.photos = own.size();
    Clock::time_point written = Clock::now();
    for (std::size_t i = 0; i < own.size(); ++i) {
        const BatchPhoto& photo = *own[i];
        Monitor monitor = monitor_of(batch, photo, i + 1, own.size());
        try {
            const Fate fate = do_photo(batch, photo, monitor);
            ++(fate == Fate::done      ? result.done
               : fate == Fate::skipped ? result.skipped
                                       : result.failed);
        } catch (const Cancelled&) {
            write_batch_table(request.out, batch.photos);
            throw;
        }
        if (seconds_since(written) < table_seconds) continue;
        write_batch_table(request.out, batch.photos);
        written = Clock::now();
    }
    result.table = write_batch_table(request.out, batch.photos);
    result.sheets = write_batch_sheets(request.out, batch.photos, request.edit);
}

}  // namespace keepsake::editor
