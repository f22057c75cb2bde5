// Opening: models and photos.
#include <algorithm>
#include <cmath>

#include "editor/edit/edit_recipe.h"
#include "editor/edit/learn.h"
#include "editor/session/bundled_model.h"
#include "editor/workbench/bench.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/text/added_words.h"

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

// A network made for inpainting does nothing else.
std::vector<std::string> modes_of(const pipeline::Model* model) {
    if (model && pipeline::is_inpainting(*model)) return {std::string(mode_name(Mode::inpaint))};
    return offered_modes();
}

// One draft for each mode that is offered.
std::vector<EditDraft> drafts_for(const Bench& bench, const Photo& photo) {
    std::vector<EditDraft> drafts;
    if (!bench.model) return drafts;
    for (const std::string& mode : modes_of(&*bench.model)) {
        EditRequest request;
        request.mode = parse_mode(mode);
        drafts.push_back(draft_of(make_recipe(request, photo, *bench.model, bench.defaults)));
    }
    return drafts;
}

// While no photo is open: for the queue. Their crop is nothing.
std::vector<EditDraft> drafts_for_none(const Bench& bench) {
    if (!bench.model) return {};
    Photo any;
    any.pixels.width = any.pixels.height = static_cast<int>(bench.model->native_size());
    try {
        std::vector<EditDraft> drafts = drafts_for(bench, any);
        for (EditDraft& draft : drafts) draft.tuning.crop = {};
        return drafts;
    } catch (const Error&) {
        return {};  // the model edits no photos, as the first one says that is opened
    }
}

std::vector<EditDraft> default_drafts(const Bench& bench) {
    return bench.photo ? drafts_for(bench, *bench.photo->file) : drafts_for_none(bench);
}

// loaded: null where there is none.
std::shared_ptr<const ModelView> view_model(const fs::path& path, const LoadedModel* loaded) {
    ModelView view;
    view.choice.path = path;
    view.name =
        path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
    std::error_code code;
    if (fs::exists(path / "about.txt", code)) {
        view.about = checked_utf8(read_file(path / "about.txt"));
        while (view.about.ends_with('\n')) view.about.pop_back();
    }
    view.modes = modes_of(loaded ? &loaded->model : nullptr);
    view.samplers = offered_samplers();
    if (!loaded) return std::make_shared<const ModelView>(view);
    view.choice = choice_of(path, loaded->model.loaded_with);
    view.useful_first = words_strip.first + 0.2;
    view.useful_last = words_strip.last;
    view.count_tokens = [tokenizer = loaded->model.tokenizer](const std::string& text) {
        const pipeline::Tokenized tokens = tokenizer(text);
        return TokenCount{tokens.text_tokens, tokenizer.max_length() - 2, tokens.cut_text};
    };
    view.check_word = [tokenizer = loaded->model.tokenizer](const std::string& name) {
        try {
            tokenizer.with_words({{name, 1}}, tokenizer.next_id());
            return std::string();
        } catch (const Error& error) {
            return std::string(error.what());
        }
    };
    view.fingerprint = loaded->model.loaded_with.adapters.empty()
                           ? loaded->model.fingerprint
                           : pipeline::model_fingerprint(path);
    view.word_steps = learn_options(LearnKind::word, path).stage.steps;
    view.subject_steps = learn_options(LearnKind::subject, path).stage.steps;
    view.caption_steps = learn_options(LearnKind::captions, path).stage.steps;
    return std::make_shared<const ModelView>(view);
}

// The photo as nothing was tuned of it yet, with the model's default settings. Returns them.
EditDraft begin_photo(Bench& bench, std::shared_ptr<const PhotoView> photo,
                      const DraftChange& change) {
    const std::vector<EditDraft> defaults = drafts_for(bench, *photo->file);
    forget_session(bench);
    bench.history.clear();
    bench.photo = std::move(photo);
    EditDraft draft = defaults.empty() ? EditDraft{} : defaults.front();
    draft = changed(std::move(draft), change);
    bench.look = {draft.sample, first_eta(draft.tuning.mode), change.seed.value_or(0)};
    show_photo(bench, draft);
    return draft;
}

void show_none(Bench& bench) {
    const std::vector<EditDraft> defaults = drafts_for_none(bench);
    const EditDraft draft = defaults.empty() ? EditDraft{} : defaults.front();
    bench.look = {draft.sample, first_eta(), 0};
    show_photo(bench, draft);
}

