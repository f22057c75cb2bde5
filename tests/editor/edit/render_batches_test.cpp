// Renders are made in batches, and nothing shows it: each picture and each file is what it is when
// it is asked for alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "editor/edit/generate_files.h"
#include "editor/edit/render.h"
#include "editor/photo/image_file.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/compute/kernels.h"
#include "pipeline/model/generate.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using namespace editor;
using at::Tensor;

const pipeline::Model& model() {
    static const pipeline::Model loaded = pipeline::load_model(flowers);
    return loaded;
}

Pixels square_of(int size) {
    Photo photo;
    photo.pixels = quarters(96, 64);
    return working_area(photo, centred_square(photo), {size, size});
}

// A fast session's kind of tuning: both embeddings and a LoRA, far enough from the model's own.
optimize::Tuning make_tuning() {
    optimize::Tuning tuning;
    tuning.target_embedding = pipeline::encode_text(model(), "a red rose");
    tuning.optimised_embedding = tuning.target_embedding.clone();
    const Tensor latents = pipeline::encode_image(model(), to_tensor(square_of(64)));
    const optimize::TuningTask task{model().unet, model().schedule, latents, 0};
    optimize::optimise_embedding(task, {.steps = 2, .learning_rate = 0.3}, tuning);
    optimize::fine_tune(task, {.steps = 2, .learning_rate = 0.01, .rank = 4}, tuning);
    return tuning;
}

const optimize::Tuning& tuning() {
    static const optimize::Tuning made = make_tuning();
    return made;
}

Recipe make_recipe(int size, const pipeline::SampleOptions& sample) {
    Recipe recipe;
    recipe.prompt = "a red rose";
    recipe.photo = "photo.png";
    recipe.crop = {16, 0, 64, 64};
    recipe.size = size;
    recipe.sample = sample;
    return recipe;
}

std::string name_of(const pipeline::SampleOptions& sample) {
    return std::string(pipeline::sampler_name(sample.sampler)) + ", guidance " +
           std::to_string(sample.guidance_scale) + ", noise share " +
           std::to_string(sample.noise_share) + ", ddim_eta " + std::to_string(sample.ddim_eta);
}

void expect_same_alone(int size, const pipeline::SampleOptions& sample, Way way = Way::line) {
    SCOPED_TRACE(name_of(sample));
    Monitor silent;
    Recipe recipe = make_recipe(size, sample);
    recipe.way = way;
    const Conditions conditions =
        encode_conditions(model(), tuning(), recipe, square_of(size), silent);
    const PictureJob job{model(), tuning(), recipe, conditions};
    const std::vector<PictureKey> keys = {{1, 0}, {1, 0.6}, {7, 0.6}};
    const std::vector<Pixels> together = render_pictures(job, keys, silent);
    ASSERT_EQ(together.size(), keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        EXPECT_EQ(together[i].rgb, render_pictures(job, {keys[i]}, silent).front().rgb) << i;
        if (i > 0) {
            EXPECT_NE(together[i].rgb, together[i - 1].rgb) << i;
        }
    }
}

class RenderBatches : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!pipeline::kernels::best_kernels()) GTEST_SKIP() << "one picture at a time here";
    }

    const TemporaryFolder folder;
};

TEST_F(RenderBatches, EachPictureIsWhatItIsAlone) {
    for (const pipeline::Sampler sampler : pipeline::all_samplers()) {
        for (const double guidance : {1.0, 4.0}) {
            for (const double share : {1.0, 0.6}) {
                // Every sampler once, one of them in every combination.
                const bool all = sampler == pipeline::Sampler::dpmpp_2m;
                if (!all && (guidance == 1 || share == 1)) continue;
                pipeline::SampleOptions sample;
                sample.sampler = sampler;
                sample.steps = 3;
                sample.guidance_scale = guidance;
                sample.negative_prompt = "a white daisy";
                sample.noise_share = share;
                expect_same_alone(64, sample);
                if (share < 1) expect_same_alone(64, sample, Way::words);
            }
        }
    }
    pipeline::SampleOptions noisy;
    noisy.sampler = pipeline::Sampler::ddim;
    noisy.steps = 4;
    noisy.ddim_eta = 0.7;
    expect_same_alone(64, noisy);
    expect_same_alone(128, noisy);
}

