#include "editor/edit/settings_from.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "editor/photo/image_file.h"
#include "editor/photo/picture_settings.h"
#include "editor/session/file_hashes.h"
#include "editor/session/files_root.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/sampling/sampler_names.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;

constexpr const char* word_setting = "--embedding";  // that it was made with
constexpr const char* lora_setting = "lora";
constexpr const char* lora_hashes = "Lora hashes";  // of those that the prompt calls by name

// A recipe's field, or null; it may be a stranger's.
const json& field(const json& object, const char* name) {
    static const json none;
    const auto found = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && found != object.end() ? *found : none;
}

std::string text_of(const json& value) {
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<double> number_of(const json& value) {
    return value.is_number() ? std::optional(value.get<double>()) : std::nullopt;
}

std::optional<int> whole_of(const json& value) {
    constexpr std::int64_t most = 1 << 20;
    const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= 1 &&
                      value.get<std::int64_t>() <= most;
    return fits ? std::optional(value.get<int>()) : std::nullopt;
}

GenerationSettings settings_in_recipe(const json& recipe) {
    GenerationSettings settings{.written_by = "Keepsake"};
    const json& sample = field(recipe, "sample");
    settings.prompt = text_of(field(recipe, "prompt"));
    settings.negative_prompt = text_of(field(sample, "negative_prompt"));
    settings.sampler = text_of(field(sample, "sampler"));
    settings.schedule = text_of(field(sample, "schedule"));
    settings.steps = whole_of(field(sample, "steps"));
    settings.cfg_scale = number_of(field(sample, "guidance_scale"));
    settings.width = whole_of(field(recipe, "width"));
    settings.height = whole_of(field(recipe, "height"));
    const json& seed = field(recipe, "seed");
    if (seed.is_number_unsigned()) settings.seed = seed.get<std::uint64_t>();
    settings.model = text_of(field(field(recipe, "model"), "path"));
    const std::string image = text_of(field(recipe, "image"));
    if (!image.empty()) {
        settings.denoising_strength = number_of(field(recipe, "strength"));
        settings.others.emplace_back("image", image);
    }
    if (const json& words = field(recipe, "words"); words.is_array())
        for (const json& word : words)
            settings.others.emplace_back(word_setting,
                                         text_of(field(word, "name")) + " (fingerprint " +
                                             text_of(field(word, "fingerprint")) + ")");
    settings.vae = text_of(field(recipe, "vae"));
    settings.clip_skip = whole_of(field(recipe, "clip_skip"));
    settings.prompt_syntax = text_of(field(recipe, "prompt_syntax"));
    settings.rng = text_of(field(recipe, "rng")) == "philox" ? "NV" : "CPU";
    if (const json& loras = field(recipe, "loras"); loras.is_array())
        for (const json& lora : loras) settings.others.emplace_back(lora_setting, text_of(lora));
    for (const char* of_image : {"mask", "only_masked", "image_guidance"})
        if (const json& value = field(recipe, of_image); !value.is_null())
            settings.others.emplace_back(of_image,
                                         value.is_string() ? text_of(value) : value.dump());
    settings.spacing = text_of(field(sample, "spacing"));
    settings.ddim_eta = number_of(field(sample, "ddim_eta"));
    settings.tcd_eta = number_of(field(sample, "tcd_eta"));
    settings.noise_share = number_of(field(sample, "noise_share"));
    return settings;
}

// Of an edit's render: {"eta", "seed", "output", "recipe"}.
GenerationSettings settings_in_edit(const json& edit) {
    const json& recipe = field(edit, "recipe");
    GenerationSettings settings = settings_in_recipe(recipe);
    settings.seed.reset();  // the recipe's is of the tuning
    const json& seed = field(edit, "seed");
    if (seed.is_number_unsigned()) settings.seed = seed.get<std::uint64_t>();
    const json& changes = field(recipe, "model_changes");
    if (const json& loras = field(changes, "loras"); loras.is_array())
        for (const json& lora : loras)
            if (!text_of(field(lora, "path")).empty())
                settings.others.emplace_back(
                    lora_setting, pipeline::adapter_text(
                                      {std::filesystem::path(text_of(field(lora, "path"))).stem(),
                                       number_of(field(lora, "weight")).value_or(1)}));
    settings.vae = text_of(field(field(changes, "vae"), "path"));
    settings.clip_skip = whole_of(field(changes, "clip_skip"));
    if (const auto eta = number_of(field(edit, "eta")))
        settings.others.emplace_back("strength", number_text(*eta));
    return settings;
}

// Keepsake's own; null where the picture carries none.
json recipe_in(const std::filesystem::path& path) {
    const std::optional<std::string> chunk = read_image_recipe(path);
    if (!chunk) return {};
    return parse_json(*chunk, path.string() + ": its recipe", {.size = 1 << 20, .depth = 16});
}

bool is_size(int side) {
    return side >= 64 && side <= 2048 && side % 8 == 0;
}

// Only where its sampler can be laid out so; what cannot is noted by its name.
void take_schedule(const std::optional<pipeline::NoiseSchedule>& schedule, const std::string& name,
                   SampleOverrides& sample, std::vector<std::string>& left) {
    if (sample.schedule) return;
    if (schedule && (!sample.sampler || pipeline::fits(*schedule, *sample.sampler)))
        sample.schedule = schedule;
    else
        left.push_back("schedule " + name);
}

void apply_schedule(const GenerationSettings& settings, SampleOverrides& sample,
                    std::vector<std::string>& left) {
    const std::string& name = settings.schedule;
    if (name.empty() || name == "Automatic") return;
    take_schedule(pipeline::schedule_by_any_name(name), name, sample, left);
}

// What only Keepsake's own recipes say.
void apply_own(const GenerationSettings& settings, SampleOverrides& sample,
               std::vector<std::string>& left) {
    const auto take_share = [&](const char* name, const std::optional<double>& said,
                                std::optional<double>& share) {
        if (share || !said) return;
        if (*said >= 0 && *said <= 1)
            share = said;
        else
            left.push_back(name);
    };
    take_share("DDIM noise", settings.ddim_eta, sample.ddim_eta);
    take_share("TCD noise", settings.tcd_eta, sample.tcd_eta);
    if (sample.spacing || settings.spacing.empty()) return;
    using pipeline::TimestepSpacing;
    for (const auto spacing :
         {TimestepSpacing::leading, TimestepSpacing::linspace, TimestepSpacing::trailing})
        if (settings.spacing == pipeline::spacing_name(spacing)) sample.spacing = spacing;
    if (!sample.spacing) left.push_back("spacing " + settings.spacing);
}

// Fills the sampling; what does not fit is noted.
void apply_sampling(const GenerationSettings& settings, SampleOverrides& sample,
                    std::vector<std::string>& left) {
    constexpr int most_steps = 1000;
    if (!sample.negative_prompt) sample.negative_prompt = settings.negative_prompt;
    if (!sample.steps && settings.steps) {
        if (*settings.steps >= 1 && *settings.steps <= most_steps)
            sample.steps = settings.steps;
        else
            left.push_back("steps " + std::to_string(*settings.steps));
    }
    if (!sample.guidance_scale && settings.cfg_scale) {
        if (std::isfinite(*settings.cfg_scale) && *settings.cfg_scale >= 0)
            sample.guidance_scale = settings.cfg_scale;
        else
            left.push_back("CFG scale");
    }
    if (!sample.sampler && !settings.sampler.empty()) {
        sample.sampler = pipeline::sampler_by_any_name(settings.sampler);
        if (!sample.sampler) left.push_back("sampler " + settings.sampler);
        if (const auto schedule = pipeline::schedule_in_name(settings.sampler))
            take_schedule(schedule, std::string(pipeline::schedule_name(*schedule)), sample, left);
    }
    apply_schedule(settings, sample, left);
    apply_own(settings, sample, left);
}

// VAE, clip skip, noise and grammar, as the program that wrote the settings understands them.
void apply_overrides(const GenerationSettings& settings, GenerateRequest& request,
                     std::vector<std::string>& left) {
    if (!settings.vae.empty() && request.compute.vae.empty()) {
        if (const auto vae = find_in_root(FileKind::vae, settings.vae))
            request.compute.vae = *vae;
        else
            left.push_back("VAE " + settings.vae);
    }
    constexpr int most_layers = 24;
    const int clip_skip = settings.clip_skip.value_or(1);
    if (clip_skip >= 1 && clip_skip <= most_layers) {
        if (request.compute.clip_skip == 0 && clip_skip > 1) request.compute.clip_skip = clip_skip;
    } else {
        left.push_back("clip skip " + std::to_string(clip_skip));
    }
    if (settings.written_by == "AUTOMATIC1111") {
        request.syntax = pipeline::PromptSyntax::a1111;
        // Where nothing is said the noise is a graphics card's.
        if (settings.rng != "CPU") request.rng = NoiseSource::philox;
    } else if (settings.written_by == "Keepsake") {
        if (settings.prompt_syntax == "a1111") request.syntax = pipeline::PromptSyntax::a1111;
        if (settings.rng == "NV") request.rng = NoiseSource::philox;
    }
}

// "roses:0.8", found by its name; false where it is not. One that the prompt itself calls is read
// with the prompt.
bool take_lora(const std::string& text, GenerateRequest& request) {
    pipeline::AdapterFile adapter = pipeline::parse_adapter(text);
    const std::string name = checked_utf8(adapter.path.stem().string());
    if (request.syntax == pipeline::PromptSyntax::a1111 &&
        request.prompt.find("<lora:" + name) != std::string::npos)
        return true;
    const auto file = find_in_root(FileKind::lora, adapter.path.string());
    if (!file) return false;
    adapter.path = *file;
    request.compute.adapters.push_back(std::move(adapter));
    return true;
}

std::string stem_of(const std::filesystem::path& path) {
    const std::filesystem::path whole = path.lexically_normal();
    return checked_utf8(
        (whole.has_filename() ? whole.stem() : whole.parent_path().filename()).string());
}

}  // namespace

