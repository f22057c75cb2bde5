#include "editor/edit/distil.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "editor/edit/clock.h"
#include "editor/edit/distil_files.h"
#include "editor/edit/distil_plan.h"
#include "editor/edit/distil_set.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/learn_files.h"
#include "editor/edit/learning_model.h"
#include "editor/edit/model_folder.h"
#include "editor/edit/render.h"
#include "editor/session/run_folder.h"
#include "editor/session/sample_prompts.h"
#include "optimize/training/ema.h"
#include "optimize/training/streams.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using optimize::DistilTask;
using optimize::TrainingRecipe;
using pipeline::TensorMap;
using pipeline::UNet;

constexpr double lcm_decay = 0.95;  // train_lcm_distill_sd's --ema_decay

// What is drawn on the way: the person's prompts, else a few of what is learned from. Steps and
// samplers are the student's.
std::vector<SamplePrompt> sample_prompts_of(const DistilPlan& plan,
                                            std::vector<std::string>& remarks) {
    std::vector<SamplePrompt> prompts;
    if (plan.request.sample_prompts) {
        prompts = read_sample_prompts(*plan.request.sample_prompts, remarks);
    } else {
        std::vector<std::string> texts = plan.prompts;
        for (const SetPicture& picture : plan.set.pictures)
            texts.insert(texts.end(), picture.captions.begin(), picture.captions.end());
        std::ranges::sort(texts);
        texts.erase(std::ranges::unique(texts).begin(), texts.end());
        constexpr std::size_t most = 6;
        const std::size_t count = std::min(most, texts.size());
        for (std::size_t i = 0; i < count; ++i) {
            prompts.emplace_back().prompt = texts[i * texts.size() / count];
        }
    }
    for (SamplePrompt& prompt : prompts) {
        prompt.sample.sampler = {};
        prompt.sample.steps = {};
        if (!plan.told) prompt.sample.guidance_scale = {};
    }
    return prompts;
}

// A distillation under way: its folder, its state, and what is written when.
class Run {
  public:
    Run(const DistilPlan& plan, RunFolder folder, std::vector<SamplePrompt> prompts,
        const DistilControls& controls)
        : plan_(plan),
          request_(plan.request),
          folder_(std::move(folder)),
          prompts_(std::move(prompts)),
          controls_(controls),
          drawing_(plan.model) {
        // The last step lands on the picture itself, whatever the teacher's files say.
        drawing_.schedule.config.set_alpha_to_one = true;
    }

    DistilResult go(Monitor& monitor);

  private:
    void prepare();
    void restore();
    void share_state();
    bool writes() const { return is_first(controls_.ranks); }
    void run_stage(Monitor& monitor);
    void end_stage();
    TrainingRecipe recipe(const DistilTask& task) const;
    TensorMap learning() const;
    RunState state() const;
    void save();
    void after_step(const TrainingRecipe& recipe, Monitor& silent);
    void draw(Monitor& silent);
    std::int64_t updates() const { return static_cast<std::int64_t>(past_.size()) + done_; }
    fs::path student_file(std::size_t stage) const;
    DistilResult result() const;

    const DistilPlan& plan_;
    const DistilRequest& request_;
    RunFolder folder_;
    std::vector<SamplePrompt> prompts_;
    const DistilControls& controls_;
    pipeline::Model drawing_;  // the teacher's, with the schedule that students sample by
    optimize::DistilSet set_;
    std::optional<UNet> student_, average_, teacher_;  // no teacher: the model's own network
    pipeline::LoraSet loras_;
    std::optional<optimize::Ema> ema_;
    std::size_t stage_ = 0;
    std::vector<double> past_;  // training losses of the stages before
    std::int64_t done_ = 0;     // updates of this stage
    TensorMap optimiser_;       // and its optimiser's state
    optimize::StageLosses losses_;
    std::vector<std::pair<std::int64_t, double>> evaluations_;
    fs::path sheet_;
    Clock::time_point saved_ = Clock::now();
    double cost_ = 0;  // seconds that saving took
};

void Run::prepare() {
    const UNet& teacher = plan_.model.unet;
    if (request_.kind == DistilKind::consistency && !request_.all_weights) {
        loras_ = optimize::start_consistency_loras(
            teacher, request_.stage.rank,
            optimize::step_generator(request_.seed, optimize::streams::pictures, -2));
        student_ = pipeline::with_loras(teacher, loras_);
        return;
    }
    student_ = plan_.told ? optimize::with_guidance_input(teacher) : teacher.clone();
    if (request_.kind != DistilKind::consistency) return;
    average_ = student_->clone();
    ema_.emplace(student_->parameters(),
                 optimize::EmaOptions{.decay = lcm_decay, .min_decay = lcm_decay});
}

TensorMap Run::learning() const {
    return loras_.empty() ? student_->parameters() : pipeline::lora_tensors(loras_);
}

fs::path Run::student_file(std::size_t stage) const {
    return own_file(own_folder(folder_.folder, "students"),
                    plan_.stage_name(stage) + ".safetensors");
}

