#include "editor/session/run_folder.h"

#include <ATen/ATen.h>
#include <sys/stat.h>

#include <sstream>

#include "editor/session/event_file.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using nlohmann::ordered_json;
using pipeline::TensorMap;

constexpr const char* run_file = "run.json";
constexpr const char* checkpoint_file = "checkpoint.safetensors";
constexpr const char* log_file = "log.jsonl";
constexpr const char* curves_file = "events.out.tfevents.0.keepsake";
constexpr const char* temporary = ".keepsake-tmp-";
constexpr const char* kind = "keepsake run";
constexpr int version = 1;
constexpr std::int64_t most_steps = 100'000'000;

std::string noun(const fs::path& folder) {
    return "run " + folder.string();
}

std::string dump(const nlohmann::ordered_json& value) {
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string tag_of(const RunRecipe& recipe) {
    // Keys sorted, so that their order says nothing.
    const nlohmann::json sorted = nlohmann::json::parse(dump(recipe.settings));
    return fingerprint_of(recipe.what + "\n" + sorted.dump());
}

void make_folder(const fs::path& folder) {
    std::error_code code;
    fs::create_directories(folder, code);
    if (code) throw Error(noun(folder), "cannot be made: " + code.message());
    if (!fs::is_directory(folder, code)) throw Error(noun(folder), "is no folder; give another");
}

// What a power cut left. Only the lock's holder may do this.
void remove_leftovers(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (!entry.path().filename().string().starts_with(temporary)) continue;
        std::error_code code;
        fs::remove_all(entry.path(), code);  // of a link, the link
        if (code) throw Error(entry.path().string(), "cannot be removed: " + code.message());
    }
}

nlohmann::json read_run(const fs::path& folder) {
    nlohmann::json run = read_json_file(own_file(folder, run_file));
    const bool ours = run.is_object() && run.value("kind", nlohmann::json()) == kind &&
                      run.value("version", nlohmann::json()).is_number_integer() &&
                      run.contains("what") && run["what"].is_string() && run.contains("recipe") &&
                      run["recipe"].is_object();
    if (!ours)
        throw Error(noun(folder), "its run.json is none of a training's; give another folder");
    return run;
}

// "learning_rate 0.0001, not 0.0002", for each setting that differs.
std::string differences(const nlohmann::json& there, const nlohmann::json& asked, bool newer,
                        std::vector<std::string>& unknown) {
    std::string text;
    const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
    for (const auto& [key, value] : asked.items()) {
        const bool has = there.contains(key);
        if (has && there[key] == value) continue;
        add(key + " " + (has ? brief(there[key]) : "nothing") + ", not " + brief(value));
    }
    for (const auto& [key, value] : there.items()) {
        if (asked.contains(key)) continue;
        if (newer)
            unknown.push_back(key);
        else
            add(key + " " + brief(value));
    }
    return text;
}

void check_same(const fs::path& folder, const RunRecipe& recipe,
                std::vector<std::string>& remarks) {
    const nlohmann::json run = read_run(folder);
    if (run["what"] != recipe.what)
        throw Error(noun(folder), "is one of " + brief(run["what"]) + ", not of \"" + recipe.what +
                                      "\"; give another --out");
    std::vector<std::string> unknown;
    const nlohmann::json asked = nlohmann::json::parse(dump(recipe.settings));
    const std::string text =
        differences(run["recipe"], asked, run["version"].get<std::int64_t>() > version, unknown);
    if (!text.empty())
        throw Error(noun(folder), "was begun with " + text + ". Give another --out, or --restart");
    for (const std::string& key : unknown)
        remarks.push_back(noun(folder) + ": a newer Keepsake's setting '" + key +
                          "' is passed over");
}

