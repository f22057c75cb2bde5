#include "editor/edit/opened_edit.h"

#include <algorithm>

#include "editor/edit/edit_recipe.h"
#include "editor/edit/preview.h"
#include "editor/edit/render.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Which images are made and where they go.
struct Images {
    std::vector<double> etas;
    Destination out;
};

// What the user asked for, else what suits the way, else the model's default, else the paper's.
// Empty: one image, of the strength that will be chosen.
std::vector<double> etas_of(const RenderRequest& request, const ModelDefaults& defaults,
                            const Recipe& recipe) {
    if (request.eta) return eta_values(*request.eta);
    const bool words = recipe.way == Way::words;
    if (!request.out.is_file)
        return eta_values(words ? words_strip : eta_range(defaults, recipe.mode));
    if (!words) return {1.0};
    if (request.preview) return {usual_strength};
    return {};  // the chosen one is added
}

// Whether what is asked of the mask means something to this mode.
void check_mask(const OutputRequest& output, Mode mode) {
    const bool is_given = output.mask == MaskSource::file || output.mask == MaskSource::automatic;
    if (mode == Mode::inpaint && !is_given) throw no_mask_to_draw();
    if (mode != Mode::inpaint && !output.full && output.mask != OutputRequest{}.mask)
        throw Error("--no-full", "writes the model's picture, to which --mask does not apply");
}

// The folder is made and found to be writable, and so is every name.
Images images_of(const RenderRequest& request, const fs::path& session, const Recipe& recipe,
                 const Photo& photo, const ModelDefaults& defaults) {
    check_mask(request.output, recipe.mode);
    Images images{etas_of(request, defaults, recipe), request.out};
    if (images.out.path.empty()) images.out = {own_folder(session, "renders"), false};
    prepare_destination(images.out);
    const std::vector<double> chosen = {usual_strength};
    check_names(image_names(images.out, request.output, recipe, photo),
                images.etas.empty() ? chosen : images.etas, request.seeds);
    return images;
}

void warn_if_newer(const Session& session, const EditControls& controls) {
    if (session.recipe.newer.empty() || !controls.warn) return;
    controls.warn("session " + session.folder.string() + ": " + newer_text(session.recipe));
}

OpenedEdit opened(Photo photo, pipeline::Model model, Session session, Recipe recipe,
                  Images images) {
    Pixels square = working_area(photo, recipe.crop, working_size(recipe.crop, recipe.size));
    return {std::move(photo),  std::move(model),       std::move(session),   std::move(recipe),
            std::move(square), std::move(images.etas), std::move(images.out)};
}

// Words that the session's texts have, beside those that the model knows already.
pipeline::Model with_words_of(const Session& session, pipeline::Model model) {
    std::vector<pipeline::LearnedWord> words;
    for (pipeline::LearnedWord& word : read_session_words(session)) {
        const auto known = std::ranges::find(model.words, word.name, &pipeline::LearnedWord::name);
        if (known == model.words.end())
            words.push_back(std::move(word));
        else if (pipeline::fingerprint_of_word(*known) != pipeline::fingerprint_of_word(word))
            throw Error(known->file, "its '" + word.name + "' is not that of session " +
                                         session.folder.string() +
                                         ", and both cannot be called so; give FILE:NAME");
    }
    return pipeline::with_words(std::move(model), words);
}

// A plain copy of a model shares its weights.
pipeline::Model model_of(const EditRequest& request, const Session* session,
                         const pipeline::Model* loaded) {
    if (!loaded) return load_session_model(request.render, session);
    if (!session) return *loaded;
    check_session_model(*session, *loaded);
    return with_words_of(*session, *loaded);
}

OpenedEdit reopen(const EditRequest& request, Photo photo, const EditControls& controls,
                  const pipeline::Model* loaded) {
    Session session = open_session(request.session, SessionLock::Access::write);
    check_same_tuning(session, request, photo);
    pipeline::Model model = model_of(request, &session, loaded);
    check_same_words(session, model);
    const ModelDefaults defaults = load_model_defaults(model.path);
    Recipe recipe = session.recipe;
    sample_as_asked(request.render, defaults, recipe);
    recipe.words = words_in(model, recipe.prompt, recipe.sample.negative_prompt);
    Images images = images_of(request.render, session.folder, recipe, photo, defaults);
    warn_if_newer(session, controls);
    if (to_json(recipe) != to_json(session.recipe))
        save_session_recipe(session, recipe, model.words);
    return opened(std::move(photo), std::move(model), std::move(session), std::move(recipe),
                  std::move(images));
}

OpenedEdit begin(const EditRequest& request, Photo photo, const pipeline::Model* loaded) {
    std::optional<Session> start;
    if (request.from) start.emplace(open_session(*request.from, SessionLock::Access::read));
    const Session* from = start ? &*start : nullptr;
    pipeline::Model model = model_of(request, nullptr, loaded);
    if (from) model = with_words_of(*from, std::move(model));
    const ModelDefaults defaults = load_model_defaults(model.path);
    Recipe recipe = make_recipe(request, photo, model, defaults, from);
    check_can_create(request.session);
    Images images = images_of(request.render, request.session, recipe, photo, defaults);
    Session session = create_session(request.session, recipe, photo, {from, model.words});
    return opened(std::move(photo), std::move(model), std::move(session), std::move(recipe),
                  std::move(images));
}

}  // namespace

OpenedEdit open_or_begin(const EditRequest& request, const EditControls& controls,
                         const pipeline::Model* loaded) {
    Photo photo = load_photo(request.photo);
    OpenedEdit edit = is_session(request.session) && !request.restart
                          ? reopen(request, std::move(photo), controls, loaded)
                          : begin(request, std::move(photo), loaded);
    edit.threads = set_threads(request.render.compute.threads, edit.model, edit.recipe.size);
    if (!loaded) {
        warn_if_left_alone(edit.model, controls);
        warn_of_words(edit.model, edit.recipe.words, controls);
    }
    warn_if_cut(edit.model, "target text", edit.recipe.prompt, controls);
    warn_if_cut(edit.model, "negative text", edit.recipe.sample.negative_prompt, controls);
    return edit;
}

OpenedEdit open_tuned(const fs::path& folder, const RenderRequest& request,
                      const EditControls& controls) {
    Session session = open_session(folder, SessionLock::Access::read);
    if (next_stage(session) != Stage::done) {
        throw Error("session " + folder.string(),
                    "its tuning is not finished; `keepsake edit` with its photo and text goes on");
    }
    warn_if_newer(session, controls);
    Recipe recipe = session.recipe;
    recipe.way = request.way.value_or(recipe.way);
    pipeline::Model model = load_session_model(request, &session);
    const ModelDefaults defaults = load_model_defaults(model.path);
    if (request.preview) recipe.sample = preview_sampling(recipe.sample, defaults);
    apply(request.sample, recipe.sample);
    check_same_words(session, model);
    recipe.words = words_in(model, recipe.prompt, recipe.sample.negative_prompt);
    Photo photo = load_photo(photo_path(session));
    Images images = images_of(request, session.folder, recipe, photo, defaults);
    OpenedEdit edit = opened(std::move(photo), std::move(model), std::move(session),
                             std::move(recipe), std::move(images));
    edit.threads = set_threads(request.compute.threads, edit.model, edit.recipe.size);
    warn_if_left_alone(edit.model, controls);
    warn_of_words(edit.model, edit.recipe.words, controls);
    warn_if_cut(edit.model, "negative text", edit.recipe.sample.negative_prompt, controls);
    return edit;
}

}  // namespace keepsake::editor
