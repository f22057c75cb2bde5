#include "editor/edit/learn.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "editor/edit/clock.h"
#include "editor/edit/draw_pictures.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/learn_files.h"
#include "editor/edit/learn_set.h"
#include "editor/edit/learn_settings.h"
#include "editor/edit/learn_word.h"
#include "editor/edit/learning_model.h"
#include "editor/edit/model_folder.h"
#include "editor/edit/render.h"
#include "editor/edit/train_pictures.h"
#include "editor/session/bundled_model.h"
#include "editor/session/option_overrides.h"
#include "editor/session/run_folder.h"
#include "editor/session/sample_prompts.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using optimize::LearnedPictures;
using optimize::LearnPicture;

pipeline::Model load(const LearnRequest& request) {
    pipeline::Model model = load_learning_model(request.model, request.compute);
    if (request.kind == LearnKind::unet)
        begin_unet(request.unet, request.size.value_or(static_cast<int>(model.native_size())),
                   request.seed, model);
    return model;
}

// model: of a word its tokenizer knows that already.
LearnPlan plan_of(const LearnRequest& request, const pipeline::Model& model,
                  std::optional<WordPlan> word, const LearnControls& controls, Monitor& monitor) {
    const bool subject = request.kind == LearnKind::subject;
    const std::string& class_words = request.prior.class_words;
    LearnPlan plan{request,
                   model,
                   read_picture_set(request.pictures, monitor),
                   {},
                   learn_size(model, request.size.value_or(static_cast<int>(model.native_size())),
                              request.buckets, request.mirror),
                   subject ? learned_prompt(request.token)
                   : word  ? word->texts.front()
                           : "",
                   subject && !class_words.empty() ? learned_prompt(class_words) : "",
                   std::move(word)};
    if (plan.word) keep_captions_with(*plan.word, model.tokenizer, plan.set);
    tell(plan.set.remarks, controls.warn);
    if (!plan.class_prompt.empty() && request.prior.folder) {
        plan.prior_set = read_picture_set({*request.prior.folder}, monitor);
        tell(plan.prior_set.remarks, controls.warn);
    }
    check_plan(plan);
    return plan;
}

// The subject and, where there is a class, it: what has to stay as it was.
std::vector<SamplePrompt> usual_prompts(const LearnPlan& plan) {
    std::vector<SamplePrompt> prompts;
    const auto add = [&](const std::string& text, std::uint64_t seed) {
        SamplePrompt prompt;
        prompt.prompt = text;
        prompt.seed = seed;
        prompts.push_back(prompt);
    };
    if (plan.word) {
        for (const std::uint64_t seed : {0, 1, 2}) add(plan.prompt, seed);
        if (!plan.request.word.style) add("a watercolor painting of " + plan.word->name, 0);
        return prompts;
    }
    if (plan.request.kind == LearnKind::subject) {
        for (const std::uint64_t seed : {0, 1, 2}) add(plan.prompt, seed);
        if (!plan.class_prompt.empty())
            for (const std::uint64_t seed : {0, 1}) add(plan.class_prompt, seed);
        return prompts;
    }
    std::vector<std::string> seen;
    for (const SetPicture& picture : plan.set.pictures) {
        if (picture.captions.empty() || seen.size() == 4) continue;
        if (std::ranges::find(seen, picture.captions[0]) != seen.end()) continue;
        seen.push_back(picture.captions[0]);
        add(picture.captions[0], 0);
    }
    return prompts;
}

// A training under way: its folder, its state, and what is written when.
class Run {
  public:
    Run(const LearnPlan& plan, RunFolder folder, std::vector<SamplePrompt> prompts,
        const LearnControls& controls)
        : plan_(plan),
          request_(plan.request),
          folder_(std::move(folder)),
          prompts_(std::move(prompts)),
          controls_(controls) {}

    LearnResult go(Monitor& monitor);

