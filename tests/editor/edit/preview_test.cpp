// Previews in few steps, and the live pictures of the slider.
#include "editor/edit/preview.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "editor/workbench/document.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST(PreviewSampling, FewStepsFromTheLastTimestepWhereThereAreMore) {
    pipeline::SampleOptions sample;
    sample.steps = 20;
    sample.sampler = pipeline::Sampler::euler;
    sample.schedule = pipeline::NoiseSchedule::karras;
    sample.guidance_scale = 3;
    sample.noise_share = 0.5;
    const pipeline::SampleOptions preview = editor::preview_sampling(sample, {});
    EXPECT_EQ(preview.sampler, pipeline::Sampler::unipc);
    EXPECT_EQ(preview.steps, editor::preview_steps);
    EXPECT_EQ(preview.spacing, pipeline::TimestepSpacing::trailing);
    EXPECT_FALSE(preview.schedule);
    EXPECT_EQ(preview.guidance_scale, 3);
    EXPECT_EQ(preview.noise_share, 0.5);
    EXPECT_EQ(preview.inversion_steps, editor::preview_inversion_steps);

    sample.steps = editor::preview_steps;
    EXPECT_EQ(editor::preview_sampling(sample, {}).sampler, pipeline::Sampler::euler);
    sample.steps = 20;
    editor::ModelDefaults student;
    student.student.steps = 8;
    EXPECT_EQ(editor::preview_sampling(sample, student).steps, 20);
}

class Preview : public ::testing::Test {
  protected:
    Preview() {
        save_photo(photo, quarters(96, 64));
        run({"edit", photo.string(), "a red rose", "--size", "64", "--embedding-steps", "2",
             "--finetune-steps", "2", "--steps", "12", "--eta", "0", "--out", path("first"),
             "--quiet"});
    }
    std::string path(const char* name) { return (folder.path / name).string(); }
    ProgramRun run(const std::vector<std::string>& arguments) {
        const ProgramRun ran = run_program(arguments);
        EXPECT_EQ(ran.status, 0) << ran.err;
        return ran;
    }
    // Of one picture: the JSON line, and the recipe that the file carries.
    std::pair<json, json> rendered(const std::vector<std::string>& more) {
        const Arguments arguments =
            joined({"render", path("my photo.keepsake"), "--json", "--quiet"}, more);
        const json line = json::parse(run(arguments).out);
        const auto recipe = editor::read_image_recipe(line["file"].get<std::string>());
        return {line, json::parse(recipe.value())["edit"]};
    }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "my photo.png";
};

double difference(const fs::path& a, const fs::path& b) {
    const auto one = editor::load_photo(a).pixels.rgb, other = editor::load_photo(b).pixels.rgb;
    EXPECT_EQ(one.size(), other.size());
    double sum = 0;
    for (std::size_t i = 0; i < one.size(); ++i) sum += std::abs(int(one[i]) - int(other[i]));
    return sum / static_cast<double>(one.size());
}

TEST_F(Preview, IsNearTheWholeRenderAndItsRecipeSaysWhatItIs) {
    const auto [line, recipe] = rendered({"--preview", "--out", path("quick.png")});
    EXPECT_EQ(line["eta"], 0.6);
    EXPECT_FALSE(line.contains("chosen"));
    EXPECT_EQ(recipe["preview"], true);
    const json& sample = recipe["recipe"]["sample"];
    EXPECT_EQ(sample["sampler"], "unipc");
    EXPECT_EQ(sample["steps"], editor::preview_steps);
    EXPECT_EQ(sample["spacing"], "trailing");

    const auto [whole, whole_recipe] = rendered({"--eta", "0.6", "--out", path("whole.png")});
    EXPECT_FALSE(whole_recipe.contains("preview"));
    EXPECT_EQ(whole_recipe["recipe"]["sample"]["steps"], 12);
    rendered({"--eta", "0", "--out", path("photo.png")});
    // The edit is there, and more like the whole render than like none.
    const double edited = difference(path("photo.png"), path("whole.png"));
    EXPECT_GT(edited, 0.2);
    EXPECT_LT(difference(path("quick.png"), path("whole.png")), edited / 2);
}

TEST_F(Preview, EtaZeroIsThePhotoAndOptionsCount) {
    const auto [line, recipe] =
        rendered({"--preview", "--eta", "0", "--steps", "3", "--out", path("zero.png")});
    EXPECT_EQ(recipe["recipe"]["sample"]["steps"], 3);
    EXPECT_EQ(difference(path("zero.png"), photo), 0);
    // Of a folder the usual strengths, without one that is chosen.
    const ProgramRun folder_run = run({"render", path("my photo.keepsake"), "--preview", "--json",
                                       "--quiet", "--out", path("several")});
    std::istringstream lines(folder_run.out);
    int count = 0;
    for (std::string text; std::getline(lines, text); ++count)
        EXPECT_FALSE(json::parse(text).contains("chosen"));
    EXPECT_EQ(count, 5);
}

editor::Picture grey(std::uint8_t value) {
    return std::make_shared<const editor::Pixels>(editor::Pixels{1, 1, {value, value, value}});
}

TEST(LiveMix, TheNeighboursOfAStrength) {
    editor::Document document;
    EXPECT_FALSE(editor::live_mix(document, 0.5));
    const auto add = [&](std::vector<editor::Render>& renders, double eta, std::uint8_t value) {
        renders.push_back({eta, 0, grey(value), nullptr});
        document.live.push_back({renders.back().square, grey(value)});
    };
    add(document.previews, 0, 1);
    add(document.previews, 1.2, 2);
    add(document.renders, 0, 10);
    add(document.renders, 0.4, 14);
    document.renders.push_back({0.5, 0, grey(15), nullptr});  // not laid onto the photo yet
    add(document.renders, 0.6, 16);

    const auto between = editor::live_mix(document, 0.45);
    ASSERT_TRUE(between);
    EXPECT_EQ(between->low_eta, 0.4);
    EXPECT_EQ(between->high_eta, 0.6);
    EXPECT_NEAR(between->share, 0.25, 1e-12);
    EXPECT_EQ(between->low->rgb[0], 14);
    EXPECT_EQ(between->high->rgb[0], 16);
    const auto exact = editor::live_mix(document, 0.4);
    ASSERT_TRUE(exact);
    EXPECT_EQ(exact->share, 0);
    EXPECT_EQ(exact->low->rgb[0], 14);
    // Beyond what is rendered: the previews.
    const auto beyond = editor::live_mix(document, 0.9);
    ASSERT_TRUE(beyond);
    EXPECT_EQ(beyond->low->rgb[0], 1);
    EXPECT_EQ(beyond->high->rgb[0], 2);
    EXPECT_FALSE(editor::live_mix(document, 1.3));
}

}  // namespace
}  // namespace keepsake::testing
