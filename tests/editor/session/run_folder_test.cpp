#include "editor/session/run_folder.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "editor/session/sample_prompts.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;
using testing::thrown_message;
using testing::write_bytes;

RunRecipe recipe(double rate = 1e-4) {
    RunRecipe recipe;
    recipe.what = "learn subject";
    recipe.settings["learning_rate"] = rate;
    recipe.settings["steps"] = 4;
    recipe.hints["name"] = "sks-flower";
    return recipe;
}

RunFolder open(const fs::path& folder, const RunRecipe& asked = recipe(), bool restart = false) {
    std::vector<std::string> remarks;
    return open_run(folder, asked, restart, remarks);
}

RunState some_state() {
    RunState state;
    state.steps = 2;
    state.learns["unet.a"] = at::randn({2, 3});
    state.optimiser["unet.a.exp_avg"] = at::randn({2, 3});
    state.optimiser["step"] = at::full({}, 2.0, at::kFloat);
    state.averages["unet.a"] = at::randn({2, 3});
    state.losses.before = 0.5;
    state.losses.training = {0.25, 1.0 / 3};
    state.evaluations = {{2, 0.125}};
    return state;
}

TEST(RunFolder, GoesOnWithWhatWasSaved) {
    const TemporaryFolder temporary;
    const fs::path folder = temporary.path / "a" / "run";
    const RunState state = some_state();
    {
        const RunFolder run = open(folder);
        EXPECT_FALSE(load_run(run).has_value());
        save_run(run, state);
        write_run_log(run, state,
                      [](std::int64_t step) { return 1.0 / static_cast<double>(1 + step); });
    }
    EXPECT_EQ(read_file(folder / "log.jsonl"),
              "{\"step\":0,\"evaluation\":0.5}\n{\"step\":1,\"loss\":0.25,\"rate\":1.0}\n"
              "{\"step\":2,\"loss\":0.3333333333333333,\"rate\":0.5}\n"
              "{\"step\":2,\"evaluation\":0.125}\n");
    // The same numbers, each a curve's, for TensorBoard.
    const std::string curves = read_file(folder / "events.out.tfevents.0.keepsake");
    std::size_t tags = 0;
    for (const char* tag : {"evaluation", "loss", "rate"})
        for (std::size_t at = 0; (at = curves.find(tag, at)) != std::string::npos; ++at) ++tags;
    EXPECT_EQ(tags, 6U);
    const RunFolder again = open(folder);
    const auto found = load_run(again);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->steps, 2);
    EXPECT_TRUE(at::equal(found->learns.at("unet.a"), state.learns.at("unet.a")));
    EXPECT_TRUE(at::equal(found->averages.at("unet.a"), state.averages.at("unet.a")));
    EXPECT_EQ(found->optimiser.size(), 2u);
    EXPECT_EQ(found->losses.training, state.losses.training);
    EXPECT_EQ(found->losses.before, state.losses.before);
    EXPECT_EQ(found->losses.after, std::nullopt);
    EXPECT_EQ(found->evaluations, state.evaluations);
    EXPECT_NE(describe_run(folder).find("run of learn subject\nlearning_rate: 0.0001\n"),
              std::string::npos);
    EXPECT_NE(describe_run(folder).find("steps done: 2\n"), std::string::npos);
}

TEST(RunFolder, AnotherRecipeIsRefusedByName) {
    const TemporaryFolder temporary;
    const fs::path folder = temporary.path / "run";
    save_run(open(folder), some_state());
    const std::string noun = "run " + folder.string();
    EXPECT_EQ(thrown_message<Error>([&] { open(folder, recipe(2e-4)); }),
              noun +
                  ": was begun with learning_rate 0.0001, not 0.0002. Give another --out, or "
                  "--restart");
    RunRecipe other = recipe();
    other.what = "learn captions";
    EXPECT_TRUE(
        thrown_message<Error>([&] { open(folder, other); }).starts_with(noun + ": is one of"));
    EXPECT_TRUE(load_run(open(folder)).has_value());
    EXPECT_FALSE(load_run(open(folder, recipe(2e-4), true)).has_value());
    // A checkpoint that belongs elsewhere.
    const TemporaryFolder elsewhere;
    save_run(open(elsewhere.path / "run"), some_state());
    fs::copy_file(elsewhere.path / "run" / "checkpoint.safetensors",
                  folder / "checkpoint.safetensors");
    EXPECT_NE(thrown_message<Error>([&] {
                  load_run(open(folder, recipe(2e-4)));
              }).find("belongs to another run"),
              std::string::npos);
}

