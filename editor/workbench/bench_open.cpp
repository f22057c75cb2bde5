// Opening: models, photos and sessions.
#include <algorithm>
#include <cmath>

#include "editor/edit/edit_recipe.h"
#include "editor/session/bundled_model.h"
#include "editor/session/recent_sessions.h"
#include "editor/session/session_region.h"
#include "editor/workbench/bench.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Longer sides are shown smaller: a texture of every graphics driver, and quick to hand over.
constexpr int most_view_side = 2048;

Picture view_of(const Photo& photo) {
    const Pixels& pixels = photo.pixels;
    const int side = std::max(pixels.width, pixels.height);
    if (side <= most_view_side) return std::make_shared<const Pixels>(pixels);
    const double scale = double(most_view_side) / side;
    return std::make_shared<const Pixels>(
        resize(pixels, std::max(1, int(std::lround(pixels.width * scale))),
               std::max(1, int(std::lround(pixels.height * scale)))));
}

std::shared_ptr<const PhotoView> view_photo(const fs::path& path, const std::string& name) {
    auto file = std::make_shared<const Photo>(load_photo(path));
    return std::make_shared<const PhotoView>(PhotoView{name, file, view_of(*file)});
}

// One draft for each mode that is offered.
std::vector<EditDraft> default_drafts(const Bench& bench, const Photo& photo) {
    std::vector<EditDraft> drafts;
    if (!bench.model) return drafts;
    for (const std::string& mode : offered_modes()) {
        EditRequest request;
        request.mode = parse_mode(mode);
        drafts.push_back(draft_of(make_recipe(request, photo, *bench.model, bench.defaults)));
    }
    return drafts;
}

std::shared_ptr<const ModelView> view_model(const Bench& bench, const fs::path& path) {
    ModelView view;
    view.path = path;
    view.name =
        path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
    std::error_code code;
    if (fs::exists(path / "about.txt", code)) {
        view.about = checked_utf8(read_file(path / "about.txt"));
        while (view.about.ends_with('\n')) view.about.pop_back();
    }
    view.modes = offered_modes();
    view.samplers = offered_samplers();
    if (!bench.model) return std::make_shared<const ModelView>(view);
    const EtaRange range = eta_range(bench.defaults, Mode::fast);
    view.useful_first = range.first;
    view.useful_last = range.last;
    view.count_tokens = [tokenizer = bench.model->tokenizer](const std::string& text) {
        const pipeline::Tokenized tokens = tokenizer(text);
        return TokenCount{tokens.text_tokens, tokenizer.max_length() - 2, tokens.cut_text};
    };
    return std::make_shared<const ModelView>(view);
}

void forget_session(Bench& bench) {
    bench.session.reset();
    bench.tuning.reset();
    bench.conditions.reset();
    bench.square.reset();
    bench.wants_tuning = bench.wants_exact = bench.wants_strip = bench.wants_mask = false;
    bench.wants_seeds.clear();
}

void show_photo(Bench& bench, const EditDraft& draft) {
    bench.board.change([&](Document& document) {
        Document fresh;
        fresh.revision = document.revision;
        fresh.model = document.model;
        fresh.notice = document.notice;
        fresh.samples = document.samples;
        fresh.recent = document.recent;
        fresh.folder = document.folder;
        fresh.activity = document.activity;
        fresh.draft_revision = document.draft_revision + 1;
        fresh.photo = bench.photo;
        fresh.draft = draft;
        fresh.eta = bench.look.eta;
        fresh.seed = bench.look.seed;
        if (bench.photo) fresh.defaults = default_drafts(bench, *bench.photo->file);
        document = std::move(fresh);
    });
}

// The photo as nothing was tuned of it yet, with the model's default settings. Returns them.
EditDraft begin_photo(Bench& bench, std::shared_ptr<const PhotoView> photo,
                      const std::string& prompt) {
    forget_session(bench);
    bench.history.clear();
    bench.photo = std::move(photo);
    const std::vector<EditDraft> defaults = default_drafts(bench, *bench.photo->file);
    EditDraft draft = defaults.empty() ? EditDraft{} : defaults.front();
    draft.prompt = prompt;
    bench.look = {draft.sample, first_eta(bench.defaults), 0};
    show_photo(bench, draft);
    return draft;
}

void open_photo(Bench& bench, const OpenRequest& request) {
    const std::string name = checked_utf8(request.path.filename().string());
    const EditDraft draft = begin_photo(bench, view_photo(request.path, name), request.prompt);
    if (request.apply) apply_edit(bench, draft);
}

// The session that holds or shall hold this recipe: one of the same photo and tuning if there is
// any (another program may be at work on it; then a copy is made), else a new one.
Session session_for(Bench& bench, const Recipe& recipe) {
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
        return create_session(candidates.back(), recipe, photo);
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
Pixels session_square(const fs::path& folder, const Photo& photo, const Recipe& recipe) {
    try {
        return working_square(photo, recipe.crop, recipe.size);
    } catch (const Error& error) {
        throw Error("session " + folder.string(),
                    "its photo is not the one that was edited; put that one back (" +
                        std::string(error.what()) + ")");
    }
}

// What was set for another text on the same square holds for a session that has nothing of its own.
void hand_on_region(const Bench& bench) {
    const RegionView region = bench.board.latest()->region;
    const fs::path& folder = bench.session->folder;
    if (has_region(folder) || region.settings == RegionSettings{}) return;
    if (region.painted) save_painted_mask(folder, *region.painted);
    save_region_settings(folder, region.settings);
}

}  // namespace

