#include "editor/edit/distil_files.h"

#include <map>
#include <nlohmann/json.hpp>

#include "editor/edit/learn_files.h"
#include "editor/edit/model_folder.h"
#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Of a file that copy_model_folder() has copied; nothing is lost of what is not changed.
json copied_json(const fs::path& path) {
    json content = read_json_file(path);
    if (!content.is_object()) throw Error(path.string(), "is no JSON object");
    return content;
}

void write_json(const fs::path& path, const json& content) {
    write_file_atomically(path, content.dump(2, ' ', true, json::error_handler_t::replace) + "\n");
}

const char* scheduler_class(DistilKind kind) {
    return kind == DistilKind::consistency ? "LCMScheduler" : "DDIMScheduler";
}

// The grid that the student was made for. A student that is only told its guidance samples as its
// teacher does.
void write_scheduler(const fs::path& to, const DistilPlan& plan) {
    const DistilKind kind = plan.request.kind;
    const fs::path index = own_file(to, "model_index.json");
    json model = copied_json(index);
    // What other pipelines of diffusers' are made for.
    model["requires_safety_checker"] = false;
    if (kind != DistilKind::guidance)
        model["scheduler"] = json::array({"diffusers", scheduler_class(kind)});
    write_json(index, model);
    const fs::path path = own_file(own_folder(to, "scheduler"), "scheduler_config.json");
    json config = copied_json(path);
    config["prediction_type"] =
        pipeline::prediction_name(plan.model.schedule.config.prediction_type);
    if (kind != DistilKind::guidance) {
        config["_class_name"] = scheduler_class(kind);
        config["clip_sample"] = false;
        config["set_alpha_to_one"] = true;
        config["timestep_spacing"] = kind == DistilKind::steps ? "trailing" : "leading";
        config.erase("skip_prk_steps");
    }
    write_json(path, config);
}

void write_unet_config(const fs::path& to, const pipeline::UNet& student) {
    if (!student.takes_guidance()) return;
    const fs::path path = own_file(own_folder(to, "unet"), "config.json");
    json config = copied_json(path);
    config["time_cond_proj_dim"] = student.config().time_cond_proj_dim;
    write_json(path, config);
}

void write_defaults(const fs::path& to, const DistilPlan& plan) {
    const fs::path path = own_file(to, "keepsake.json");
    json content = is_there(path) ? copied_json(path) : json::object();
    const std::size_t last = plan.stages.size() - 1;
    const pipeline::SampleOptions sample = plan.sample(last);
    json own = {{"sampler", pipeline::sampler_name(sample.sampler)},
                {"steps", sample.steps},
                {"guidance_scale", sample.guidance_scale}};
    if (sample.spacing) own["spacing"] = pipeline::spacing_name(*sample.spacing);
    content["sample"] = own;
    json student;
    if (plan.request.kind == DistilKind::steps) student["steps"] = plan.stages[last];
    // What is in it for good wants no more of it.
    student["guidance"] =
        plan.told ? json::array({plan.guidance.low, plan.guidance.high}) : json::array({0, 1});
    content["student"] = student;
    write_json(path, content);
}

}  // namespace

fs::path write_student(const fs::path& folder, const DistilPlan& plan,
                       const pipeline::UNet& student, const pipeline::TensorMap& weights) {
    const fs::path to = own_folder(folder, plan.request.name);
    copy_model_folder(plan.model.path, to, false);
    write_scheduler(to, plan);
    write_unet_config(to, student);
    write_defaults(to, plan);
    write_unet_weights(to, weights,
                       plan.request.precision.value_or(stored_unet_dtype(plan.model.path)));
    return to;
}

fs::path write_student_lora(const fs::path& folder, const DistilPlan& plan,
                            const pipeline::LoraSet& loras) {
    const DistilRequest& request = plan.request;
    const optimize::StageOptions& stage = request.stage;
    const std::string size = std::to_string(plan.size.side), rank = std::to_string(stage.rank);
    std::map<std::string, std::string> metadata = {
        {"ss_output_name", request.name},
        {"ss_sd_model_name", checked_utf8(plan.model.path.filename().string())},
        {"ss_learning_rate", number_text(stage.learning_rate)},
        {"ss_unet_lr", number_text(stage.learning_rate)},
        {"ss_steps", std::to_string(stage.steps)},
        {"ss_max_train_steps", std::to_string(stage.steps)},
        {"ss_optimizer", "Adam"},
        {"ss_batch_size_per_device", std::to_string(stage.batch_size)},
        {"ss_resolution", "(" + size + ", " + size + ")"},
        {"ss_seed", std::to_string(request.seed)},
        {"ss_network_args",
         nlohmann::ordered_json({{"conv_dim", rank}, {"conv_alpha", rank}}).dump()},
        {"ss_training_comment",
         "keepsake distil consistency: for LCM's sampler, 2 to 8 steps, "
         "guidance 1 (it was taught " +
             number_text(plan.guidance.low) + " to " + number_text(plan.guidance.high) + ")"},
        {"keepsake_sampler", "lcm"},  // few_step_files.h
        {"keepsake_model_fingerprint", plan.model.fingerprint},
        {"modelspec.sai_model_spec", "1.0.1"},
        {"modelspec.implementation", "keepsake"},
        {"modelspec.title", request.name},
        {"modelspec.resolution", size + "x" + size}};
    const pipeline::PredictionType prediction = plan.model.schedule.config.prediction_type;
    if (prediction != pipeline::PredictionType::sample)
        metadata["modelspec.prediction_type"] =
            prediction == pipeline::PredictionType::epsilon ? "epsilon" : "v";
    if (const ModelFamily family = family_of(plan.model); !family.base.empty()) {
        metadata["ss_v2"] = family.base == "sd_v1" ? "False" : "True";
        metadata["ss_base_model_version"] = family.base;
        metadata["modelspec.architecture"] = family.architecture;
    }
    const fs::path path = own_file(folder, request.name + ".safetensors");
    pipeline::save_loras(path, loras, metadata);
    return path;
}

}  // namespace keepsake::editor
