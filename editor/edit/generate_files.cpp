#include "editor/edit/generate_files.h"

#include <algorithm>
#include <cmath>

#include "editor/edit/clock.h"
#include "editor/edit/edit_recipe.h"
#include "editor/edit/few_step_files.h"
#include "editor/edit/generate_variants.h"
#include "editor/edit/inpaint.h"
#include "editor/edit/render.h"
#include "editor/edit/settings_from.h"
#include "editor/photo/image_file.h"
#include "editor/photo/pixel_tensors.h"
#include "editor/transfer/export_photo.h"
#include "editor/transfer/masked_part.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/model/prompt.h"
#include "pipeline/sampling/philox.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using pipeline::Model;

std::string shape_text(const Tensor& tensor) {
    std::string text = "(";
    for (const std::int64_t size : tensor.sizes()) {
        if (text.size() > 1) text += ", ";
        text += std::to_string(size);
    }
    return text + ")";
}

// (B, C, h, w) float32.
Tensor read_latents(const fs::path& path, const Model& model) {
    const pipeline::SafetensorsFile file(path);
    const Tensor latents = file.read("latents", at::kFloat);
    const std::int64_t channels = model.vae.config().latent_channels;
    if (latents.dim() != 4 || latents.size(1) != channels || latents.numel() == 0) {
        throw Error(path.string(), "its latents are " + shape_text(latents) + ", expected (B, " +
                                       std::to_string(channels) + ", h, w)");
    }
    pipeline::check_finite(latents, path.string() + ": latents");
    return latents;
}

// Everything the pictures share.
struct Scene {
    const Model& model;
    int width = 0, height = 0;
    pipeline::SampleOptions sample;
    Tensor cond, uncond;
    // In their place where the prompt is in A1111's grammar.
    std::vector<pipeline::StepCondition> cond_steps, uncond_steps;
    NoiseSource rng = NoiseSource::cpu;
    bool guided = false;  // any of the pictures, by the text
    // Of a photo over the working area: where its latents lie, and with a mask what is drawn anew.
    std::optional<pipeline::LatentDistribution> photo;
    std::optional<DrawnAnew> drawn;
    double strength = 1;
    // Of a model that edits by instruction; it has no use of `strength`.
    std::optional<pipeline::Instruction> instruction;
    PictureHashes hashes;
};

// The pictures of one sampling run: each of a seed of its own, or all of one seed with noise from a
// file.
struct Batch {
    std::vector<std::uint64_t> seeds;
    std::optional<Tensor> noise;  // (B, C, h, w)
};

// `noise` stands for that of the only seed.
Batch batch_of(const GenerateRequest& request, const std::optional<Tensor>& noise,
               const ImageBatch& images) {
    const auto begin = static_cast<std::ptrdiff_t>(images.first);
    const auto count = static_cast<std::ptrdiff_t>(images.count);
    if (noise) return {request.seeds, noise->slice(0, begin, begin + count)};
    const auto first = request.seeds.begin() + begin;
    return {{first, first + count}, std::nullopt};
}

// The random numbers are drawn in diffusers' order: the picture's latents, the noise, the sampler.
Tensor sample_batch(const Scene& scene, const Batch& batch, Monitor& monitor) {
    pipeline::GenerateInput input;
    for (const std::uint64_t seed : batch.seeds)
        input.generators.push_back(pipeline::make_generator(seed));
    if (scene.photo && !(scene.instruction && !scene.drawn))
        input.init_latents = pipeline::draw_latents(
            scene.model, *scene.photo,
            scene.drawn ? draws_of_picture(scene.model, scene.strength, input.generators)
                        : input.generators);
    std::vector<Tensor> drawn;
    for (std::size_t i = 0; i < input.generators.size() && !batch.noise; ++i) {
        drawn.push_back(
            pipeline::initial_noise(scene.model, scene.width, scene.height, input.generators[i]));
        if (scene.rng == NoiseSource::philox)
            drawn.back() = pipeline::philox_randn(drawn.back().sizes(), batch.seeds[i]);
    }
    input.noise = batch.noise ? *batch.noise : at::cat(drawn);
    if (scene.rng == NoiseSource::philox) input.philox_seeds = batch.seeds;
    // Of every network, as diffusers: the noise of later steps is drawn after it.
    if (scene.drawn) input.inpainting = inpainting_of(scene.model, *scene.drawn, input.generators);
    if (!scene.cond_steps.empty())
        input.denoiser = pipeline::scheduled_denoiser(
            scene.model.unet, scene.cond_steps, scene.uncond_steps, scene.sample.guidance_scale);
    input.instruction = scene.instruction;
    input.cond = scene.cond;
    input.uncond = scene.uncond;
    input.strength = scene.strength;
    return pipeline::generate_latents(scene.model, input, scene.sample, monitor);
}