double first_eta(const ModelDefaults& defaults) {
    const EtaRange range = eta_range(defaults, Mode::fast);
    return std::round((range.first + range.last) / 2 * 10) / 10;
}

void use_model(Bench& bench, const fs::path& path) {
    const fs::path chosen = path.empty() ? default_model() : path;
    try {
        RenderRequest request;
        request.model = chosen;
        request.compute = bench.compute;
        pipeline::Model model = load_session_model(request, nullptr);
        bench.defaults = load_model_defaults(chosen);
        set_threads(bench.compute.threads, model, model.native_size());
        bench.model.emplace(std::move(model));
    } catch (const std::exception& error) {
        bench.board.change([&](Document& document) {
            ModelView view = document.model ? *document.model : ModelView{};
            if (!bench.model) view = *view_model(bench, chosen);
            view.fault = error.what();
            document.model = std::make_shared<const ModelView>(view);
        });
        throw;
    }
    bench.board.change([&](Document& document) { document.model = view_model(bench, chosen); });
}

void change_model(Bench& bench, const fs::path& path) {
    use_model(bench, path);
    if (bench.photo) begin_photo(bench, bench.photo, bench.board.latest()->draft.prompt);
}

void close_photo(Bench& bench) {
    forget_session(bench);
    bench.history.clear();
    bench.photo.reset();
    show_photo(bench, {});
}

void open_path(Bench& bench, const OpenRequest& request) {
    std::error_code code;
    if (is_session(request.path)) {
        bench.history.clear();
        open_session_folder(bench, fs::absolute(request.path).lexically_normal());
        return;
    }
    if (fs::is_directory(request.path, code)) {
        const bool other = fs::exists(request.path / "recipe.json", code);
        throw Error(request.path.string(),
                    std::string("is a folder without a session") +
                        (other ? " (its recipe.json is none of a session's)" : "") +
                        "; open a photo in it");
    }
    open_photo(bench, request);
    if (request.others > 0) {
        bench.board.tell(Notice::Kind::note,
                         "One photo is edited at a time: of " + std::to_string(request.others + 1) +
                             " that were dropped, " + bench.photo->name + " is open.");
    }
}

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

void open_session_folder(Bench& bench, const fs::path& folder) {
    Session session = open_with_way_out(folder);
    if (!bench.model || bench.model->fingerprint != session.recipe.model.fingerprint) {
        RenderRequest request;
        request.compute = bench.compute;
        pipeline::Model model = load_session_model(request, &session);
        bench.defaults = load_model_defaults(model.path);
        set_threads(bench.compute.threads, model, session.recipe.size);
        bench.model.emplace(std::move(model));
        bench.board.change(
            [&](Document& document) { document.model = view_model(bench, bench.model->path); });
    }
    auto photo = view_photo(photo_path(session), session.recipe.photo);
    const Recipe recipe = session.recipe;
    Pixels square = session_square(folder, *photo->file, recipe);
    forget_session(bench);
    bench.photo = std::move(photo);
    bench.square = std::make_shared<const Pixels>(std::move(square));
    bench.session.emplace(std::move(session));
    EditDraft draft = draft_of(recipe);
    bench.look = {draft.sample, first_eta(bench.defaults), 0};
    if (bench.history.items().empty()) {
        SavedHistory saved = load_history(folder);
        for (HistoryItem& item : saved.items) {
            const SampleDraft sample = item.draft.sample;
            item.draft = draft;
            item.draft.sample = sample;
            Recipe recipe_of_item = recipe;
            apply(request_of(item.draft).render.sample, recipe_of_item.sample);
            item.square = bench.cache.find(folder, render_key(recipe_of_item, item.eta, item.seed));
            bench.history.show(std::move(item));
        }
        bench.history.go_to(saved.shown);
    }
    if (const auto at = bench.history.at(); at && bench.history.items()[*at].session == folder) {
        const HistoryItem& item = bench.history.items()[*at];
        bench.look = {item.draft.sample, item.eta, item.seed};
        draft.sample = item.draft.sample;
    }
    remember(bench, folder);
    show_photo(bench, draft);
    show_session(bench);
    show_region(bench);
    if (!recipe.newer.empty())
        bench.board.tell(Notice::Kind::note, "This session " + newer_text(recipe));
    if (next_stage(*bench.session) == Stage::done) look_at(bench, bench.look);
}

void apply_edit(Bench& bench, const EditDraft& draft) {
    if (!bench.photo) throw Error("apply", "no photo is open");
    if (!bench.model) throw Error("apply", "there is no model; choose one under Advanced");
    Recipe recipe =
        make_recipe(request_of(draft), *bench.photo->file, *bench.model, bench.defaults);
    recipe.photo = bench.photo->name;  // a session's copy is called photo.jpg
    const bool same = bench.session && tuning_tag(bench.session->recipe) == tuning_tag(recipe);
    if (!same) {
        Pixels square = working_square(*bench.photo->file, recipe.crop, recipe.size);
        const bool same_square = bench.session && bench.session->recipe.crop == recipe.crop;
        Session session = session_for(bench, recipe);  // throws while the old one is still open
        forget_session(bench);
        bench.session.emplace(std::move(session));
        if (same_square) hand_on_region(bench);
        bench.square = std::make_shared<const Pixels>(std::move(square));
        remember(bench, bench.session->folder);
        bench.look.eta = first_eta(bench.defaults);
    }
    if (to_json(recipe) != to_json(bench.session->recipe)) {
        save_session_recipe(*bench.session, recipe);
    }
    bench.look.sample = draft.sample;
    bench.board.change([&](Document& document) {
        document.draft = draft;
        if (same) return;
        document.renders.clear();
        document.variations.clear();
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