TEST_F(RenderBatches, AsManyAsPayAtOnce) {
    pipeline::SampleOptions guided, plain;
    plain.guidance_scale = 1;
    EXPECT_EQ(pipeline::pictures_at_once(model(), guided, 128, 128), 8u);
    EXPECT_EQ(pipeline::pictures_at_once(model(), plain, 128, 128), 16u);
    EXPECT_EQ(pipeline::pictures_at_once(model(), guided, 512, 512), 1u);
    EXPECT_EQ(pipeline::pictures_at_once(model(), plain, 1024, 512), 1u);
    pipeline::Model half = model();
    half.dtype = at::kHalf;
    EXPECT_EQ(pipeline::pictures_at_once(half, guided, 128, 128), 1u);

    // Equal ones, or nearly so, that are all of them in order.
    EXPECT_TRUE(image_batches(0, 8).empty());
    for (const std::size_t n : {1u, 8u, 9u, 17u}) {
        std::size_t next = 0;
        for (const ImageBatch& batch : image_batches(n, 8)) {
            EXPECT_EQ(batch.first, next);
            EXPECT_EQ(batch.n, n);
            EXPECT_GE(batch.count, std::min<std::size_t>(n, 4));
            EXPECT_LE(batch.count, 8u);
            next += batch.count;
        }
        EXPECT_EQ(next, n);
    }
}

// Everything that render_images needs, but for what is asked.
struct Scene {
    explicit Scene(const fs::path& file) : path(file) {
        save_photo(path, quarters(96, 64));
        photo = load_photo(path);
        sample.sampler = pipeline::Sampler::ddim;
        sample.steps = 3;
        sample.guidance_scale = 4;
        sample.ddim_eta = 0.5;
        recipe = make_recipe(128, sample);
    }
    RenderedFiles render(const std::vector<double>& etas, const std::vector<std::uint64_t>& seeds,
                         const Destination& out, Monitor& monitor) const {
        prepare_destination(out);
        return render_images({model(), tuning(), recipe, photo, square, etas, seeds, out, output},
                             monitor);
    }

    fs::path path;
    Photo photo;
    pipeline::SampleOptions sample;
    Recipe recipe;
    Pixels square = square_of(128);
    OutputRequest output;
};

TEST_F(RenderBatches, FilesAreWhatTheyAreAlone) {
    Scene scene(folder.path / "photo.png");
    // Eta 0 is asked for, is none of the etas, and is not needed at all.
    const std::vector<double> with_zero = {0.4, 0, 1}, without = {0.3, 0.6, 0.9, 1.2};
    for (const auto& [etas, full] :
         {std::pair{with_zero, true}, {without, true}, {without, false}}) {
        scene.output.full = full;
        std::set<std::string> notes;
        Monitor monitor([&](const Progress& progress) { notes.emplace(progress.note); });
        const RenderedFiles files =
            scene.render(etas, {2, 3, 5}, {folder.path / "all", false}, monitor);
        EXPECT_EQ(notes.count("render images 1-7 of 15") + notes.count("render images 1-4 of 9"),
                  1u);
        EXPECT_TRUE(fs::exists(files.sheet));
        ASSERT_EQ(files.images.size(), 3 * etas.size());
        for (std::size_t i = 0; i < files.images.size(); i += 2) {
            const RenderedImage& image = files.images[i];
            Monitor silent;
            const Destination alone{folder.path / "alone.png", true};
            scene.render({*image.eta}, {image.seed}, alone, silent);
            EXPECT_EQ(load_photo(image.file).pixels.rgb, load_photo(alone.path).pixels.rgb)
                << image.file;
            EXPECT_EQ(read_image_recipe(image.file), read_image_recipe(alone.path));
        }
    }
}

