#include "editor/edit/train_run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string>

#include "pipeline/error.h"

namespace keepsake::editor {

void restore(const RunFolder& folder, const TrainingPlace& place) {
    const std::optional<RunState> saved = load_run(folder);
    if (!saved) return;
    at::Device device = at::kCPU;
    for (const auto& [name, tensor] : place.learns) {
        const auto found = saved->learns.find(name);
        if (found == saved->learns.end() || found->second.sizes() != tensor.sizes())
            throw Error((folder.folder / "checkpoint.safetensors").string(),
                        "does not hold " + name + "; give --restart");
        tensor.copy_(found->second);
        device = tensor.device();
    }
    place.steps = saved->steps;
    place.losses = saved->losses;
    for (const auto& [name, tensor] : saved->optimiser) place.optimiser[name] = tensor.to(device);
    for (const auto& [name, tensor] : saved->averages) place.averages[name] = tensor.to(device);
}

void RunSaver::save() {
    if (!writes_) return;
    const Clock::time_point begin = Clock::now();
    RunState state;
    state.steps = place_.steps;
    state.learns = place_.learns;
    state.optimiser = place_.optimiser;
    state.averages = place_.averages;
    state.losses = place_.losses;
    save_run(folder_, state);
    write_run_log(folder_, state, rate_);
    saved_ = Clock::now();
    cost_ = seconds_since(begin);
}

void RunSaver::save_if_due() {
    if (seconds_since(saved_) >= std::max(every_seconds_, 4 * cost_)) save();
}

}  // namespace keepsake::editor