void encode_texts(const GenerateRequest& request, Scene& scene, const EditControls& controls) {
    scene.cond_steps.clear();
    scene.uncond_steps.clear();
    warn_of_words(scene.model, words_in(scene.model, request.prompt, scene.sample.negative_prompt),
                  controls);
    if (request.syntax == pipeline::PromptSyntax::a1111) {
        // As the network is called, which is how AUTOMATIC1111 counts.
        const int steps = scene.sample.steps * pipeline::calls_per_step(scene.sample.sampler);
        scene.cond_steps = pipeline::encode_prompt(scene.model, request.prompt, steps);
        if (scene.guided)
            scene.uncond_steps =
                pipeline::encode_prompt(scene.model, scene.sample.negative_prompt, steps);
        return;
    }
    warn_if_cut(scene.model, "text", request.prompt, controls);
    warn_if_cut(scene.model, "negative text", scene.sample.negative_prompt, controls);
    scene.cond = pipeline::encode_text(scene.model, request.prompt);
    if (scene.guided)
        scene.uncond = pipeline::encode_text(scene.model, scene.sample.negative_prompt);
}

fs::path numbered(const fs::path& out, std::size_t i, std::size_t n) {
    if (n == 1) return out;
    fs::path name = out.stem();
    name += "-";
    name += std::to_string(i + 1);
    name += out.extension();
    return own_file(out.parent_path(), name);
}

// As the recipe notes it, without folders.
GenerateOverrides overrides_of(const GenerateRequest& request, const Scene& scene) {
    GenerateOverrides overrides;
    overrides.words = words_in(scene.model, request.prompt, scene.sample.negative_prompt);
    for (const pipeline::AdapterFile& lora : request.compute.adapters)
        overrides.loras.push_back(
            checked_utf8(pipeline::adapter_text({lora.path.filename(), lora.weight})));
    overrides.vae = checked_utf8(request.compute.vae.filename().string());
    overrides.clip_skip = request.compute.clip_skip;
    if (request.syntax != pipeline::PromptSyntax::plain)
        overrides.prompt_syntax = pipeline::prompt_syntax_name(request.syntax);
    if (request.rng == NoiseSource::philox) overrides.rng = "philox";
    if (request.mask) overrides.mask = checked_utf8(request.mask->filename().string());
    overrides.only_masked = request.only_masked;
    if (scene.instruction) overrides.image_guidance = scene.instruction->image_guidance;
    return overrides;
}

std::string parameters_of(const GenerateRequest& request, const Scene& scene,
                          const GenerateRender& recipe) {
    GeneratedPicture picture{recipe.seed, recipe.width, recipe.height, {}, {}, scene.hashes};
    if (scene.instruction) picture.image_guidance = scene.instruction->image_guidance;
    if (scene.photo && !scene.instruction) picture.strength = scene.strength;
    return a1111_parameters(settings_of(request, scene.model, scene.sample, picture));
}

void check_size(const GenerateRequest& request, const Tensor& noise, const Model& model) {
    const std::int64_t unit = model.vae.config().downscale();
    const std::int64_t width = noise.size(3) * unit, height = noise.size(2) * unit;
    std::string is = "are for ";
    is.append(std::to_string(width)).append("x").append(std::to_string(height)).append(" pixels");
    const std::optional<int> asked = request.height ? request.height : request.size;
    if (request.size && (*request.size != width || *asked != height)) {
        throw Error("--latents-in", is + ", --size says " + std::to_string(*request.size) + "x" +
                                        std::to_string(*asked));
    }
}

// The largest centred part of the photo of this shape.
Crop centred(const Size& shape, const Photo& photo) {
    const double scale = std::min(double(photo.pixels.width) / shape.width,
                                  double(photo.pixels.height) / shape.height);
    Crop crop;
    crop.width = std::max(1, static_cast<int>(std::lround(shape.width * scale)));
    crop.height = std::max(1, static_cast<int>(std::lround(shape.height * scale)));
    crop.x = (photo.pixels.width - crop.width) / 2;
    crop.y = (photo.pixels.height - crop.height) / 2;
    return crop;
}

// Whether any of the pictures is guided. Throws Error as check_student.
bool take_guidances(const GenerateRequest& request, const ModelDefaults& defaults,
                    const pipeline::SampleOptions& sample) {
    std::vector<double> guidances = request.guidances;
    if (guidances.empty()) guidances.push_back(sample.guidance_scale);
    pipeline::SampleOptions each = sample;
    for (const double guidance : guidances) {
        each.guidance_scale = guidance;
        check_student(defaults, each);
    }
    return std::ranges::any_of(guidances, [](double guidance) { return guidance > 1; });
}

