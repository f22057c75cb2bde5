#include "editor/workbench/queue_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "editor/session/is_session.h"
#include "editor/session/own_json.h"
#include "editor/session/place_in.h"
#include "editor/session/recipe.h"
#include "editor/workbench/draft_json.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using State = QueuedEdit::State;

constexpr OwnKind kind = {"keepsake queue", 2};

fs::path list_path(const fs::path& library) {
    return library / "queue.json";
}

// One that is being worked on waits, for whoever reads it.
const char* name_of(State state) {
    if (state == State::done) return "done";
    return state == State::failed ? "failed" : "waiting";
}

State state_of(const std::string& name) {
    if (name == "done") return State::done;
    return name == "failed" ? State::failed : State::waiting;
}

json json_of(const QueueSettings& settings) {
    return {{"model", settings.model.path.string()}, {"vae", settings.model.vae},
            {"loras", settings.model.loras},         {"learn", json_of(settings.tuning)},
            {"draw", json_of(settings.sample)},      {"seed", settings.seed}};
}

QueueSettings settings_from(const json& fields) {
    return {
        {fields.at("model").get<std::string>(), fields.value("vae", ""), fields.value("loras", "")},
        tuning_from(fields.at("learn")),
        sample_from(fields.at("draw")),
        fields.at("seed").get<std::uint64_t>()};
}

json entry_of(const QueuedEdit& edit, const fs::path& library) {
    json entry = {{"photo", edit.photo.string()},
                  {"name", edit.name},
                  {"text", edit.text},
                  {"state", name_of(edit.state)},
                  {"seconds", edit.seconds}};
    if (edit.settings) entry["settings"] = json_of(*edit.settings);
    if (!edit.session.empty()) entry["session"] = place_in(library, edit.session).string();
    if (!edit.remark.empty()) entry["remark"] = edit.remark;
    return entry;
}

std::optional<QueuedEdit> edit_of(const json& entry, const fs::path& library) {
    try {
        QueuedEdit edit;
        edit.photo = entry.at("photo").get<std::string>();
        edit.name = entry.value("name", checked_utf8(edit.photo.filename().string()));
        edit.text = entry.value("text", "");
        if (entry.contains("settings")) edit.settings = settings_from(entry.at("settings"));
        edit.seconds = entry.value("seconds", 0.0);
        edit.state = state_of(entry.value("state", "waiting"));
        edit.remark = entry.value("remark", "");
        const std::string session = entry.value("session", "");
        if (!session.empty()) edit.session = library / session;
        const bool gone = edit.state == State::done && !is_session(edit.session);
        if (edit.photo.empty() || gone) return std::nullopt;
        return edit;
    } catch (const json::exception&) {
        return std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace

QueueFile::QueueFile(fs::path library) : library_(std::move(library)) {
    std::error_code code;
    fs::create_directories(library_, code);
    file_ = ::open((library_ / "queue.lock").c_str(), O_CLOEXEC | O_CREAT | O_RDWR, 0666);
    if (file_ < 0 || ::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    ::close(file_);
    file_ = -1;
}

QueueFile::~QueueFile() {
    if (file_ >= 0) ::close(file_);
}

EditQueue QueueFile::load() const {
    EditQueue queue;
    if (!is_ours()) {
        queue.unkept =
            "Another window keeps the queue, or the library cannot be written: this list is gone "
            "when the window closes.";
        return queue;
    }
    try {
        if (!is_there(list_path(library_))) return queue;
        const json content = read_own_json(list_path(library_), kind);
        for (const json& entry : content.at("edits")) {
            std::optional<QueuedEdit> edit = edit_of(entry, library_);
            if (!edit || queue.edits.size() >= most_queued) continue;
            edit->id = queue.next_id++;
            queue.edits.push_back(std::move(*edit));
        }
    } catch (const json::exception&) {
        // Damaged: what could be read is kept.
    } catch (const Error&) {
        // Likewise.
    }
    queue.paused = count_of(queue).waiting > 0;
    return queue;
}

void QueueFile::save(const EditQueue& queue) const {
    if (!is_ours()) return;
    json edits = json::array();
    for (const QueuedEdit& edit : queue.edits) edits.push_back(entry_of(edit, library_));
    try {
        write_own_json(list_path(library_), kind, {{"edits", edits}});
    } catch (const json::type_error&) {
        throw Error("queue", "a photo's path is no UTF-8, so the list is not kept");
    }
}

}  // namespace keepsake::editor