void open_photo(Bench& bench, const OpenRequest& request) {
    const std::string name = checked_utf8(request.path.filename().string());
    const EditDraft draft = begin_photo(bench, view_photo(request.path, name), {request.prompt});
    if (request.apply) apply_edit(bench, draft);
}

}  // namespace

double first_eta(std::string_view mode) {
    return mode == mode_name(Mode::inpaint) ? 1 : usual_strength;
}

void forget_session(Bench& bench) {
    bench.session.reset();
    bench.tuning.reset();
    bench.conditions.reset();
    bench.drawn = {};
    bench.drawn_tag.clear();
    bench.direction = {};
    bench.square.reset();
    bench.wants_tuning = bench.wants_preview = bench.wants_exact = false;
    bench.wants_strip = bench.wants_mask = false;
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
        fresh.files = document.files;
        if (document.photo == bench.photo) {
            fresh.offer = document.offer;
            fresh.taken_offer = document.taken_offer;
        }
        fresh.queue = document.queue;
        fresh.queue_progress = document.queue_progress;
        fresh.teach = document.teach;
        fresh.activity = document.activity;
        fresh.draft_revision = document.draft_revision + 1;
        fresh.photo = bench.photo;
        fresh.draft = draft;
        fresh.eta = bench.look.eta;
        fresh.seed = bench.look.seed;
        fresh.defaults = default_drafts(bench);
        document = std::move(fresh);
    });
}

std::shared_ptr<const PhotoView> view_photo(const fs::path& path, const std::string& name) {
    auto file = std::make_shared<const Photo>(load_photo(path));
    return std::make_shared<const PhotoView>(PhotoView{name, file, view_of(*file)});
}

LoadedModel model_with(pipeline::Model model, ModelDefaults defaults) {
    LoadedModel loaded{std::move(model), std::move(defaults), nullptr};
    loaded.view = view_model(loaded.model.path, &loaded);
    return loaded;
}

LoadedModel read_model(const Compute& compute, const fs::path& path, const Session* session) {
    RenderRequest request;
    if (!path.empty()) request.model = path;
    request.compute = compute;
    pipeline::Model model = load_session_model(request, session);
    ModelDefaults defaults = load_model_defaults(model.path);
    set_threads(compute.threads, model, session ? session->recipe.size : model.native_size());
    return model_with(std::move(model), std::move(defaults));
}

void take_model(Bench& bench, LoadedModel loaded) {
    bench.found_words.reset();
    bench.model.emplace(std::move(loaded.model));
    bench.defaults = std::move(loaded.defaults);
    bench.board.change([&](Document& document) { document.model = loaded.view; });
}

void use_model(Bench& bench, const ModelChoice& choice) {
    const fs::path chosen = choice.path.empty() ? default_model() : place_of(choice);
    try {
        take_model(bench, read_model(with_parts(bench.compute, choice), chosen, nullptr));
    } catch (const std::exception& error) {
        bench.board.change([&](Document& document) {
            ModelView view = document.model ? *document.model : ModelView{};
            if (!bench.model) view = *view_model(chosen, nullptr);
            view.fault = error.what();
            document.model = std::make_shared<const ModelView>(view);
        });
        throw;
    }
}

void change_model(Bench& bench, const ModelChoice& choice, const DraftChange& change) {
    use_model(bench, choice);
    DraftChange all = change;
    if (!all.prompt) all.prompt = bench.board.latest()->draft.prompt;
    if (bench.photo)
        begin_photo(bench, bench.photo, all);
    else
        show_none(bench);
}

void close_photo(Bench& bench) {
    forget_session(bench);
    bench.history.clear();
    bench.photo.reset();
    show_none(bench);
}

void open_path(Bench& bench, const OpenRequest& request) {
    std::error_code code;
    if (is_session(request.path)) {
        const fs::path folder = fs::absolute(request.path, code).lexically_normal();
        return open_session_folder(bench, folder, std::nullopt);
    }
    if (fs::is_directory(request.path, code)) {
        const bool other = fs::exists(request.path / "recipe.json", code);
        throw Error(request.path.string(),
                    std::string("is a folder without a session") +
                        (other ? " (its recipe.json is none of a session's)" : "") +
                        "; open a photo in it");
    }
    open_photo(bench, request);
}

}  // namespace keepsake::editor
