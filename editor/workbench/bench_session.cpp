// Opening sessions, and beginning them.
#include <algorithm>

#include "editor/edit/edit_recipe.h"
#include "editor/session/recent_sessions.h"
#include "editor/session/session_region.h"
#include "editor/transfer/brush.h"
#include "editor/workbench/bench.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// The session that holds or shall hold this recipe: one of the same photo and tuning if there is
// any (another program may be at work on it; then a copy is made), else a new one.
Session session_for(Bench& bench, const Recipe& recipe,
                    const std::vector<pipeline::LearnedWord>& words) {
    const Photo& photo = *bench.photo->file;
    const std::vector<fs::path> candidates =
        session_candidates(bench.library, fs::path(recipe.photo).stem().string());
    for (const fs::path& folder : candidates) {
        if (!is_session(folder)) continue;
        try {
            Session session = open_session(folder, SessionLock::Access::write);
            if (tuning_tag(session.recipe) == tuning_tag(recipe) &&
                read_file(photo_path(session)) == photo.bytes) {
                return session;
            }
        } catch (const Error&) {
            // Damaged or in use: not ours to touch.
        }
    }
    try {
        return create_session(candidates.back(), recipe, photo, {nullptr, words});
    } catch (const Error& error) {
        throw Error(error.what(),
                    "mend that, or start keepsake-gui with --library and another folder to keep "
                    "sessions in");
    }
}

// The list of recent sessions is a convenience; without it the session is open all the same.
void remember(Bench& bench, const fs::path& folder) {
    try {
        remember_session(bench.library, folder);
    } catch (const Error& error) {
        bench.board.tell(Notice::Kind::note, std::string("The session is not noted among the "
                                                         "recent ones: ") +
                                                 error.what());
    }
}

// Opens the session, and where that fails says what can be done with what is there.
Session open_with_way_out(const fs::path& folder) {
    try {
        load_recipe(folder / "recipe.json");
    } catch (const Error& error) {
        const fs::path photo = photo_in(folder);
        if (photo.empty()) throw;
        throw Error(error.what(), "the session is lost, but not its photo: open " + photo.string());
    }
    return open_session(folder, SessionLock::Access::write);
}

// Of the session's photo. Throws Error naming the session when it is another photo.
Pixels session_area(const fs::path& folder, const Photo& photo, const Recipe& recipe) {
    try {
        return working_area(photo, recipe.crop, working_size(recipe.crop, recipe.size));
    } catch (const Error& error) {
        throw Error("session " + folder.string(),
                    "its photo is not the one that was edited; put that one back (" +
                        std::string(error.what()) + ")");
    }
}

// What was set for another text on the same square holds for a session that has nothing of its own.
void hand_on_region(const RegionView& region, const fs::path& folder) {
    if (has_region(folder) || region.settings == RegionSettings{}) return;
    if (region.painted) save_painted_mask(folder, *region.painted);
    save_region_settings(folder, region.settings);
}

// What is drawn anew is painted, unless it was found.
void choose_painted(const Session& session, const Photo& photo) {
    const Recipe& recipe = session.recipe;
    SavedRegion saved = load_region(session.folder, photo, recipe.crop);
    if (!saved.painted) save_painted_mask(session.folder, plain_mask(painted_size(recipe.crop), 0));
    if (saved.settings.mode == RegionMode::automatic) return;
    saved.settings.mode = RegionMode::painted;
    save_region_settings(session.folder, saved.settings);
}

// A session with all that is shown of it, read before anything of the bench is replaced: a failure
// leaves the window with the photo and the session that it had.
struct OpenedSession {
    Session session;
    std::optional<LoadedModel> model;  // where the bench has another one
    std::shared_ptr<const PhotoView> photo;
    Picture square;
    EditDraft draft;
    LookRequest look;
    History history;
    std::string note, fault;  // for the person; mostly empty
};

// Of what the session draws anew, where it does.
std::string saved_mask_tag(const OpenedSession& opened) {
    const Recipe& recipe = opened.session.recipe;
    if (recipe.mode != Mode::inpaint) return {};
    const SavedRegion saved = load_region(opened.session.folder, *opened.photo->file, recipe.crop);
    RegionView region;
    region.settings = saved.settings;
    region.painted = saved.painted;
    return mask_tag(edit_region(region));
}

// What the session's folder has noted of its results, with their pictures.
void read_history(Bench& bench, OpenedSession& opened) {
    SavedHistory saved = load_history(opened.session.folder);
    const std::string drawn = saved_mask_tag(opened);
    for (HistoryItem& item : saved.items) {
        const SampleDraft sample = item.draft.sample;
        item.draft = opened.draft;
        item.draft.sample = sample;
        Recipe recipe = opened.session.recipe;
        apply(request_of(item.draft).render.sample, recipe.sample);
        item.square =
            bench.cache.find(opened.session.folder, render_key(recipe, item.eta, item.seed, drawn));
        opened.history.show(std::move(item));
    }
    opened.history.go_to(saved.shown);
    opened.fault = saved.fault;
}