TEST(RunFolder, FoldersThatAreNoneOfOurs) {
    const TemporaryFolder temporary;
    write_bytes(temporary.path / "thesis.txt", "mine");
    EXPECT_NE(thrown_message<Error>([&] {
                  open(temporary.path);
              }).find("is a folder with other things in it ('thesis.txt')"),
              std::string::npos);
    const fs::path folder = temporary.path / "run";
    fs::create_directory(folder);
    write_bytes(folder / "run.json", "{\"kind\": \"something else\"}");
    for (const bool restart : {false, true})
        EXPECT_NE(thrown_message<Error>([&] {
                      open(folder, recipe(), restart);
                  }).find("its run.json is none of a training's"),
                  std::string::npos);
    write_bytes(folder / "run.json", "{");
    EXPECT_THROW(open(folder), Error);
    EXPECT_EQ(read_file(temporary.path / "thesis.txt"), "mine");
}

TEST(RunFolder, OneProgramAtATime) {
    const TemporaryFolder temporary;
    const RunFolder first = open(temporary.path / "run");
    EXPECT_NE(thrown_message<Error>([&] { open(temporary.path / "run"); }).find("is in use"),
              std::string::npos);
}

TEST(RunFolder, ANewerVersionsSettingsArePassedOver) {
    const TemporaryFolder temporary;
    write_bytes(temporary.path / "run.json",
                "{\"kind\": \"keepsake run\", \"version\": 9, \"what\": \"learn subject\", "
                "\"recipe\": {\"steps\": 4, \"learning_rate\": 0.0001, \"sparkle\": true}}");
    std::vector<std::string> remarks;
    const RunFolder run = open_run(temporary.path, recipe(), false, remarks);
    ASSERT_EQ(remarks.size(), 1u);
    EXPECT_NE(remarks[0].find("'sparkle' is passed over"), std::string::npos);
}

TEST(RunFolder, ADamagedCheckpointIsNamed) {
    const TemporaryFolder temporary;
    const RunFolder run = open(temporary.path / "run");
    save_run(run, some_state());
    const fs::path path = run.folder / "checkpoint.safetensors";
    std::string bytes = read_file(path);
    write_bytes(path, bytes.substr(0, bytes.size() / 2));
    EXPECT_NE(thrown_message<Error>([&] { load_run(run); }).find(path.string()), std::string::npos);
    fs::remove(path);
    fs::create_symlink("/dev/null", path);
    EXPECT_NE(thrown_message<Error>([&] { load_run(run); }).find("is a link"), std::string::npos);
    EXPECT_NE(thrown_message<Error>([&] { save_run(run, some_state()); }).find("is a link"),
              std::string::npos);
}

TEST(SamplePrompts, KohyasGrammar) {
    const TemporaryFolder temporary;
    const fs::path path = temporary.path / "prompts.txt";
    write_bytes(
        path,
        "# what to look at\n\n"
        "a photo of sks dog --n blurry, dark --w 64 --h 128 --d 7 --s 5 --l 2.5 --ss ddim\r\n"
        "a well-known -- odd-- thing\n"
        "sks --ctr x\n");
    std::vector<std::string> remarks;
    const auto prompts = read_sample_prompts(path, remarks);
    ASSERT_EQ(prompts.size(), 3u);
    EXPECT_EQ(prompts[0].prompt, "a photo of sks dog");
    EXPECT_EQ(prompts[0].width, 64);
    EXPECT_EQ(prompts[0].height, 128);
    EXPECT_EQ(prompts[0].seed, 7u);
    EXPECT_EQ(prompts[0].sample.steps, 5);
    EXPECT_EQ(prompts[0].sample.guidance_scale, 2.5);
    EXPECT_EQ(prompts[0].sample.negative_prompt, "blurry, dark");
    EXPECT_EQ(prompts[0].sample.sampler, pipeline::Sampler::ddim);
    EXPECT_EQ(prompts[1].seed, std::nullopt);
    EXPECT_EQ(prompts[2].prompt, "sks");
    EXPECT_FALSE(remarks.empty());
    const auto refused = [&](const std::string& line) {
        return thrown_message<Error>([&] { parse_sample_prompt(line, "it", remarks); });
    };
    EXPECT_EQ(refused("a --w x"), "it: --w 'x' is no number");
    EXPECT_EQ(refused("a --h 5"), "it: --h 5 is not between 16 and 4096 pixels");
    EXPECT_EQ(refused("a --s 0"), "it: --s 0 is not between 1 and 1000 steps");
    EXPECT_TRUE(refused("a --ss magic").starts_with("it: --ss: "));
    EXPECT_EQ(refused(" --w 64"), "it: has no prompt before its options");
    write_bytes(path, "# nothing\n");
    EXPECT_EQ(thrown_message<Error>([&] { read_sample_prompts(path, remarks); }),
              path.string() + ": holds no prompt");
}

}  // namespace
}  // namespace keepsake::editor