GenerationSettings settings_of_picture(const std::filesystem::path& path) {
    const json recipe = recipe_in(path);
    if (recipe.is_object() && recipe.contains("generate"))
        return settings_in_recipe(recipe["generate"]);
    if (recipe.is_object() && recipe.contains("edit"))
        throw Error(path.string(),
                    "is an edit of a photo: keepsake edit makes it again, from that photo");
    if (auto settings = read_picture_settings(path)) return *settings;
    throw Error(path.string(),
                "carries no settings of Keepsake, AUTOMATIC1111, ComfyUI or "
                "InvokeAI");
}

std::optional<GenerationSettings> carried_settings(const std::filesystem::path& path) {
    const json recipe = recipe_in(path);
    if (recipe.is_object() && recipe.contains("generate"))
        return settings_in_recipe(recipe["generate"]);
    if (recipe.is_object() && recipe.contains("edit")) return settings_in_edit(recipe["edit"]);
    return read_picture_settings(path);
}

std::vector<std::string> apply_settings(const GenerationSettings& settings,
                                        GenerateRequest& request) {
    std::vector<std::string> left;
    if (request.prompt.empty()) request.prompt = settings.prompt;
    if (request.seeds.empty()) request.seeds = {settings.seed.value_or(0)};
    apply_sampling(settings, request.sample, left);
    // A photo or a file of noise has a shape already.
    const bool shaped = request.image || request.latents_in;
    if (!request.size && settings.width && settings.height) {
        if (shaped && *settings.width != *settings.height) {
            left.push_back("size " + std::to_string(*settings.width) + "x" +
                           std::to_string(*settings.height));
        } else if (is_size(*settings.width) && is_size(*settings.height)) {
            request.size = settings.width;
            if (!shaped) request.height = settings.height;
        } else {
            left.push_back("size " + std::to_string(*settings.width) + "x" +
                           std::to_string(*settings.height));
        }
    }
    apply_overrides(settings, request, left);
    if (settings.denoising_strength) left.push_back("image to image");
    const bool loras_given = !request.compute.adapters.empty();
    for (const auto& [key, value] : settings.others) {
        if (key == lora_hashes) continue;
        if (key == word_setting && !request.compute.words.empty()) continue;
        if (key == lora_setting && (loras_given || take_lora(value, request))) continue;
        left.push_back(key + " " + value);
    }
    return left;
}

