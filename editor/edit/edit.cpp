#include "editor/edit/edit.h"

#include "editor/edit/clock.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/render.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

using optimize::Tuning;

LossSummary summary(const Tuning& tuning) {
    return {tuning.embedding_losses.before, tuning.embedding_losses.after,
            tuning.finetune_losses.before, tuning.finetune_losses.after};
}

// Where the images go, made and found to be writable.
Destination destination(const RenderRequest& request, const std::filesystem::path& session) {
    Destination out = request.out;
    if (out.path.empty()) out = {own_folder(session, "renders"), false};
    prepare_destination(out);
    return out;
}

void warn_if_newer(const Session& session, const EditControls& controls) {
    if (session.recipe.newer.empty() || !controls.warn) return;
    controls.warn("session " + session.folder.string() + ": " + newer_text(session.recipe));
}

// What the user asked for, else the model's default, else the paper's.
std::vector<double> etas_of(const RenderRequest& request, const ModelDefaults& defaults,
                            Mode mode) {
    return eta_values(request.eta.value_or(eta_range(defaults, mode)));
}

void render_into(EditResult& result, const RenderJob& job, const EditControls& controls) {
    const Clock::time_point begin = Clock::now();
    Monitor silent;
    RenderedFiles files = render_images(job, controls.monitor ? *controls.monitor : silent);
    result.images = std::move(files.images);
    result.sheet = std::move(files.sheet);
    result.seconds.render = seconds_since(begin);
}

}  // namespace

EditResult edit(const EditRequest& request, const EditControls& controls) {
    EditResult result;
    const Clock::time_point begin = Clock::now();
    const Photo photo = load_photo(request.photo);
    std::optional<Session> session;
    if (is_session(request.session) && !request.restart) {
        session.emplace(open_session(request.session, SessionLock::Access::write));
        check_same_tuning(*session, request, photo);
    }
    const pipeline::Model model = load_session_model(request.render, session ? &*session : nullptr);
    const ModelDefaults defaults = load_model_defaults(model.path);
    // Before anything is replaced: a tuning that is there is not given up for one that cannot be.
    if (!session) check_can_create(request.session);
    const Destination out = destination(request.render, request.session);
    const auto check = [&](const Recipe& recipe) {
        check_names(image_names(out, request.render.output, recipe, photo),
                    etas_of(request.render, defaults, recipe.mode), request.render.seeds);
    };
    if (!session) {
        std::optional<Session> start;
        if (request.from) start.emplace(open_session(*request.from, SessionLock::Access::read));
        const Session* from = start ? &*start : nullptr;
        const Recipe recipe = make_recipe(request, photo, model, defaults, from);
        check(recipe);
        session.emplace(create_session(request.session, recipe, photo, from));
    } else {
        Recipe recipe = session->recipe;
        recipe.sample = default_sample(defaults, recipe.mode);
        apply(request.render.sample, recipe.sample);
        check(recipe);
        if (to_json(recipe) != to_json(session->recipe)) save_session_recipe(*session, recipe);
    }
    warn_if_newer(*session, controls);
    result.threads = set_threads(request.render.compute.threads, model, session->recipe.size);
    warn_if_cut(model, "target text", session->recipe.prompt, controls);
    warn_if_cut(model, "negative text", session->recipe.sample.negative_prompt, controls);
    result.seconds.load = seconds_since(begin);

    const Pixels square = working_square(photo, session->recipe.crop, session->recipe.size);
    TuneControls tuning_controls{controls.monitor, request.checkpoint_seconds};
    tuning_controls.checkpointing = request.checkpointing;
    tuning_controls.warn = controls.warn;
    const Tuning tuning = tune(*session, model, square, tuning_controls, result.seconds);
    result.losses = summary(tuning);
    render_into(result,
                {model, tuning, session->recipe, photo, square,
                 etas_of(request.render, defaults, session->recipe.mode), request.render.seeds, out,
                 request.render.output},
                controls);
    return result;
}

EditResult render_session(const std::filesystem::path& folder, const RenderRequest& request,
                          const EditControls& controls) {
    EditResult result;
    const Clock::time_point begin = Clock::now();
    const Session session = open_session(folder, SessionLock::Access::read);
    if (next_stage(session) != Stage::done) {
        throw Error("session " + folder.string(),
                    "its tuning is not finished; `keepsake edit` with its photo and text goes on");
    }
    Recipe recipe = session.recipe;
    apply(request.sample, recipe.sample);
    warn_if_newer(session, controls);
    const Destination out = destination(request, session.folder);
    const pipeline::Model model = load_session_model(request, &session);
    result.threads = set_threads(request.compute.threads, model, recipe.size);
    const ModelDefaults defaults = load_model_defaults(model.path);
    warn_if_cut(model, "negative text", recipe.sample.negative_prompt, controls);
    const Photo photo = load_photo(photo_path(session));
    check_names(image_names(out, request.output, recipe, photo),
                etas_of(request, defaults, recipe.mode), request.seeds);
    const Tuning tuning = load_tuning(session, model);
    result.losses = summary(tuning);
    result.seconds.load = seconds_since(begin);

    const Pixels square = working_square(photo, recipe.crop, recipe.size);
    render_into(result,
                {model, tuning, recipe, photo, square, etas_of(request, defaults, recipe.mode),
                 request.seeds, out, request.output},
                controls);
    return result;
}

}  // namespace keepsake::editor