  private:
    void encode(Monitor& monitor);
    void restore(const optimize::PictureTask& task);
    RunState state() const;
    void save();
    void save_if_due();
    void draw(Monitor& monitor);
    void after_evaluation(Monitor& monitor);
    void measure_words();
    bool writes() const { return is_first(controls_.ranks); }
    LearnedFacts facts() const;
    std::string name_of_step(std::int64_t step) const;
    LearnResult result();

    const LearnPlan& plan_;
    const LearnRequest& request_;
    RunFolder folder_;
    std::vector<SamplePrompt> prompts_;
    const LearnControls& controls_;
    std::int64_t measured_ = -1;  // the step of the last evaluation
    std::vector<LearnPicture> pictures_;
    std::vector<LearnPicture> held_out_;  // of a U-Net
    std::vector<optimize::WordsLoss> words_;
    std::int64_t prior_pictures_ = 0;
    const optimize::PictureTask* task_ = nullptr;  // while it runs
    LearnedPictures learned_;
    fs::path sheet_;
    Clock::time_point saved_ = Clock::now();
    double cost_ = 0;  // seconds that saving took
};

void Run::encode(Monitor& monitor) {
    const fs::path cache = own_folder(folder_.folder, "latents");
    pictures_ = encode_set(plan_.model, plan_.set, plan_.size, plan_.prompts(), cache, monitor);
    if (request_.kind == LearnKind::unet) {
        const at::Tensor apart = held_out(plan_.set, request_.unet.held_out);
        std::vector<LearnPicture> learned;
        for (std::size_t i = 0; i < pictures_.size(); ++i)
            (apart[static_cast<std::int64_t>(i)].item<bool>() ? held_out_ : learned)
                .push_back(std::move(pictures_[i]));
        pictures_ = std::move(learned);
    }
    if (plan_.class_prompt.empty()) return;
    PictureSet of_class = plan_.prior_set;
    if (!request_.prior.folder) {
        const fs::path drawn = own_folder(folder_.folder, "class");
        draw_class(drawn, plan_.class_prompt, request_.prior, plan_.size.side, plan_.model,
                   monitor);
        of_class = read_picture_set({drawn}, monitor);
        // Of a run with fewer of them.
        if (of_class.pictures.size() > static_cast<std::size_t>(request_.prior.pictures))
            of_class.pictures.resize(static_cast<std::size_t>(request_.prior.pictures));
        tell(of_class.remarks, controls_.warn);
    }
    for (LearnPicture& picture :
         encode_set(plan_.model, of_class, plan_.size, {plan_.class_prompt}, cache, monitor)) {
        picture.is_prior = true;
        pictures_.push_back(std::move(picture));
        ++prior_pictures_;
    }
}

// What the last checkpoint holds comes into the networks.
void Run::restore(const optimize::PictureTask& task) {
    optimize::prepare_learning(task, request_.options, learned_);
    if (!writes()) return;  // rank 0's comes to the others
    const std::optional<RunState> saved = load_run(folder_);
    if (!saved) return;
    const auto learns = optimize::learning_tensors(learned_, request_.options);
    for (const auto& [name, tensor] : learns) {
        const auto found = saved->learns.find(name);
        if (found == saved->learns.end() || found->second.sizes() != tensor.sizes())
            throw Error((folder_.folder / "checkpoint.safetensors").string(),
                        "does not hold " + name + "; give --restart");
        tensor.data().copy_(found->second);
    }
    learned_.steps = saved->steps;
    for (const auto& [name, tensor] : saved->optimiser)
        learned_.optimiser[name] = tensor.to(plan_.model.device);
    for (const auto& [name, tensor] : saved->averages)
        learned_.averages[name] = tensor.to(plan_.model.device);
    learned_.losses = saved->losses;
    for (const auto& [step, loss] : saved->evaluations)
        learned_.evaluations.push_back({step, loss});
}

RunState Run::state() const {
    RunState state;
    state.steps = learned_.steps;
    state.learns = optimize::learning_tensors(learned_, request_.options);
    state.optimiser = learned_.optimiser;
    state.averages = learned_.averages;
    state.losses = learned_.losses;
    for (const optimize::Evaluation& one : learned_.evaluations)
        state.evaluations.emplace_back(one.step, one.loss);
    return state;
}