void write_run(const fs::path& folder, const RunRecipe& recipe) {
    ordered_json run;
    run["kind"] = kind;
    run["version"] = version;
    run["what"] = recipe.what;
    run["recipe"] = recipe.settings;
    if (!recipe.hints.empty()) run["hints"] = recipe.hints;
    write_file_atomically(own_file(folder, run_file),
                          run.dump(1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
}

void remove_file(const fs::path& path) {
    std::error_code code;
    fs::remove(path, code);
    if (code) throw Error(path.string(), "cannot be removed: " + code.message());
}

void add_group(TensorMap& all, const std::string& prefix, const TensorMap& tensors) {
    for (const auto& [name, tensor] : tensors) all[prefix + name] = tensor.detach();
}

TensorMap group_of(const TensorMap& all, const std::string& prefix) {
    TensorMap group;
    for (const auto& [name, tensor] : all)
        if (name.starts_with(prefix)) group[name.substr(prefix.size())] = tensor;
    return group;
}

Tensor numbers(const std::vector<double>& values) {
    return at::tensor(values, at::kDouble);
}

std::vector<double> numbers(const TensorMap& all, const std::string& name) {
    const auto found = all.find(name);
    if (found == all.end()) return {};
    const Tensor tensor = found->second.to(at::kDouble).contiguous();
    const auto* first = tensor.const_data_ptr<double>();
    return {first, first + tensor.numel()};
}

RunFolder open_first(const fs::path& folder, const RunRecipe& recipe, bool restart,
                     std::vector<std::string>& remarks) {
    make_folder(folder);
    std::error_code code;
    const bool is_run = is_there(folder / run_file);
    if (!is_run) {
        for (const auto& entry : fs::directory_iterator(folder, code)) {
            const std::string name = entry.path().filename().string();
            if (name != "lock" && name != run_pictures && !name.starts_with(temporary))
                throw Error(noun(folder), "is a folder with other things in it ('" + name +
                                              "'); give another --out");
        }
    }
    RunFolder run{folder, tag_of(recipe), FolderLock(folder, noun(folder))};
    remove_leftovers(folder);
    if (is_run && !restart) {
        check_same(folder, recipe, remarks);
        return run;
    }
    if (is_run) {
        read_run(folder);  // nothing is removed from what is no run
        remove_file(own_file(folder, checkpoint_file));
        remove_file(own_file(folder, log_file));
        remove_file(own_file(folder, curves_file));
    }
    write_run(folder, recipe);
    return run;
}

}  // namespace

RunFolder open_run(const fs::path& folder, const RunRecipe& recipe, bool restart,
                   std::vector<std::string>& remarks, const optimize::Ranks& ranks) {
    RunFolder run = is_first(ranks) ? open_first(folder, recipe, restart, remarks)
                                    : RunFolder{folder, tag_of(recipe), std::nullopt};
    // It tells the others that the folder is open, too.
    require_same(ranks, static_cast<std::int64_t>(std::stoull(run.tag, nullptr, 16)), noun(folder),
                 "the pictures, model or options of this process are not those of the first");
    if (!is_first(ranks)) make_folder(folder);
    return run;
}

void save_run(const RunFolder& run, const RunState& state) {
    TensorMap tensors;
    add_group(tensors, "learns.", state.learns);
    add_group(tensors, "optimiser.", state.optimiser);
    add_group(tensors, "averages.", state.averages);
    tensors["losses.training"] = numbers(state.losses.training);
    if (state.losses.before) tensors["losses.before"] = numbers({*state.losses.before});
    if (state.losses.after) tensors["losses.after"] = numbers({*state.losses.after});
    std::vector<double> at_steps, losses;
    for (const auto& [step, loss] : state.evaluations) {
        at_steps.push_back(static_cast<double>(step));
        losses.push_back(loss);
    }
    tensors["evaluations.steps"] = numbers(at_steps);
    tensors["evaluations.losses"] = numbers(losses);
    pipeline::write_safetensors(own_file(run.folder, checkpoint_file), tensors,
                                {{"run", run.tag}, {"steps", std::to_string(state.steps)}});
}

std::optional<RunState> load_run(const RunFolder& run) {
    const fs::path path = own_file(run.folder, checkpoint_file);
    if (!is_there(path)) return std::nullopt;
    const pipeline::SafetensorsFile file(path);
    const auto text = [&](const char* key) {
        const auto found = file.metadata().find(key);
        return found == file.metadata().end() ? std::string() : found->second;
    };
    if (text("run") != run.tag)
        throw Error(path.string(), "belongs to another run; remove it, or give --restart");
    TensorMap all;
    for (const auto& [name, info] : file.tensors()) all[name] = file.read(name);
    RunState state;
    state.losses.training = numbers(all, "losses.training");
    state.steps = static_cast<std::int64_t>(state.losses.training.size());
    if (state.steps > most_steps || text("steps") != std::to_string(state.steps))
        throw Error(path.string(), "is damaged: its steps and its losses do not agree");
    state.learns = group_of(all, "learns.");
    state.optimiser = group_of(all, "optimiser.");
    state.averages = group_of(all, "averages.");
    if (const auto before = numbers(all, "losses.before"); before.size() == 1)
        state.losses.before = before[0];
    if (const auto after = numbers(all, "losses.after"); after.size() == 1)
        state.losses.after = after[0];
    const auto at_steps = numbers(all, "evaluations.steps");
    const auto losses = numbers(all, "evaluations.losses");
    if (at_steps.size() != losses.size())
        throw Error(path.string(), "is damaged: its evaluations are not whole");
    for (std::size_t i = 0; i < losses.size(); ++i) {
        if (!(at_steps[i] >= 0 && at_steps[i] <= static_cast<double>(most_steps)))
            throw Error(path.string(), "is damaged: an evaluation is of no step");
        state.evaluations.emplace_back(static_cast<std::int64_t>(at_steps[i]), losses[i]);
    }
    return state;
}

namespace {

// When the run was begun, in seconds since 1970.
double begin_of(const fs::path& folder) {
    struct stat status {};
    return ::stat((folder / run_file).c_str(), &status) == 0 ? double(status.st_mtime) : 0;
}

}  // namespace

void write_run_log(const RunFolder& run, const RunState& state,
                   const std::function<double(std::int64_t step)>& rate) {
    std::string text;
    std::vector<EventScalar> curves;
    std::size_t evaluation = 0;
    const auto tell = [&](std::int64_t step, const char* what, double loss) {
        ordered_json line;
        line["step"] = step;
        line[what] = loss;
        curves.push_back({what, step, static_cast<float>(loss)});
        if (what == std::string_view("loss")) {
            const double of_step = rate(step - 1);
            line["rate"] = of_step;
            curves.push_back({"rate", step, static_cast<float>(of_step)});
        }
        text += line.dump() + "\n";
    };
    if (state.losses.before) tell(0, "evaluation", *state.losses.before);
    for (std::int64_t step = 1; step <= state.steps; ++step) {
        tell(step, "loss", state.losses.training[static_cast<std::size_t>(step - 1)]);
        for (; evaluation < state.evaluations.size() && state.evaluations[evaluation].first <= step;
             ++evaluation)
            tell(step, "evaluation", state.evaluations[evaluation].second);
    }
    if (state.losses.after) tell(state.steps, "evaluation", *state.losses.after);
    write_file_atomically(own_file(run.folder, log_file), text);
    // The same time whenever it is written, so that who reads on finds what was there.
    write_file_atomically(own_file(run.folder, curves_file),
                          event_file(curves, begin_of(run.folder)));
}

bool is_run(const fs::path& folder) {
    return is_there(folder / run_file);
}

RunRecipe load_run_recipe(const fs::path& folder) {
    const nlohmann::json run = read_run(folder);
    const nlohmann::json hints = run.value("hints", nlohmann::json::object());
    return {run["what"], run["recipe"], hints.is_object() ? hints : nlohmann::json::object()};
}

RunCurves read_run_curves(const fs::path& folder) {
    RunCurves curves;
    const fs::path path = own_file(folder, log_file);
    if (!is_there(path)) return curves;
    std::istringstream lines(read_file(path));
    for (std::string text; std::getline(lines, text);) {
        const nlohmann::json line = parse_json(text, path.string());
        const auto number = [&](const char* key) {
            return line.is_object() && line.contains(key) && line[key].is_number();
        };
        if (!number("step") || (!number("loss") && !number("evaluation")))
            throw Error(path.string(), "is damaged: a line has no step and loss");
        if (number("loss"))
            curves.losses.push_back(line["loss"].get<float>());
        else
            curves.evaluations.emplace_back(line["step"].get<std::int64_t>(),
                                            line["evaluation"].get<double>());
    }
    return curves;
}

std::string describe_run(const fs::path& folder) {
    const nlohmann::json run = read_run(folder);
    std::ostringstream text;
    text << "run of " << run["what"].get<std::string>() << "\n";
    for (const auto& [key, value] : run["recipe"].items())
        if (!value.is_array() && !value.is_object()) text << key << ": " << brief(value) << "\n";
    const fs::path checkpoint = own_file(folder, checkpoint_file);
    if (!is_there(checkpoint)) return text.str() + "not begun\n";
    const pipeline::SafetensorsFile file(checkpoint);
    const auto steps = file.metadata().find("steps");
    if (steps != file.metadata().end()) text << "steps done: " << steps->second << "\n";
    return text.str();
}

}  // namespace keepsake::editor