TEST_F(RenderBatches, StoppedWithinABatchItKeepsWhatWasFinished) {
    const Scene scene(folder.path / "photo.png");
    std::stop_source stop;
    std::int64_t reports = 0, last = 0;
    Monitor monitor(
        [&](const Progress& progress) {
            // Ten pictures and two eta 0: two batches of six, three steps each.
            EXPECT_EQ(progress.total, 12 * 3);
            EXPECT_GT(progress.done, last);
            last = progress.done;
            if (++reports == 4) stop.request_stop();
        },
        stop.get_token());
    const fs::path out = folder.path / "out";
    const std::vector<double> etas = {0.2, 0.4, 0.6, 0.8, 1};
    EXPECT_THROW(scene.render(etas, {1, 2}, {out, false}, monitor), Cancelled);
    EXPECT_EQ(reports, 4);  // one call of the model after the first batch
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(out)) {
        names.insert(entry.path().filename());
        EXPECT_EQ(load_photo(entry.path()).pixels.width, 96);
    }
    EXPECT_EQ(names, (std::set<std::string>{"photo-eta0.20-seed1.png", "photo-eta0.40-seed1.png",
                                            "photo-eta0.60-seed1.png", "photo-eta0.80-seed1.png",
                                            "photo-eta1.00-seed1.png"}));
}

TEST_F(RenderBatches, SeedsOfGenerate) {
    const fs::path photo = folder.path / "photo.png";
    save_photo(photo, quarters(96, 64));
    GenerateRequest request;
    request.prompt = "a red rose";
    request.model = flowers;
    request.sample.sampler = pipeline::Sampler::ddim;
    request.sample.steps = 4;
    request.sample.ddim_eta = 0.5;
    request.latents_out = folder.path / "latents.st";
    const std::vector<std::uint64_t> seeds = {4, 1, 1, 8, 3, 2, 9, 6, 5, 7};
    const auto made = [&](const std::vector<std::uint64_t>& these) {
        request.seeds = these;
        request.out = folder.path / "made.png";
        const EditResult result = generate(request, {});
        EXPECT_EQ(result.images.size(), these.size());
        std::vector<std::vector<std::uint8_t>> pictures;
        for (std::size_t i = 0; i < these.size(); ++i) {
            EXPECT_EQ(result.images[i].seed, these[i]);
            pictures.push_back(load_photo(result.images[i].file).pixels.rgb);
        }
        return std::pair{pictures,
                         pipeline::read_safetensors(*request.latents_out).at("latents").clone()};
    };
    for (const bool from_photo : {false, true}) {
        if (from_photo) request.image = photo;
        const auto [pictures, latents] = made(seeds);
        for (const std::size_t i : {0u, 2u, 5u, 9u}) {
            const auto [alone, alone_latents] = made({seeds[i]});
            EXPECT_EQ(pictures[i], alone.front()) << "seed " << seeds[i] << ", " << from_photo;
            const auto row = static_cast<std::int64_t>(i);
            EXPECT_TRUE(at::equal(latents.slice(0, row, row + 1), alone_latents));
        }
    }
}

// A file of noise: one generator for all its pictures, in batches only where none is drawn from.
TEST_F(RenderBatches, NoiseOfAFile) {
    const Tensor noise = pipeline::randn({9, 8, 16, 16}, pipeline::make_generator(4));
    GenerateRequest request;
    request.prompt = "a red rose";
    request.model = flowers;
    request.sample.sampler = pipeline::Sampler::ddim;
    request.sample.steps = 3;
    request.out = folder.path / "made.png";
    request.latents_in = folder.path / "noise.st";
    request.latents_out = folder.path / "latents.st";
    for (const double ddim_eta : {0.0, 0.5}) {
        request.sample.ddim_eta = ddim_eta;
        pipeline::write_safetensors(*request.latents_in, {{"latents", noise}});
        EXPECT_EQ(generate(request, {}).images.size(), 9u);
        const Tensor made = pipeline::read_safetensors(*request.latents_out).at("latents");

        pipeline::SampleOptions sample;
        apply(load_model_defaults(flowers).sample, sample);
        apply(request.sample, sample);
        pipeline::GenerateInput input;
        input.noise = noise;
        input.cond = pipeline::encode_text(model(), request.prompt);
        input.uncond = pipeline::encode_text(model(), sample.negative_prompt);
        input.generators = {pipeline::make_generator(0)};
        Monitor silent;
        EXPECT_TRUE(at::equal(made, pipeline::generate_latents(model(), input, sample, silent)));
    }
}

}  // namespace
}  // namespace keepsake::testing