OpenedSession read_session(Bench& bench, const fs::path& folder, std::optional<History> history) {
    OpenedSession opened{open_with_way_out(folder), {}, {}, {}, {}, {}, {}, {}, {}};
    const Recipe& recipe = opened.session.recipe;
    opened.draft = draft_of(recipe);
    request_of(opened.draft);  // throws what no field of the window can show
    if (!bench.model || !is_model_of(opened.session, *bench.model) ||
        !knows_words(*bench.model, recipe))
        opened.model = read_model(bench.compute, {}, &opened.session);
    opened.photo = view_photo(photo_path(opened.session), recipe.photo);
    opened.square =
        std::make_shared<const Pixels>(session_area(folder, *opened.photo->file, recipe));
    opened.look = {opened.draft.sample, first_eta(opened.draft.tuning.mode), 0};
    if (history) {
        opened.history = std::move(*history);
    } else {
        read_history(bench, opened);
    }
    const auto at = opened.history.at();
    if (at && opened.history.items()[*at].session == folder) {
        const HistoryItem& item = opened.history.items()[*at];
        opened.look = {item.draft.sample, item.eta, item.seed};
        opened.draft.sample = item.draft.sample;
    }
    if (!recipe.newer.empty()) opened.note = "This session " + newer_text(recipe);
    return opened;
}

}  // namespace

void show_session(Bench& bench) {
    const Stage stage = next_stage(*bench.session);
    const Recipe& recipe = bench.session->recipe;
    const bool begun = is_begun(*bench.session);
    bench.board.change([&](Document& document) {
        document.session = bench.session->folder;
        document.tuned_draft = draft_of(recipe);
        document.tuned_draft.sample = bench.look.sample;
        document.tuned = stage == Stage::done ? Tuned::fully
                         : begun              ? Tuned::partly
                                              : Tuned::nothing;
        document.working_square = bench.square;
        document.history = bench.history.items();
        document.history_at = bench.history.at();
        document.can_redo = bench.history.can_redo();
    });
}

void open_session_folder(Bench& bench, const fs::path& folder, std::optional<History> history) {
    OpenedSession opened = read_session(bench, folder, std::move(history));
    if (opened.model) take_model(bench, std::move(*opened.model));
    forget_session(bench);
    bench.photo = std::move(opened.photo);
    bench.square = std::move(opened.square);
    bench.session.emplace(std::move(opened.session));
    bench.history = std::move(opened.history);
    bench.look = opened.look;
    remember(bench, folder);
    show_photo(bench, opened.draft);
    show_session(bench);
    show_region(bench);
    if (!opened.note.empty()) bench.board.tell(Notice::Kind::note, opened.note);
    if (!opened.fault.empty()) bench.board.tell(Notice::Kind::fault, opened.fault);
    if (next_stage(*bench.session) == Stage::done) look_at(bench, bench.look);
}

void apply_edit(Bench& bench, const EditDraft& draft) {
    if (!bench.photo) throw Error("apply", "no photo is open");
    if (!bench.model) throw Error("apply", "there is no model; choose one under Advanced");
    const EditRequest request = request_of(draft);
    std::optional<LoadedModel> other = model_for(bench, draft);
    const pipeline::Model& model = other ? other->model : *bench.model;
    const std::vector<pipeline::LearnedWord> words = model.words;
    Recipe recipe = make_recipe(request, *bench.photo->file, model, bench.defaults);
    recipe.photo = bench.photo->name;  // a session's copy is called photo.jpg
    const bool same = bench.session && tuning_tag(bench.session->recipe) == tuning_tag(recipe);
    if (!same) {
        Pixels square =
            working_area(*bench.photo->file, recipe.crop, working_size(recipe.crop, recipe.size));
        const bool same_square = bench.session && bench.session->recipe.crop == recipe.crop;
        Session session = session_for(bench, recipe, words);
        if (same_square) hand_on_region(bench.board.latest()->region, session.folder);
        if (recipe.mode == Mode::inpaint) choose_painted(session, *bench.photo->file);
        if (to_json(recipe) != to_json(session.recipe)) save_session_recipe(session, recipe, words);
        // What can fail was done while the one before was still open.
        forget_session(bench);
        bench.session.emplace(std::move(session));
        bench.square = std::make_shared<const Pixels>(std::move(square));
        remember(bench, bench.session->folder);
        bench.look.eta = first_eta(draft.tuning.mode);
    }
    if (other) take_model(bench, std::move(*other));
    if (to_json(recipe) != to_json(bench.session->recipe)) {
        save_session_recipe(*bench.session, recipe, words);
    }
    bench.look.sample = draft.sample;
    bench.board.change([&](Document& document) {
        document.draft = draft;
        if (same) return;
        document.chosen_eta.reset();
        document.measured = {};
        document.renders.clear();
        document.variations.clear();
        document.previews.clear();
        document.quick_looks.clear();
        document.live.clear();
        document.shown = {};
        document.detail = {};
        document.preview = {};
        document.eta = bench.look.eta;
    });
    show_session(bench);
    if (!same) show_region(bench);
    bench.wants_tuning = next_stage(*bench.session) != Stage::done;
    if (!bench.wants_tuning) look_at(bench, bench.look);
}

}  // namespace keepsake::editor