void Run::save() {
    if (!writes()) return;
    const Clock::time_point begin = Clock::now();
    const RunState now = state();
    save_run(folder_, now);
    write_run_log(folder_, now,
                  [this](std::int64_t step) { return optimize::rate_of(request_.options, step); });
    saved_ = Clock::now();
    cost_ = seconds_since(begin);
}

void Run::save_if_due() {
    // No more than a fifth of the time goes into saving.
    if (seconds_since(saved_) >= std::max(request_.checkpoint_seconds, 4 * cost_)) save();
}

std::string Run::name_of_step(std::int64_t step) const {
    std::string digits = std::to_string(step);
    digits.insert(0, 6 - std::min<std::size_t>(6, digits.size()), '0');
    return request_.name + "-step" + digits;
}

LearnedFacts Run::facts() const {
    return {request_,
            plan_.model,
            plan_.set,
            plan_.size.side,
            prior_pictures_,
            learned_.steps,
            plan_.word ? plan_.word->name : ""};
}

// By what was held out; where that is too little, by what is learned.
void Run::measure_words() {
    if (request_.kind != LearnKind::unet) return;
    const std::optional<pipeline::UNet> average = averaged_unet(learned_);
    const pipeline::UNet& unet = average ? *average : *learned_.unet;
    words_ = optimize::check_words(*task_, unet, held_out_);
    if (words_.empty()) words_ = optimize::check_words(*task_, unet, pictures_);
    note_words(folder_.folder, learned_.steps, words_);
}

void Run::draw(Monitor& monitor) {
    draw_samples(folder_.folder, prompts_, plan_.model, learned_, monitor);
    sheet_ = write_samples_sheet(folder_.folder, prompts_, request_.name);
    if (controls_.after_samples) controls_.after_samples();
}

// Of all weights no file on the way: each would be a model.
void Run::after_evaluation(Monitor& monitor) {
    if (!request_.options.all_weights)
        write_learned(own_folder(folder_.folder, "checkpoints"), name_of_step(learned_.steps),
                      facts(), learned_);
    measure_words();
    measured_ = learned_.steps;
    draw(monitor);
}

LearnResult Run::result() {
    LearnResult result;
    result.file = write_learned(folder_.folder, request_.name, facts(), learned_);
    if (plan_.word) {
        result.by_stem = write_word_by_stem(folder_.folder, facts(), learned_);
        if (result.by_stem.empty())
            tell(
                {"'" + plan_.word->name + "' is no file's name, so there is no file for programs " +
                 "that call a word by it"},
                controls_.warn);
    }
    result.sheet = sheet_;
    result.loss_before = learned_.losses.before;
    result.loss_after = learned_.losses.after;
    result.steps = learned_.steps;
    result.words = words_;
    std::vector<optimize::Evaluation> all = learned_.evaluations;
    if (learned_.losses.after && (all.empty() || all.back().step != learned_.steps))
        all.push_back({learned_.steps, *learned_.losses.after});
    if (all.empty()) return result;
    result.best = *std::ranges::min_element(all, {}, &optimize::Evaluation::loss);
    const fs::path step =
        folder_.folder / "checkpoints" / (name_of_step(result.best->step) + ".safetensors");
    std::error_code code;
    result.best_file =
        result.best->step != learned_.steps && fs::exists(step, code) ? step : result.file;
    return result;
}

