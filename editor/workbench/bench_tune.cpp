// Tuning, with what is shown of it while it runs.
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "editor/edit/clock.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/preview.h"
#include "editor/edit/tune.h"
#include "editor/edit/words_judge.h"
#include "editor/workbench/bench.h"
#include "editor/workbench/work_progress.h"
#include "pipeline/compute/drawing_arithmetic.h"

namespace keepsake::editor {
namespace {

using optimize::Tuning;

// Previews cost about a seventh of the time at most, and come no more often than one can look.
constexpr double least_preview_seconds = 2;
constexpr double preview_share = 0.15;
constexpr int most_preview_steps = 8;

std::vector<float> floats(const std::vector<double>& values) {
    return {values.begin(), values.end()};
}

// Renders the tuning as it is, every now and then.
class Previews {
  public:
    Previews(Bench& bench, Monitor& monitor) : bench_(bench), monitor_(monitor) {}

    // What the words do to the photo before anything is learned: the quick mode's picture.
    void first_look() {
        const Recipe& session = bench_.session->recipe;
        if (!learns(session.mode) || is_begun(*bench_.session)) return;
        attempt([&] {
            const at::NoGradGuard no_gradients;
            const Tuning nothing = untuned(*bench_.model, session.prompt);
            Recipe recipe = sampled_recipe(bench_, bench_.look.sample);
            recipe.sample = default_sample(bench_.defaults, Mode::quick);
            recipe.sample = preview_sampling(recipe.sample, bench_.defaults);
            recipe.way = Way::words;
            recipe.mode = Mode::quick;
            const double eta = bench_.look.eta > 0 ? bench_.look.eta : usual_strength;
            const Picture square = draw(nothing, recipe, eta, preview_arithmetic(bench_, recipe));
            const Render look{eta, bench_.look.seed, square,
                              std::make_shared<const Recipe>(std::move(recipe)), std::nullopt};
            bench_.board.change([&](Document& document) { document.quick_looks = {look}; });
            show(square, eta, "nothing", 0);
        });
        last_ = Clock::now();
    }

    void after_step(Stage stage, const Tuning& tuning) {
        if (failed_ ||
            seconds_since(last_) < std::max(least_preview_seconds, cost_ / preview_share))
            return;
        const Clock::time_point begin = Clock::now();
        const bool went_on = attempt([&] { show_tuning(stage, tuning); });
        if (!went_on) return;  // the tuning's own next report says so, with its state in order
        // The quickest one: a single slow one is another program's doing.
        const double cost = seconds_since(begin);
        cost_ = cost_ == 0 ? cost : std::min(cost_, cost);
        last_ = Clock::now();
    }

  private:
    // False when it was stopped.
    template <class Work>
    bool attempt(const Work& work) {
        try {
            work();
        } catch (const Cancelled&) {
            return false;
        } catch (const Error&) {
            failed_ = true;  // a sampler that this model or number of steps does not allow
        }
        return true;
    }

    Picture draw(const Tuning& tuning, const Recipe& recipe, double eta,
                 std::optional<pipeline::Arithmetic> arithmetic) {
        Monitor silent({}, monitor_.stop());
        const Conditions conditions =
            encode_conditions(*bench_.model, tuning, recipe, *bench_.square, silent);
        if (conditions.words)
            bench_.found_words = {bench_.square, tuning.target_embedding, *conditions.words};
        const PictureJob job{*bench_.model, tuning, recipe, conditions};
        const pipeline::DrawIn drawn_in(arithmetic);
        return std::make_shared<const Pixels>(
            std::move(render_pictures(job, {{bench_.look.seed, eta}}, silent).front()));
    }

    void show(Picture square, double eta, const char* stage, std::int64_t step) {
        bench_.board.change([&](Document& document) {
            document.preview = {std::move(square), eta, stage, step};
        });
    }

    void show_tuning(Stage stage, const Tuning& tuning) {
        const at::NoGradGuard no_gradients;
        Recipe recipe = sampled_recipe(bench_, bench_.look.sample);
        recipe.sample.steps = std::min(recipe.sample.steps, most_preview_steps);
        recipe.sample.noise_share = 1;  // an inversion would cost as much again
        recipe.way = Way::line;         // likewise what the words' way looks for first
        const double eta = bench_.look.eta;
        const bool embedding = stage == Stage::embedding;
        show(draw(tuning, recipe, eta, std::nullopt), eta, embedding ? "embedding" : "finetune",
             embedding ? tuning.embedding_steps : tuning.finetune_steps);
    }

    Bench& bench_;
    Monitor& monitor_;
    bool failed_ = false;
    double cost_ = 0;
    Clock::time_point last_ = Clock::now();
};

// All of the strip at once, in few steps, before anything is judged or rendered exactly.
void show_strip(Bench& bench, Monitor& monitor) {
    if (!bench.is_watched || bench.session->recipe.mode == Mode::inpaint) return;
    try {
        render_previews(bench, monitor);
    } catch (const Error&) {
        // A sampler that this model or number of steps does not allow: the renders say so.
    }
}

// The first picture that a person sees is the edit, unless they chose another strength meanwhile.
void choose_strength(Bench& bench, Monitor& monitor) {
    const Recipe recipe = sampled_recipe(bench, bench.look.sample);
    if (recipe.way != Way::words || bench.look.eta != first_eta()) return;
    prepare_renders(bench, monitor);
    const Judgement judgement = judge_words(*bench.model, *bench.tuning, *bench.conditions->words,
                                            {*bench.square, bench.conditions->photo_latents},
                                            direction_of(bench), monitor, judge_options(recipe));
    bench.look.eta = judgement.strength;
    bench.board.change([&](Document& document) {
        document.chosen_eta.reset();
        if (judgement.taken) document.chosen_eta = judgement.strength;
    });
    if (!judgement.taken) {
        bench.board.tell(Notice::Kind::note,
                         "By the model's own judgement the words do not arrive: try more strength, "
                         "or other words; the model may not know these.");
    }
}

}  // namespace

void tune_session(Bench& bench, Monitor& monitor) {
    RateClock clock;
    Pace told, drawn;
    Monitor reporting(
        [&](const Progress& progress) {
            const WorkProgress now = clock.read(progress);
            if (now.done == now.total || told.is_time())
                bench.board.change([&](Document& document) { document.progress = now; });
            monitor.step(progress.done, progress.total, progress.note);
        },
        monitor.stop());
    Previews previews(bench, monitor);
    TuneControls controls;
    controls.monitor = &reporting;
    controls.warn = [&](const std::string& text) { bench.board.tell(Notice::Kind::note, text); };
    controls.after_step = [&](Stage stage, const Tuning& tuning) {
        if (drawn.is_time()) {
            auto losses = std::make_shared<const LossCurves>(LossCurves{
                floats(tuning.embedding_losses.training), floats(tuning.finetune_losses.training)});
            bench.board.change([&](Document& document) {
                document.losses = std::move(losses);
                document.tuned = Tuned::partly;
            });
        }
        previews.after_step(stage, tuning);
    };
    StageSeconds seconds;
    previews.first_look();
    try {
        bench.tuning.emplace(tune(*bench.session, *bench.model, *bench.square, controls, seconds));
    } catch (const Error&) {
        show_session(bench);  // with what was saved before
        throw;
    }
    bench.conditions.reset();
    bench.wants_tuning = false;
    show_session(bench);
    show_strip(bench, reporting);
    choose_strength(bench, reporting);
    look_at(bench, bench.look);
}

}  // namespace keepsake::editor
