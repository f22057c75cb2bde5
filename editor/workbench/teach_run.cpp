#include "editor/workbench/teach_run.h"

#include <utility>

#include "editor/edit/clock.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/learning_model.h"
#include "editor/session/run_folder.h"
#include "editor/workbench/bench.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/teach_files.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

void change_run(Bench& bench, const std::function<void(TeachBoard&)>& edit) {
    bench.board.change([&](Document& document) { edit(document.teach.run); });
}

// The bench's model where it is the run's, bare and in the numbers that learn: a second copy of
// the weights would cost as much memory again.
pipeline::Model learning_model(const Bench& bench, const LearnRequest& request) {
    if (bench.model) {
        const pipeline::LoadOptions& as = bench.model->loaded_with;
        const bool bare = as.adapters.empty() && as.vae.empty() && as.clip_skip == 0 &&
                          bench.model->words.empty() &&
                          as.arithmetic == pipeline::Arithmetic::float32 &&
                          as.prediction_type == request.compute.prediction;
        if (bare && bench.model->path == request.model) {
            refuse_other_purposes(*bench.model, Mode::fast);
            return *bench.model;
        }
    }
    return load_learning_model(request.model, request.compute);
}

LearnRequest new_run(const Bench& bench, const TeachDraft& draft) {
    if (!bench.model) throw Error("learn", "there is no model; choose one in the room Edit");
    LearnRequest request = request_of(draft, bench.model->path);
    request.model = bench.model->path;
    request.out = new_run_folder(bench.library, request.name);
    request.pictures = {write_lesson(draft, request.out)};
    return request;
}

// Of which no run.json is there where it was stopped before the first step.
LearnRequest run_in(const Bench& bench, const fs::path& folder) {
    if (!is_run(folder) && bench.teaching && bench.teaching->request.out == folder)
        return bench.teaching->request;
    return learn_request_of(folder);
}

// Tells the board what the loop says, not more often than one can look.
class Watch {
  public:
    Watch(Bench& bench, Monitor& monitor) : bench_(bench), monitor_(monitor) {}

    void report(const Progress& progress) {
        const WorkProgress now = clock_.read(progress);
        if (progress.done == progress.total || told_.is_time())
            change_run(bench_, [&](TeachBoard& run) { run.progress = now; });
        monitor_.step(progress.done, progress.total, progress.note);
    }
    void after_step(const optimize::LearnedPictures& learned) {
        if (shown_.is_time()) show(learned);
    }

  private:
    void show(const optimize::LearnedPictures& learned) {
        auto losses = std::make_shared<const std::vector<float>>(learned.losses.training.begin(),
                                                                 learned.losses.training.end());
        std::vector<std::pair<std::int64_t, double>> evaluations;
        if (learned.losses.before) evaluations.emplace_back(0, *learned.losses.before);
        for (const optimize::Evaluation& one : learned.evaluations)
            evaluations.emplace_back(one.step, one.loss);
        change_run(bench_, [&](TeachBoard& run) {
            run.losses = std::move(losses);
            run.evaluations = std::move(evaluations);
        });
    }

    Bench& bench_;
    Monitor& monitor_;
    RateClock clock_;
    Pace told_, shown_;
};

// Reads pictures outside of the board's lock.
void show_samples(Bench& bench) {
    TeachBoard run = bench.board.latest()->teach.run;
    read_samples(run);
    change_run(bench, [&](TeachBoard& now) {
        now.samples = std::move(run.samples);
        now.sheet = std::move(run.sheet);
    });
}

void show_curves(Bench& bench, const fs::path& folder) {
    RunCurves curves = read_run_curves(folder);
    change_run(bench, [&](TeachBoard& run) {
        run.progress.done = static_cast<std::int64_t>(curves.losses.size());
        run.losses = std::make_shared<const std::vector<float>>(std::move(curves.losses));
        run.evaluations = std::move(curves.evaluations);
    });
}

void set_state(Bench& bench, TeachBoard::State state, const std::string& fault = {}) {
    change_run(bench, [&](TeachBoard& run) {
        run.state = state;
        run.fault = fault;
        run.progress.rate = 0;
        run.progress.seconds_left.reset();
    });
}

void finish(Bench& bench, const LearnResult& result) {
    add_words_of_run(bench.library, bench.teaching->request.out);
    bench.teaching.reset();
    show_curves(bench, bench.board.latest()->teach.run.folder);
    show_words(bench.board, bench.library);
    set_state(bench, TeachBoard::State::finished);
    bench.board.tell(Notice::Kind::note, "Learned: " + result.file.string());
}

// After a failure. Of a run that has not begun, the copies of the pictures are all there is.
void give_up(Bench& bench, const fs::path& run) {
    const bool begun = is_run(run);
    std::error_code code;
    if (!begun && run.parent_path() == learned_folder(bench.library)) fs::remove_all(run, code);
    if (!begun) bench.teaching.reset();
    if (bench.teaching) bench.teaching->wanted = false;
}

}  // namespace

void begin_teaching(Bench& bench, const TeachStartRequest& request) {
    const bool again = !request.folder.empty();
    LearnRequest learn = again ? run_in(bench, request.folder) : new_run(bench, request.draft);
    learn.compute = bench.compute;
    learn.compute.arithmetic = pipeline::Arithmetic::float32;
    change_run(bench, [&](TeachBoard& run) {
        const bool same = again && run.folder == request.folder;
        if (!same) {
            run = {};
            run.draft = again ? draft_of(learn) : request.draft;
        }
        run.folder = learn.out;
        run.steps = learn.options.stage.steps;
        run.state = TeachBoard::State::running;
        run.fault.clear();
        run.remarks.clear();
    });
    bench.teaching = TeachJob{std::move(learn), true};
}

void teach(Bench& bench, Monitor& monitor) {
    const LearnRequest request = bench.teaching->request;
    Watch watch(bench, monitor);
    Monitor reporting([&](const Progress& progress) { watch.report(progress); }, monitor.stop());
    LearnControls controls;
    controls.monitor = &reporting;
    controls.warn = [&](const std::string& text) {
        change_run(bench, [&](TeachBoard& run) { run.remarks.push_back(text); });
    };
    controls.after_step = [&](const optimize::LearnedPictures& learned) {
        watch.after_step(learned);
    };
    controls.after_samples = [&] { show_samples(bench); };
    try {
        const LearnResult result = learn(request, controls, learning_model(bench, request));
        show_samples(bench);
        finish(bench, result);
    } catch (const Cancelled&) {
        throw;
    } catch (const std::exception& error) {
        give_up(bench, request.out);
        set_state(bench, TeachBoard::State::stopped, error.what());
        throw;
    }
}

void stop_teaching(Bench& bench) {
    if (!bench.teaching) return;
    bench.teaching->wanted = false;
    show_curves(bench, bench.teaching->request.out);
    show_words(bench.board, bench.library);
    set_state(bench, TeachBoard::State::stopped);
}

bool wants_teaching(const Bench& bench) {
    return bench.teaching && bench.teaching->wanted;
}

}  // namespace keepsake::editor
