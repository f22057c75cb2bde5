#include "editor/edit/edit.h"

#include "editor/edit/clock.h"
#include "editor/edit/opened_edit.h"
#include "editor/edit/render.h"

namespace keepsake::editor {
namespace {

using optimize::Tuning;

TuneControls tune_controls(const EditRequest& request, const EditControls& controls) {
    TuneControls tuning{controls.monitor, request.checkpoint_seconds};
    tuning.checkpointing = request.checkpointing;
    tuning.warn = controls.warn;
    return tuning;
}

void render(const OpenedEdit& opened, const Tuning& tuning, const RenderRequest& request,
            const EditControls& controls, EditResult& result) {
    result.threads = opened.threads;
    result.losses = {tuning.embedding_losses.before, tuning.embedding_losses.after,
                     tuning.finetune_losses.before, tuning.finetune_losses.after};
    const Clock::time_point begin = Clock::now();
    Monitor silent;
    const bool judged = !request.eta && !request.preview;
    const RenderJob job{opened.model,   tuning,      opened.recipe,  opened.photo,
                        opened.square,  opened.etas, request.seeds,  opened.out,
                        request.output, judged,      request.preview};
    RenderedFiles files = render_images(job, controls.monitor ? *controls.monitor : silent);
    result.images = std::move(files.images);
    result.sheet = std::move(files.sheet);
    result.chosen = files.chosen;
    result.words_taken = files.words_taken;
    result.direction = std::move(files.direction);
    result.mask = mask_text(request.output, opened.recipe.way);
    result.seconds.render = seconds_since(begin);
}

EditResult edit_on(const EditRequest& request, const EditControls& controls,
                   const pipeline::Model* loaded) {
    EditResult result;
    const Clock::time_point begin = Clock::now();
    const OpenedEdit opened = open_or_begin(request, controls, loaded);
    result.seconds.load = seconds_since(begin);
    const Tuning tuning = tune(opened.session, opened.model, opened.square,
                               tune_controls(request, controls), result.seconds);
    render(opened, tuning, request.render, controls, result);
    return result;
}

}  // namespace

EditResult edit(const EditRequest& request, const EditControls& controls) {
    return edit_on(request, controls, nullptr);
}

EditResult edit(const EditRequest& request, const EditControls& controls,
                const pipeline::Model& model) {
    return edit_on(request, controls, &model);
}

EditResult render_session(const std::filesystem::path& folder, const RenderRequest& request,
                          const EditControls& controls) {
    EditResult result;
    const Clock::time_point begin = Clock::now();
    const OpenedEdit opened = open_tuned(folder, request, controls);
    const Tuning tuning = load_tuning(opened.session, opened.model);
    result.seconds.load = seconds_since(begin);
    render(opened, tuning, request, controls, result);
    return result;
}

}  // namespace keepsake::editor