void copy_into(const TensorMap& from, const TensorMap& to, const fs::path& file) {
    const at::NoGradGuard no_grad;
    for (const auto& [name, tensor] : to) {
        const auto found = from.find(name);
        if (found == from.end() || found->second.sizes() != tensor.sizes())
            throw Error(file.string(), "does not hold " + name + "; give --restart");
        tensor.data().copy_(found->second);
    }
}

// What the last checkpoint holds.
void Run::restore() {
    const std::optional<RunState> saved = load_run(folder_);
    if (!saved) return;
    const fs::path checkpoint = folder_.folder / "checkpoint.safetensors";
    const std::int64_t each = request_.stage.steps;
    const auto stages = static_cast<std::int64_t>(plan_.stages.size());
    if (saved->steps > each * stages)
        throw Error(checkpoint.string(), "has more updates than the run; give --restart");
    stage_ = saved->steps == 0 ? 0 : static_cast<std::size_t>((saved->steps - 1) / each);
    const auto border = saved->losses.training.begin() +
                        static_cast<std::ptrdiff_t>(stage_) * static_cast<std::ptrdiff_t>(each);
    past_.assign(saved->losses.training.begin(), border);
    losses_ = saved->losses;
    losses_.training.assign(border, saved->losses.training.end());
    done_ = static_cast<std::int64_t>(losses_.training.size());
    copy_into(saved->learns, learning(), checkpoint);
    for (const auto& [name, tensor] : saved->optimiser)
        optimiser_[name] = tensor.to(plan_.model.device);
    if (ema_) {
        ema_->load(saved->averages);
        copy_into(ema_->averages(), average_->parameters(), checkpoint);
    }
    evaluations_ = saved->evaluations;
    if (stage_ == 0) return;
    const fs::path path = student_file(stage_ - 1);
    const pipeline::SafetensorsFile file(path);
    const auto tag = file.metadata().find("run");
    if (tag == file.metadata().end() || tag->second != folder_.tag)
        throw Error(path.string(), "belongs to another run; give --restart");
    teacher_ = student_->clone();
    copy_into(pipeline::read_safetensors(path), teacher_->parameters(), path);
}

// What rank 0 has restored comes to the others; of the stage under way train() sees to that.
void Run::share_state() {
    const optimize::Ranks& ranks = controls_.ranks;
    auto stage = static_cast<std::int64_t>(stage_);
    optimize::broadcast(ranks, stage);
    stage_ = static_cast<std::size_t>(stage);
    if (stage_ > 0 && !teacher_) teacher_ = student_->clone();
    if (teacher_) optimize::broadcast(ranks, teacher_->parameters());
    if (!average_) return;
    optimize::broadcast(ranks, ema_->averages());
    optimize::broadcast(ranks, average_->parameters());
}

RunState Run::state() const {
    RunState state;
    state.steps = updates();
    state.learns = learning();
    state.optimiser = optimiser_;
    if (ema_) state.averages = ema_->averages();
    state.losses = losses_;
    state.losses.training = past_;
    state.losses.training.insert(state.losses.training.end(), losses_.training.begin(),
                                 losses_.training.end());
    state.evaluations = evaluations_;
    return state;
}

void Run::save() {
    if (!writes()) return;
    const Clock::time_point begin = Clock::now();
    RunState now = state();
    save_run(folder_, now);
    // Of the log, the evaluations at the borders of stages are some among others.
    now.losses.before = now.losses.after = {};
    if (!evaluations_.empty()) {
        now.losses.before = evaluations_.front().second;
        now.evaluations.erase(now.evaluations.begin());
    }
    write_run_log(folder_, now, [this](std::int64_t step) {
        return optimize::rate_at(request_.stage, step % request_.stage.steps);
    });
    saved_ = Clock::now();
    cost_ = seconds_since(begin);
}

TrainingRecipe Run::recipe(const DistilTask& task) const {
    switch (request_.kind) {
        case DistilKind::steps:
            return optimize::progressive_recipe(task, *student_, plan_.stages[stage_],
                                                request_.stage);
        case DistilKind::guidance:
            return optimize::guidance_recipe(task, *student_, request_.stage);
        case DistilKind::consistency:
            break;
    }
    if (average_) return optimize::consistency_recipe(task, *student_, *average_, request_.stage);
    return optimize::consistency_recipe(task, *student_, loras_, request_.stage);
}

void Run::draw(Monitor& silent) {
    if (request_.every == 0 || !writes()) return;
    if (updates() == 0)
        draw_samples(folder_.folder, 0, prompts_, {plan_.model, plan_.teacher_sample(), {}},
                     silent);
    else
        draw_samples(folder_.folder, updates(), prompts_,
                     {drawing_, plan_.sample(stage_), {average_ ? &*average_ : &*student_}},
                     silent);
    sheet_ = write_samples_sheet(folder_.folder, prompts_, request_.name);
}