// What of the photo the model works on, and the mask over it.
struct Area {
    Crop crop;
    EditRegion region;  // of the export
};

// shape: that of a file of noise.
Area area_of(const GenerateRequest& request, const Photo& photo, const std::optional<Size>& shape) {
    Area area;
    const Crop all{0, 0, photo.pixels.width, photo.pixels.height};
    const Crop usual = request.only_masked ? all
                       : shape             ? centred(*shape, photo)
                                           : whole_crop(photo);
    area.crop = request.crop.value_or(usual);
    if (request.crop) check_crop(photo, area.crop);
    if (!request.mask) return area;
    area.region.mask = load_mask(*request.mask, photo, area.crop);
    if (!request.only_masked) return area;
    try {
        MaskedPart part = masked_part(*area.region.mask, area.crop, *request.only_masked);
        area.crop = part.crop;
        area.region.mask = std::move(part.mask);
    } catch (const Error& error) {
        throw Error(request.mask->string(), error.what());
    }
    // The padding is there for the mask to be reached in full.
    area.region.side_fade = area.region.feather;
    return area;
}

// The photo as the model is given it. shaped: the scene's size is that of a file of noise.
Area take_photo(const GenerateRequest& request, const Photo& photo, bool shaped, Scene& scene) {
    const Model& model = scene.model;
    const Area area = area_of(
        request, photo, shaped ? std::optional<Size>({scene.width, scene.height}) : std::nullopt);
    if (!shaped) {
        const Size size = working_size(area.crop, scene.width);
        scene.width = size.width;
        scene.height = size.height;
    }
    const Tensor image = to_tensor(working_area(photo, area.crop, {scene.width, scene.height}));
    scene.photo = pipeline::picture_latents(model, image);
    if (request.mask)
        scene.drawn =
            drawn_anew(model, image, mask_over(*area.region.mask, {scene.width, scene.height}));
    const bool instructed = pipeline::takes_instructions(model);
    const bool from_noise = request.mask || instructed;
    scene.strength = request.strength.value_or(from_noise ? 1 : usual_image_strength);
    if (!instructed) return area;
    scene.instruction.emplace();
    scene.instruction->image_latents = scene.photo->mean;
    if (request.image_guidance) scene.instruction->image_guidance = *request.image_guidance;
    return area;
}

// Where the pictures come from, besides the texts.
struct PhotoSource {
    std::optional<Photo> photo;
    Area area;
    bool full = false;      // the photo itself is written, with the picture in it
    Pixels reconstruction;  // with `full`: what the model makes of the area by itself
};

struct MadePicture {
    fs::path path;
    std::uint64_t seed = 0;
    Pixels pixels;
};

void write_picture(const GenerateRequest& request, const Scene& scene, const PhotoSource& source,
                   const MadePicture& made) {
    const std::optional<Photo>& photo = source.photo;
    const GenerateRender recipe{
        .prompt = request.prompt,
        .model = reference_to(scene.model),
        .width = scene.width,
        .height = scene.height,
        .seed = made.seed,
        .image = photo ? checked_utf8(photo->path.filename().string()) : "",
        .crop = source.area.crop,
        .strength = scene.strength,
        .latents = request.latents_in ? checked_utf8(request.latents_in->filename().string()) : "",
        .sample = scene.sample,
        .overrides = overrides_of(request, scene)};
    ImageNotes notes{.recipe = to_chunk(recipe), .source = PictureSource::made_by_model};
    if (request.parameters) notes.parameters = parameters_of(request, scene, recipe);
    if (source.full)
        export_photo(made.path, *photo, {source.area.crop, source.reconstruction, made.pixels},
                     source.area.region, {.recipe = notes.recipe, .parameters = notes.parameters});
    else
        write_image(made.path, made.pixels, notes);
}

// Which of the options a model has a use of.
void check_purpose(const GenerateRequest& request, const Model& model) {
    const std::string path = model.path.string();
    if (pipeline::is_inpainting(model) && !request.mask)
        throw Error(path, "is for inpainting: it needs --image and --mask");
    if (!pipeline::takes_instructions(model)) {
        if (request.image_guidance)
            throw Error("--image-guidance",
                        "is for models that edit by instruction, which " + path + " is not");
        return;
    }
    if (!request.image) throw Error(path, "edits a photo by an instruction: it needs --image");
    if (request.strength)
        throw Error("--strength", "means nothing to " + path +
                                      ", which edits by instruction; --image-guidance says how "
                                      "closely it keeps the photo");
    if (request.syntax != pipeline::PromptSyntax::plain)
        throw Error("--prompt-syntax",
                    "a1111 is not for models that edit by instruction, as " + path + " does");
}

}  // namespace