LearnResult Run::go(Monitor& monitor) {
    optimize::first_alone(controls_.ranks, [&] {
        encode(monitor);
        return true;
    });
    const optimize::PictureTask task{
        plan_.model.unet,
        plan_.model.text_encoder,
        plan_.model.schedule,
        [this](const std::string& caption) { return token_ids(plan_.model, caption); },
        pictures_,
        request_.seed,
        plan_.word ? plan_.word->start : at::Tensor()};
    task_ = &task;
    restore(task);
    const int threads = set_threads(request_.compute.threads, plan_.model, plan_.size.side);
    const Clock::time_point begin = Clock::now();
    // Drawing on the way reports nothing of its own, and stops with the rest.
    Monitor silent([](const Progress&) {}, monitor.stop());
    if (request_.every > 0 && learned_.steps == 0 && writes()) draw(silent);
    optimize::LearnControls controls;
    controls.monitor = &monitor;
    controls.checkpointing = request_.checkpointing;
    controls.warn = controls_.warn;
    controls.ranks = controls_.ranks;
    controls.evaluate_every = request_.every;
    controls.after_evaluation = [&] { after_evaluation(silent); };
    controls.after_step = [this] {
        if (controls_.after_step) controls_.after_step(learned_);
        save_if_due();
    };
    try {
        optimize::learn_pictures(task, request_.options, learned_, controls);
    } catch (const Cancelled&) {
        save();
        throw;
    }
    save();
    if (!writes()) return {};
    if (measured_ != learned_.steps) {
        measure_words();
        if (request_.every > 0)
            sheet_ = write_samples_sheet(folder_.folder, prompts_, request_.name);
    }
    LearnResult done = result();
    done.seconds = seconds_since(begin);
    done.threads = threads;
    return done;
}

}  // namespace

std::string file_name_of(const std::string& words) {
    std::string name;
    for (const char c : words) {
        const auto byte = static_cast<unsigned char>(c);
        // Bytes above ASCII are parts of letters of other scripts.
        if (std::isalnum(byte) || byte >= 0x80)
            name += static_cast<char>(std::tolower(byte));
        else if (!name.empty() && name.back() != '-')
            name += '-';
    }
    while (name.ends_with('-')) name.pop_back();
    constexpr std::size_t most = 80;
    if (name.size() > most) name.resize(most);
    return name.empty() ? "learned" : name;
}

const char* learn_name(LearnKind kind) {
    switch (kind) {
        case LearnKind::word:
            return "learn word";
        case LearnKind::subject:
            return "learn subject";
        case LearnKind::unet:
            return "train unet";
        case LearnKind::captions:
            break;
    }
    return "learn captions";
}

optimize::PictureOptions learn_options(LearnKind kind, const std::optional<fs::path>& model) {
    if (kind == LearnKind::unet) return optimize::caption_options();
    const ModelDefaults said = load_model_defaults(model ? *model : default_model());
    const bool word = kind == LearnKind::word, subject = kind == LearnKind::subject;
    optimize::PictureOptions options = word      ? optimize::word_options()
                                       : subject ? optimize::subject_options()
                                                 : optimize::caption_options();
    const StageOverrides& stage = word ? said.word.stage : subject ? said.subject : said.captions;
    apply(stage, options.stage);
    options.schedule.rate = stage.learning_rate.value_or(options.schedule.rate);
    options.lora.rank = stage.rank.value_or(options.lora.rank);
    return options;
}

LearnResult learn(const LearnRequest& request, const LearnControls& controls) {
    return learn(request, controls, load(request));
}

LearnResult learn(const LearnRequest& request, const LearnControls& controls,
                  pipeline::Model model) {
    Monitor none;
    Monitor& monitor = controls.monitor ? *controls.monitor : none;
    std::optional<WordPlan> word;
    if (request.kind == LearnKind::word) word = plan_word(request.word, model);
    const LearnPlan plan = plan_of(request, model, std::move(word), controls, monitor);
    std::vector<std::string> remarks;
    std::vector<SamplePrompt> prompts = request.sample_prompts
                                            ? read_sample_prompts(*request.sample_prompts, remarks)
                                            : usual_prompts(plan);
    if (request.check_only) {
        tell(remarks, controls.warn);
        LearnResult result;
        result.check = describe_plan(plan);
        return result;
    }
    if (request.options.all_weights) check_is_model_folder(model.path);
    RunFolder folder =
        open_run(request.out, run_recipe(plan), request.restart, remarks, controls.ranks);
    tell(remarks, controls.warn);
    return Run(plan, std::move(folder), std::move(prompts), controls).go(monitor);
}

}  // namespace keepsake::editor
