// generate --recipe-from and info, of pictures that other programs made.
#include <gtest/gtest.h>

#include "editor/photo/image_file.h"
#include "editor/photo/picture_settings.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

using editor::GenerationSettings;

class RecipeFrom : public ::testing::Test {
  protected:
    ProgramRun generate(std::vector<std::string> more) const {
        return run_program(joined({"generate", "--quiet"}, more), {.folder = folder.path});
    }
    const TemporaryFolder folder;
};

// What we write we read: the second picture is the first one, from the text alone.
TEST_F(RecipeFrom, OurOwnPicturesTwice) {
    const ProgramRun first =
        generate({"a red rose", "--steps", "2", "--sampler", "dpmpp_2m", "--size", "64x96",
                  "--seed", "9", "--guidance", "3", "--negative", "blur", "--out", "a.png"});
    ASSERT_EQ(first.status, 0) << first.err;
    ASSERT_EQ(generate({"--recipe-from", "a.png", "--out", "b.png"}).status, 0);
    EXPECT_EQ(pixel_hash(folder.path / "a.png"), pixel_hash(folder.path / "b.png"));
    EXPECT_EQ(identified(folder.path / "b.png", "%wx%h"), "64x96");
    // By the text that web interfaces read, too.
    const auto settings = editor::read_picture_settings(folder.path / "a.png");
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->prompt, "a red rose");
    EXPECT_EQ(settings->negative_prompt, "blur");
    EXPECT_EQ(settings->sampler, "DPM++ 2M");
    EXPECT_EQ(settings->seed, 9u);
    EXPECT_EQ(settings->model, "flowers");
    editor::write_image(folder.path / "theirs.png", quarters(64, 64),
                        {.parameters = editor::a1111_parameters(*settings)});
    ASSERT_EQ(generate({"--recipe-from", "theirs.png", "--out", "c.png"}).status, 0);
    EXPECT_EQ(pixel_hash(folder.path / "a.png"), pixel_hash(folder.path / "c.png"));
    // An option that is given holds.
    ASSERT_EQ(generate({"--recipe-from", "a.png", "--seed", "10", "--out", "d.png"}).status, 0);
    EXPECT_NE(pixel_hash(folder.path / "a.png"), pixel_hash(folder.path / "d.png"));
    ASSERT_EQ(generate({"a red rose", "--steps", "1", "--size", "64", "--no-parameters", "--out",
                        "e.png"})
                  .status,
              0);
    EXPECT_FALSE(editor::read_picture_settings(folder.path / "e.png"));
}

