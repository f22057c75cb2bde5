#include "editor/workbench/file_tasks.h"

#include <algorithm>
#include <utility>

#include "editor/edit/settings_from.h"
#include "editor/photo/thumbnail.h"
#include "editor/session/recent_sessions.h"
#include "editor/session/recipe.h"
#include "editor/session/session.h"
#include "editor/workbench/history.h"
#include "editor/workbench/queue_run.h"
#include "editor/workbench/render_cache.h"
#include "editor/workbench/sample_photos.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr int thumbnail_side = 192;
constexpr std::size_t most_items = 2000;

Picture thumbnail(const fs::path& path) {
    std::error_code code;
    if (!fs::is_regular_file(path, code)) return nullptr;  // a pipe would be waited for
    try {
        return std::make_shared<const Pixels>(load_thumbnail(path, thumbnail_side));
    } catch (const Error&) {
        return nullptr;
    }
}

// The result that was looked at last, else the photo.
Picture session_thumbnail(const fs::path& folder, const Recipe& recipe) {
    const SavedHistory saved = load_history(folder);
    if (!saved.items.empty()) {
        const HistoryItem& item = saved.items[saved.shown];
        Recipe shown = recipe;
        shown.sample = sample_options(item.draft.sample);
        const std::string key = render_key(shown, item.eta, item.seed);
        if (Picture picture = thumbnail(cached_render_path(folder, key))) return picture;
    }
    const fs::path photo = photo_in(folder);
    return photo.empty() ? nullptr : thumbnail(photo);
}

ShelfItem session_item(const fs::path& folder) {
    ShelfItem item{
        folder, ShelfItem::Kind::session, checked_utf8(folder.filename().string()), {}, nullptr};
    try {
        const Recipe recipe = load_recipe(folder / "recipe.json");
        item.title = recipe.prompt;
        item.thumbnail = session_thumbnail(folder, recipe);
    } catch (const Error&) {
        // Damaged: it keeps its folder's name, and opening it says what is wrong.
    }
    return item;
}

// Folders first, then by name without regard to case.
bool before(const ShelfItem& a, const ShelfItem& b) {
    const bool a_folder = a.kind == ShelfItem::Kind::folder;
    const bool b_folder = b.kind == ShelfItem::Kind::folder;
    if (a_folder != b_folder) return a_folder;
    return std::lexicographical_compare(
        a.title.begin(), a.title.end(), b.title.begin(), b.title.end(),
        [](unsigned char x, unsigned char y) { return std::tolower(x) < std::tolower(y); });
}

std::vector<ShelfItem> items_of(const fs::path& folder) {
    std::vector<ShelfItem> items;
    for (const auto& entry : fs::directory_iterator(folder)) {  // throws filesystem_error
        const std::string name = checked_utf8(entry.path().filename().string());
        if (name.starts_with(".")) continue;
        std::error_code code;
        if (entry.is_directory(code)) {
            const bool session = is_session(entry.path());
            items.push_back({entry.path(),
                             session ? ShelfItem::Kind::session : ShelfItem::Kind::folder,
                             name,
                             {},
                             nullptr});
        } else if (entry.is_regular_file(code) && has_photo_extension(entry.path())) {
            items.push_back({entry.path(), ShelfItem::Kind::photo, name, {}, nullptr});
        }
    }
    std::sort(items.begin(), items.end(), before);
    items.resize(std::min(items.size(), most_items));
    return items;
}

}  // namespace