void Run::after_step(const TrainingRecipe& recipe, Monitor& silent) {
    if (ema_) {
        ema_->update(done_);
        copy_into(ema_->averages(), average_->parameters(), folder_.folder);
    }
    const std::int64_t every = request_.every;
    if (every > 0 && done_ % every == 0 && done_ < request_.stage.steps && writes()) {
        evaluations_.emplace_back(updates(), recipe.evaluate());
        draw(silent);
    }
    // No more than a fifth of the time goes into saving.
    if (seconds_since(saved_) >= std::max(request_.checkpoint_seconds, 4 * cost_)) save();
}

void Run::run_stage(Monitor& monitor) {
    Monitor silent([](const Progress&) {}, monitor.stop());
    const UNet& teacher = teacher_ ? *teacher_ : plan_.model.unet;
    // What was taught its guidance for good is a teacher without any.
    const bool plain = teacher_ && !plan_.told;
    const DistilTask task{teacher, plan_.model.schedule, set_,
                          plain ? optimize::GuidanceRange{1, 1} : plan_.guidance, request_.seed};
    const TrainingRecipe recipe = this->recipe(task);
    if (!losses_.before && writes()) {
        losses_.before = recipe.evaluate();
        evaluations_.emplace_back(updates(), *losses_.before);
    }
    optimize::TrainingControls controls;
    controls.monitor = &monitor;
    controls.checkpointing = request_.checkpointing;
    controls.warn = controls_.warn;
    controls.ranks = controls_.ranks;
    controls.after_step = [&] { after_step(recipe, silent); };
    const bool was_over = losses_.after.has_value();
    optimize::train(recipe, request_.stage, {done_, optimiser_, losses_}, controls);
    if (was_over || !writes()) return;
    evaluations_.emplace_back(updates(), *losses_.after);
    draw(silent);
}

// The student of this stage is the next one's teacher.
void Run::end_stage() {
    if (stage_ + 1 < plan_.stages.size() && writes())
        pipeline::write_safetensors(student_file(stage_), student_->parameters(),
                                    {{"run", folder_.tag}});
    save();
    if (++stage_ == plan_.stages.size()) return;
    teacher_ = student_->clone();
    past_.insert(past_.end(), losses_.training.begin(), losses_.training.end());
    losses_ = {};
    optimiser_.clear();
    done_ = 0;
}

DistilResult Run::result() const {
    DistilResult result;
    result.file = loras_.empty() ? write_student(folder_.folder, plan_, *student_,
                                                 ema_ ? ema_->averages() : student_->parameters())
                                 : write_student_lora(folder_.folder, plan_, loras_);
    result.sheet = sheet_;
    result.updates = updates();
    // The first and the last evaluation of each stage; at a border there are two.
    const std::int64_t each = request_.stage.steps;
    for (std::size_t i = 0; i < plan_.stages.size(); ++i) {
        const std::int64_t begin = static_cast<std::int64_t>(i) * each;
        DistilledStage stage{plan_.stage_name(i)};
        for (const auto& [step, loss] : evaluations_) {
            if (step == begin) stage.before = loss;  // the later of the two
            if (step == begin + each && stage.after == 0) stage.after = loss;
        }
        result.stages.push_back(stage);
    }
    return result;
}

DistilResult Run::go(Monitor& monitor) {
    set_ = optimize::first_alone(controls_.ranks, [&] {
        return distil_set(plan_, own_folder(folder_.folder, "latents"), monitor);
    });
    prepare();
    if (writes()) restore();
    share_state();
    const int threads = set_threads(request_.compute.threads, plan_.model, plan_.size.side);
    const Clock::time_point begin = Clock::now();
    Monitor silent([](const Progress&) {}, monitor.stop());
    try {
        if (updates() == 0) draw(silent);
        while (stage_ < plan_.stages.size()) {
            run_stage(monitor);
            end_stage();
        }
    } catch (const Cancelled&) {
        save();
        throw;
    }
    --stage_;  // the last
    if (!writes()) return {};
    // Of a run that was finished already nothing was drawn.
    if (request_.every > 0 && sheet_.empty())
        sheet_ = write_samples_sheet(folder_.folder, prompts_, request_.name);
    DistilResult done = result();
    done.seconds = seconds_since(begin);
    done.threads = threads;
    return done;
}

}  // namespace

DistilResult distil(const DistilRequest& request, const DistilControls& controls) {
    Monitor none;
    Monitor& monitor = controls.monitor ? *controls.monitor : none;
    const pipeline::Model model = load_learning_model(request.model, request.compute);
    const DistilPlan plan = plan_distil(request, model, controls, monitor);
    const bool lora = request.kind == DistilKind::consistency && !request.all_weights;
    if (!lora) check_is_model_folder(model.path);
    tell(plan.set.remarks, controls.warn);
    std::vector<std::string> remarks;
    std::vector<SamplePrompt> prompts = sample_prompts_of(plan, remarks);
    if (request.check_only) {
        tell(remarks, controls.warn);
        DistilResult result;
        result.check = describe_distil(plan);
        return result;
    }
    RunFolder folder =
        open_run(request.out, distil_recipe(plan), request.restart, remarks, controls.ranks);
    tell(remarks, controls.warn);
    return Run(plan, std::move(folder), std::move(prompts), controls).go(monitor);
}

}  // namespace keepsake::editor