PictureHashes hashes_of(const pipeline::Model& model, const Compute& compute) {
    constexpr std::size_t of_model = 10, of_lora = 12;  // digits, as AUTOMATIC1111 writes them
    PictureHashes hashes;
    hashes.model = file_hash(model.path).substr(0, of_model);
    if (!compute.vae.empty()) hashes.vae = file_hash(compute.vae).substr(0, of_model);
    for (const pipeline::AdapterFile& lora : compute.adapters) {
        const std::string hash = file_hash(lora.path, Hashed::tensors);
        if (hash.empty()) continue;
        hashes.loras += (hashes.loras.empty() ? "" : ", ") + stem_of(lora.path) + ": " +
                        hash.substr(0, of_lora);
    }
    return hashes;
}

GenerationSettings settings_of(const GenerateRequest& request, const pipeline::Model& model,
                               const pipeline::SampleOptions& sample,
                               const GeneratedPicture& picture) {
    GenerationSettings settings{.written_by = "Keepsake"};
    const bool plain = request.syntax == pipeline::PromptSyntax::plain;
    const auto as_theirs = [&](const std::string& text) {
        return plain ? pipeline::escaped_prompt(text) : text;
    };
    settings.prompt = as_theirs(request.prompt);
    settings.negative_prompt =
        sample.guidance_scale > 1 ? as_theirs(sample.negative_prompt) : std::string();
    settings.steps = sample.steps;
    settings.sampler = pipeline::a1111_sampler_name(sample.sampler);
    if (settings.sampler.empty()) settings.sampler = pipeline::sampler_name(sample.sampler);
    if (sample.schedule) settings.schedule = pipeline::a1111_schedule_name(*sample.schedule);
    settings.cfg_scale = sample.guidance_scale;
    settings.seed = picture.seed;
    settings.width = picture.width;
    settings.height = picture.height;
    settings.model = stem_of(model.path);
    settings.model_hash = picture.hashes.model;
    settings.vae_hash = picture.hashes.vae;
    settings.denoising_strength = picture.strength;
    settings.rng = request.rng == NoiseSource::philox ? "NV" : "CPU";
    if (request.compute.clip_skip > 1) settings.clip_skip = request.compute.clip_skip;
    if (!request.compute.vae.empty()) settings.vae = request.compute.vae.filename().string();
    // That it is noted in the prompt is how other programs find it again.
    for (const pipeline::AdapterFile& lora : request.compute.adapters) {
        const std::string name = pipeline::adapter_text({lora.path.stem(), lora.weight});
        if (settings.prompt.find("<lora:" + stem_of(lora.path) + ":") == std::string::npos)
            settings.prompt += " <lora:" + checked_utf8(name) + ">";
    }
    if (picture.image_guidance)
        settings.others.emplace_back("Image CFG scale", number_text(*picture.image_guidance));
    if (request.only_masked) {
        settings.others.emplace_back("Inpaint area", "Only masked");
        settings.others.emplace_back("Masked area padding", std::to_string(*request.only_masked));
    }
    if (!picture.hashes.loras.empty())
        settings.others.emplace_back(lora_hashes, picture.hashes.loras);
    settings.version = "Keepsake " KEEPSAKE_VERSION;
    return settings;
}

}  // namespace keepsake::editor