void list_folder(DocumentBoard& board, const fs::path& folder,
                 const std::function<bool()>& more_urgent) {
    Folder listing;
    listing.path = folder;
    try {
        // Of a relative folder's name the one above is an empty name: where the program runs.
        listing.path = fs::absolute(folder.empty() ? "." : folder).lexically_normal();
        if (!listing.path.has_filename()) listing.path = listing.path.parent_path();
        listing.items = items_of(listing.path);
    } catch (const fs::filesystem_error& error) {
        listing.fault = "This folder cannot be read: " + error.code().message();
    }
    board.change([&](Document& document) { document.folder = listing; });
    for (std::size_t i = 0; i < listing.items.size(); ++i) {
        if (more_urgent()) return;
        ShelfItem item = listing.items[i];
        if (item.kind == ShelfItem::Kind::folder) continue;
        if (item.kind == ShelfItem::Kind::session) item = session_item(item.path);
        if (item.kind == ShelfItem::Kind::photo) item.thumbnail = thumbnail(item.path);
        board.change([&](Document& document) { document.folder.items[i] = item; });
    }
}

void list_samples(DocumentBoard& board) {
    std::vector<ShelfItem> items;
    for (const SamplePhoto& sample : sample_photos()) {
        items.push_back({sample.path, ShelfItem::Kind::photo, sample.path.filename().string(),
                         sample.prompt, thumbnail(sample.path)});
    }
    board.change([&](Document& document) { document.samples = items; });
}

void list_file_names(DocumentBoard& board) {
    auto files = std::make_shared<const FileNames>(all_file_names());
    if (*files == *board.latest()->files) return;
    board.change([&](Document& document) { document.files = files; });
}

bool offer_settings(DocumentBoard& board, const fs::path& path, bool asks) {
    std::optional<GenerationSettings> settings;
    try {
        settings = carried_settings(path);
    } catch (const Error&) {
        // Settings that cannot be read are none; opening the picture says what is wrong with that.
    }
    if (settings && offer_text(*settings).empty()) settings.reset();
    board.change([&](Document& document) {
        const bool is_open = document.photo && document.photo->file->path == path;
        if (!asks && !is_open) return;  // another one is by now
        document.offer.reset();
        if (settings)
            document.offer = std::make_shared<const PictureOffer>(
                PictureOffer{document.revision + 1, path, asks, *settings});
    });
    return settings.has_value();
}

void take_offered(DocumentBoard& board, const Document& document,
                  const std::function<bool()>& gives_up) {
    if (!document.offer || !document.model) return;
    TakenOffer taken = take_offer(*document.offer, document.model->choice, gives_up);
    bool shown = false;
    board.change([&](Document& now) {
        shown = now.photo == document.photo;
        if (!shown) return;
        taken.number = now.revision + 1;
        now.taken_offer = std::make_shared<const TakenOffer>(taken);
    });
    if (shown) board.tell(Notice::Kind::note, taken_text(taken));
}

bool read_queue_pictures(DocumentBoard& board, const std::function<bool()>& more_urgent) {
    const auto queue = board.latest()->queue;
    for (const QueuedEdit& edit : queue->edits) {
        const bool done = edit.state == QueuedEdit::State::done;
        if (edit.before_read && (edit.after_read || !done)) continue;
        if (more_urgent()) return false;
        const Picture before = edit.before_read ? edit.before : thumbnail(edit.photo);
        const Picture after = done ? session_item(edit.session).thumbnail : nullptr;
        change_queue(board, [&](EditQueue now) {
            for (QueuedEdit& shown : now.edits) {
                if (shown.id != edit.id) continue;
                shown.before = before;
                shown.after = after;
                shown.before_read = true;
                shown.after_read = done;
            }
            return now;
        });
    }
    return true;
}

RecentShelf::RecentShelf(DocumentBoard& board, fs::path library)
    : board_(board), library_(std::move(library)) {}

RecentShelf::Listing RecentShelf::read() {
    Listing listing{++begun_, {}};  // before the list is read: a later number has read no older one
    for (const fs::path& folder : recent_sessions(library_))
        listing.items.push_back(session_item(folder));
    return listing;
}

void RecentShelf::show(const Listing& listing) {
    board_.change([&](Document& document) {
        if (listing.number < shown_) return;
        shown_ = listing.number;
        document.recent = listing.items;
    });
}

}  // namespace keepsake::editor