TEST_F(RecipeFrom, WhatHasNoCounterpartIsTold) {
    editor::write_image(folder.path / "theirs.jpg", quarters(64, 64),
                        {.parameters = "a red rose\nSteps: 1, Sampler: DPM adaptive, CFG scale: 1, "
                                       "Seed: 3, Size: 64x64, Hires upscale: 2"});
    const ProgramRun run = generate({"--recipe-from", "theirs.jpg", "--out", "a.png"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.err.find("sampler DPM adaptive"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("Hires upscale 2"), std::string::npos) << run.err;
    const ProgramRun info = run_program({"info", folder.path / "theirs.jpg"});
    EXPECT_NE(info.out.find("made by AUTOMATIC1111 with\nprompt: a red rose\nSteps: 1\n"),
              std::string::npos)
        << info.out;
}

// The photo says what shape the picture has, the settings what else.
TEST_F(RecipeFrom, WithAPhoto) {
    editor::write_image(folder.path / "theirs.png", quarters(64, 96),
                        {.parameters = "a red rose\nSteps: 2, Sampler: DDIM, CFG scale: 1, "
                                       "Seed: 3, Size: 64x96"});
    editor::write_image(folder.path / "photo.png", quarters(128, 64));
    const ProgramRun run = generate(
        {"--recipe-from", "theirs.png", "--image", "photo.png", "--size", "64", "--out", "a.png"});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(identified(folder.path / "a.png", "%wx%h"), "96x48");
    const ProgramRun other =
        generate({"--recipe-from", "theirs.png", "--image", "photo.png", "--out", "b.png"});
    ASSERT_EQ(other.status, 0) << other.err;
    EXPECT_NE(other.err.find("size 64x96"), std::string::npos) << other.err;
    const ProgramRun two = generate({"x", "--image", "photo.png", "--size", "64x96"});
    EXPECT_EQ(two.status, 2);
    EXPECT_NE(two.err.find("one number with --image"), std::string::npos) << two.err;
}

// A sampler that draws noise, in a schedule, with a graphics card's noise: there and back by the
// text alone, and by the names of another program.
TEST_F(RecipeFrom, SamplersAndSchedulesByAnyName) {
    const Arguments common = {"a red rose", "--size", "64", "--steps", "3", "--guidance", "2"};
    const auto picture = [&](const std::string& out, std::vector<std::string> more) {
        const ProgramRun run = generate(joined(common, more, {"--out", out}));
        EXPECT_EQ(run.status, 0) << run.err;
        return pixel_hash(folder.path / out);
    };
    const std::string ours =
        picture("a.png", {"--sampler", "dpmpp_2m_sde", "--schedule", "karras", "--rng", "philox"});
    EXPECT_EQ(picture("b.png", {"--sampler", "DPM++ 2M SDE Karras", "--rng", "philox"}), ours);
    EXPECT_EQ(picture("b.png",
                      {"--sampler", "dpmpp_2m_sde_gpu", "--schedule", "Karras", "--rng", "philox"}),
              ours);
    EXPECT_NE(picture("b.png", {"--sampler", "dpmpp_2m_sde", "--rng", "philox"}), ours);
    EXPECT_NE(picture("b.png", {"--sampler", "DPM++ 2M SDE Karras"}), ours);
    const auto settings = editor::read_picture_settings(folder.path / "a.png");
    ASSERT_TRUE(settings);
    EXPECT_EQ(settings->sampler, "DPM++ 2M SDE");
    EXPECT_EQ(settings->schedule, "Karras");
    editor::write_image(folder.path / "theirs.png", quarters(64, 64),
                        {.parameters = editor::a1111_parameters(*settings)});
    for (const char* from : {"a.png", "theirs.png"}) {
        ASSERT_EQ(generate({"--recipe-from", from, "--out", "c.png"}).status, 0);
        EXPECT_EQ(pixel_hash(folder.path / "c.png"), ours) << from;
    }
    // A sampler of timesteps alone cannot be laid out by sigmas.
    const ProgramRun refused = generate({"x", "--sampler", "ddim", "--schedule", "karras"});
    EXPECT_EQ(refused.status, 2);
    EXPECT_EQ(refused.err.find("keepsake: --schedule: karras is for samplers that have sigmas"), 0u)
        << refused.err;
    EXPECT_EQ(generate({"x", "--schedule", "magic"}).status, 2);
    editor::write_image(
        folder.path / "theirs.png", quarters(64, 64),
        {.parameters = "a red rose\nSteps: 1, Sampler: DDIM, Schedule type: Karras, "
                       "CFG scale: 1, Seed: 3, Size: 64x64"});
    const ProgramRun told = generate({"--recipe-from", "theirs.png", "--out", "d.png"});
    EXPECT_EQ(told.status, 0) << told.err;
    EXPECT_NE(told.err.find("schedule Karras"), std::string::npos) << told.err;
    // As older versions have it, in the sampler's name.
    editor::write_image(folder.path / "older.png", quarters(64, 64),
                        {.parameters = "a red rose\nSteps: 1, Sampler: PLMS Karras, CFG scale: 1, "
                                       "Seed: 3, Size: 64x64"});
    const ProgramRun older = generate({"--recipe-from", "older.png", "--out", "e.png"});
    EXPECT_EQ(older.status, 0) << older.err;
    EXPECT_NE(older.err.find("schedule Karras"), std::string::npos) << older.err;
}

TEST_F(RecipeFrom, BadInput) {
    editor::write_image(folder.path / "plain.png", quarters(64, 64));
    const ProgramRun plain = generate({"--recipe-from", "plain.png"});
    EXPECT_EQ(plain.status, 1);
    EXPECT_NE(plain.err.find("plain.png: carries no settings"), std::string::npos) << plain.err;
    EXPECT_EQ(generate({"--recipe-from", "none.png"}).status, 1);
    EXPECT_EQ(generate({}).status, 2);
    EXPECT_EQ(generate({"x", "--size", "64y64"}).status, 2);
    EXPECT_EQ(generate({"x", "--size", "64x65"}).status, 2);
}

}  // namespace
}  // namespace keepsake::testing