EditResult generate(const GenerateRequest& request, const EditControls& controls) {
    EditResult result;
    const Clock::time_point begin = Clock::now();
    prepare_destination({request.out, true});
    const std::vector<GenerateRequest> variants = variants_of(request);
    const std::size_t pictures = request.seeds.size() * variants.size();
    for (std::size_t i = 0; i < pictures; ++i) check_can_write(numbered(request.out, i, pictures));
    if (request.grid) {
        prepare_destination({*request.grid, true});
        check_can_write(*request.grid);
    }
    if (request.latents_out) {
        prepare_destination({*request.latents_out, true});
        check_can_write(*request.latents_out);
    }
    PhotoSource source;
    std::optional<Photo>& photo = source.photo;
    if (request.image) photo = load_photo(*request.image);
    RenderRequest where;
    where.model = request.model;
    where.compute = request.compute;
    const Model model = load_session_model(where, nullptr);
    warn_if_left_alone(model, controls);

    check_purpose(request, model);
    Scene scene{model};
    scene.rng = request.rng;
    const ModelDefaults defaults = load_model_defaults(model.path);
    apply(defaults.sample, scene.sample);
    apply(request.sample, scene.sample);
    scene.guided = take_guidances(request, defaults, scene.sample);
    if (controls.warn)
        for (const std::string& remark : few_step_remarks(request.compute.adapters, scene.sample))
            controls.warn(remark);
    std::optional<Tensor> noise;
    scene.width = scene.height = request.size.value_or(static_cast<int>(model.native_size()));
    scene.height = request.height.value_or(scene.height);
    if (request.latents_in) {
        noise = read_latents(*request.latents_in, model);
        check_size(request, *noise, model);
        scene.width = static_cast<int>(noise->size(3) * model.vae.config().downscale());
        scene.height = static_cast<int>(noise->size(2) * model.vae.config().downscale());
    }
    result.threads = set_threads(request.compute.threads, model, scene.width);
    if (photo) {
        source.area = take_photo(request, *photo, noise.has_value(), scene);
        source.full = request.full && (scene.drawn || scene.instruction);
        if (source.full)
            source.reconstruction = to_pixels(
                pipeline::decode_latents(model, pipeline::draw_latents(model, *scene.photo)));
    }
    const std::size_t images =
        noise ? static_cast<std::size_t>(noise->size(0)) : request.seeds.size();
    result.seconds.load = seconds_since(begin);

    if (request.parameters) scene.hashes = hashes_of(model, request.compute);
    const Clock::time_point rendering = Clock::now();
    std::vector<Tensor> final_latents;
    std::vector<Pixels> of_grid;
    Monitor silent;
    Monitor& monitor = controls.monitor ? *controls.monitor : silent;
    for (const GenerateRequest& variant : variants) {
        if (!variant.guidances.empty()) scene.sample.guidance_scale = variant.guidances[0];
        if (&variant == &variants.front() || variant.prompt != (&variant - 1)->prompt)
            encode_texts(variant, scene, controls);
        std::size_t most =
            pipeline::pictures_at_once(model, scene.sample, scene.width, scene.height);
        // The pictures of a file of noise draw what more they need from one generator, by turns.
        const pipeline::SampleOptions& sample = scene.sample;
        if (noise && pipeline::draws_noise(sample.sampler, sample.ddim_eta, sample.tcd_eta))
            most = images;
        for (const ImageBatch& of_images : image_batches(images, most)) {
            const Batch batch = batch_of(request, noise, of_images);
            Monitor part =
                part_of(monitor, {result.images.size(), of_images.count, images * variants.size()});
            final_latents.push_back(sample_batch(scene, batch, part).to(at::kCPU));
            for (const Tensor& image :
                 pipeline::decode_latents(model, final_latents.back()).split(1)) {
                const std::size_t i = result.images.size();
                const std::uint64_t seed = noise ? request.seeds[0] : request.seeds[i % images];
                const fs::path path = numbered(request.out, i, images * variants.size());
                const Pixels pixels = to_pixels(image);
                write_picture(variant, scene, source, {path, seed, pixels});
                result.images.push_back({path, std::nullopt, seed});
                if (request.grid) of_grid.push_back(pixels);
            }
        }
    }
    if (request.grid) {
        write_image(*request.grid, draw_grid(grid_of(request, variants, scene.sample, of_grid)),
                    {.source = PictureSource::made_by_model});
        result.sheet = *request.grid;
    }
    if (request.latents_out) {
        pipeline::write_safetensors(*request.latents_out, {{"latents", at::cat(final_latents)}});
    }
    result.seconds.render = seconds_since(rendering);
    return result;
}

}  // namespace keepsake::editor
