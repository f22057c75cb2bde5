#include "editor/workbench/edit_queue.h"

#include <algorithm>
#include <utility>

#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/text_parts.h"

namespace keepsake::editor {
namespace {

using State = QueuedEdit::State;

bool is_unwritten(const QueuedEdit& edit) {
    return edit.state == State::waiting && edit.text.empty();
}

void require_room(std::size_t count) {
    if (count <= most_queued) return;
    throw Error("queue", std::to_string(count) + " edits would be more than the " +
                             std::to_string(most_queued) +
                             " that it takes; take out those that are finished, or begin with "
                             "fewer");
}

auto find(EditQueue& queue, std::uint64_t id) {
    return std::ranges::find(queue.edits, id, &QueuedEdit::id);
}

// Past the nearest one that waits in this direction: what is done or failed stays where it is.
void move(EditQueue& queue, std::uint64_t id, int step) {
    const auto at = find(queue, id);
    if (at == queue.edits.end() || at->state != State::waiting) return;
    const auto from = at - queue.edits.begin();
    const auto size = static_cast<std::ptrdiff_t>(queue.edits.size());
    for (auto to = from + step; to >= 0 && to < size; to += step) {
        if (queue.edits[static_cast<std::size_t>(to)].state != State::waiting) continue;
        std::swap(*at, queue.edits[static_cast<std::size_t>(to)]);
        return;
    }
}

}  // namespace

EditQueue changed(EditQueue queue, const QueueAddRequest& request) {
    const std::size_t each = std::max<std::size_t>(request.texts.size(), 1);
    require_room(queue.edits.size() + request.photos.size() * each);
    for (const std::filesystem::path& photo : request.photos) {
        for (std::size_t i = 0; i < each; ++i) {
            QueuedEdit edit;
            edit.id = queue.next_id++;
            edit.photo = photo;
            edit.name = request.name;
            if (edit.name.empty()) edit.name = checked_utf8(photo.filename().string());
            if (!request.texts.empty()) edit.text = trimmed(request.texts[i]);
            edit.settings = request.settings;
            queue.edits.push_back(std::move(edit));
        }
    }
    return queue;
}

EditQueue changed(EditQueue queue, const QueueTextsRequest& request) {
    if (request.texts.empty()) return queue;
    const auto unwritten =
        static_cast<std::size_t>(std::ranges::count_if(queue.edits, is_unwritten));
    require_room(queue.edits.size() + unwritten * (request.texts.size() - 1));
    std::vector<QueuedEdit> edits;
    for (const QueuedEdit& edit : queue.edits) {
        if (!is_unwritten(edit)) {
            edits.push_back(edit);
            continue;
        }
        for (const std::string& text : request.texts) {
            edits.push_back(edit);
            edits.back().id = queue.next_id++;
            edits.back().text = trimmed(text);
            edits.back().settings = request.settings;
        }
    }
    queue.edits = std::move(edits);
    return queue;
}

EditQueue changed(EditQueue queue, const QueueChangeRequest& request) {
    using OfOne = QueueChangeRequest::OfOne;
    const auto at = find(queue, request.id);
    if (at == queue.edits.end()) return queue;
    switch (request.what) {
        case OfOne::up:
            move(queue, request.id, -1);
            break;
        case OfOne::down:
            move(queue, request.id, 1);
            break;
        case OfOne::remove:
            queue.edits.erase(at);
            break;
        case OfOne::write:
            if (at->state == State::waiting) at->text = trimmed(request.text);
            break;
        case OfOne::again:
            if (at->state == State::failed) at->state = State::waiting, at->remark.clear();
            break;
    }
    return queue;
}

EditQueue changed(EditQueue queue, const QueueRunRequest& request) {
    using What = QueueRunRequest::What;
    if (request.what == What::clear)
        std::erase_if(queue.edits,
                      [](const QueuedEdit& edit) { return edit.state == State::done; });
    else
        queue.paused = request.what == What::pause;
    return queue;
}

const QueuedEdit* find_edit(const EditQueue& queue, std::uint64_t id) {
    const auto found = std::ranges::find(queue.edits, id, &QueuedEdit::id);
    return found == queue.edits.end() ? nullptr : &*found;
}

const QueuedEdit* next_edit(const EditQueue& queue) {
    if (queue.paused) return nullptr;
    const auto found = std::ranges::find_if(queue.edits, [](const QueuedEdit& edit) {
        return edit.state == State::waiting && !edit.text.empty();
    });
    return found == queue.edits.end() ? nullptr : &*found;
}

bool is_wanted(const EditQueue& queue) {
    return !queue.paused &&
           std::ranges::find(queue.edits, State::working, &QueuedEdit::state) != queue.edits.end();
}

QueueCount count_of(const EditQueue& queue) {
    QueueCount count;
    for (const QueuedEdit& edit : queue.edits) {
        if (edit.state == State::done) ++count.done;
        if (edit.state == State::failed) ++count.failed;
        if (edit.state == State::waiting || edit.state == State::working) ++count.waiting;
        if (is_unwritten(edit)) ++count.unwritten;
    }
    return count;
}

std::vector<std::string> lines_of(const std::string& field) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at <= field.size();) {
        const std::size_t end = std::min(field.find('\n', at), field.size());
        const std::string_view line = trimmed(std::string_view(field).substr(at, end - at));
        if (!line.empty()) lines.emplace_back(line);
        at = end + 1;
    }
    return lines;
}

}  // namespace keepsake::editor
