// --lora, --clip-skip, --prompt-syntax and --rng as a script calls them.
#include <gtest/gtest.h>

#include <algorithm>

#include "editor/photo/picture_settings.h"
#include "editor/session/file_hashes.h"
#include "pipeline/model/generate.h"
#include "pipeline/networks/lora.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/model/model_on_disk.h"

namespace keepsake::testing {
namespace {

class AdapterOptions : public ::testing::Test {
  protected:
    AdapterOptions() {
        const pipeline::Model model = pipeline::load_model(bundled_model());
        pipeline::LoraSet loras = pipeline::make_loras(model.unet, 4, pipeline::make_generator(3));
        for (auto& [layer, lora] : loras)
            lora.up = pipeline::randn(lora.up.sizes(), pipeline::make_generator(4)) * 0.1;
        std::filesystem::create_directories(folder.path / "models/Lora");
        pipeline::save_loras(folder.path / "models/Lora/a.safetensors", loras,
                             {{"modelspec.trigger_phrase", "zzrose"}});
    }
    ProgramRun run(std::vector<std::string> more) const {
        return run_program(more, {.environment = {{"KEEPSAKE_FILES", folder.path.string()}},
                                  .folder = folder.path});
    }
    // The picture's pixels; `more`: options.
    std::string picture(const std::string& prompt, std::vector<std::string> more) const {
        const ProgramRun done = run(joined({"generate", prompt, "--steps", "2", "--sampler", "ddim",
                                            "--size", "64", "--out", "a.png"},
                                           more));
        EXPECT_EQ(done.status, 0) << done.err;
        return pixel_hash(folder.path / "a.png");
    }
    const TemporaryFolder folder;
    const std::string lora = "models/Lora/a.safetensors";
};

// Grammar, noise, layer, LoRA and VAE, found by their names, from the picture alone.
TEST_F(AdapterOptions, ARecipeMakesItsPictureAgain) {
    const std::vector<std::string> given = {
        "--prompt-syntax", "a1111", "--rng",     "philox",
        "--clip-skip",     "2",     "--vae",     (bundled_model() / "vae").string(),
        "--sampler",       "ddim",  "--spacing", "trailing",
        "--steps",         "2",     "--size",    "64",
        "--ddim-eta",      "0.5",   "--out",     "a.png"};
    for (const char* prompt : {"a (red:1.4) rose", "a (red:1.4) rose <lora:a:0.7>"}) {
        std::vector<std::string> first = joined({"generate", prompt}, given);
        if (prompt[std::string(prompt).size() - 1] != '>')
            first = joined(first, {"--lora", "a:0.7"});
        const ProgramRun made = run(first);
        ASSERT_EQ(made.status, 0) << made.err;
        const auto again = [&](const std::vector<std::string>& more) {
            const ProgramRun done = run(
                joined({"generate", "--recipe-from", "a.png", "--quiet", "--out", "b.png"}, more));
            EXPECT_EQ(done.status, 0) << done.err;
            EXPECT_EQ(done.err.find("lora"), std::string::npos) << done.err;
            return pixel_hash(folder.path / "b.png");
        };
        const std::string picture = pixel_hash(folder.path / "a.png");
        EXPECT_EQ(again({}), picture) << prompt;
        // Each counts, and an option that is given holds.
        for (const std::vector<std::string>& other :
             std::vector<std::vector<std::string>>{{"--rng", "cpu"},
                                                   {"--clip-skip", "1"},
                                                   {"--spacing", "leading"},
                                                   {"--ddim-eta", "0"}})
            EXPECT_NE(again(other), picture) << other[0];
    }
    // Web interfaces know a LoRA by what is in it.
    const auto settings = editor::read_picture_settings(folder.path / "a.png");
    ASSERT_TRUE(settings);
    const std::string hash = editor::file_hash(folder.path / lora, editor::Hashed::tensors);
    const std::pair<std::string, std::string> noted{"Lora hashes", "a: " + hash.substr(0, 12)};
    EXPECT_EQ(hash.size(), 64u);
    EXPECT_NE(std::ranges::find(settings->others, noted), settings->others.end());
    // Where the files are not found they are named.
    const ProgramRun lost =
        run_program({"generate", "a red rose", "--recipe-from", "a.png", "--out", "c.png"},
                    {.environment = {{"KEEPSAKE_FILES", ""}}, .folder = folder.path});
    ASSERT_EQ(lost.status, 0) << lost.err;
    EXPECT_NE(lost.err.find("VAE vae"), std::string::npos) << lost.err;
    EXPECT_NE(lost.err.find("lora a"), std::string::npos) << lost.err;
}

// A file without its config.json, of which shapes do not say all.
TEST_F(AdapterOptions, AVaeWhoseGroupsNobodyKnowsIsNamed) {
    std::filesystem::copy_file(bundled_model() / "vae/diffusion_pytorch_model.safetensors",
                               folder.path / "alone.safetensors");
    const ProgramRun refused = run({"generate", "a red rose", "--vae", "alone.safetensors"});
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("alone.safetensors: VAE: has 16 channels"), std::string::npos)
        << refused.err;
}

TEST_F(AdapterOptions, LoraByPathByNameAndInThePrompt) {
    const std::string plain = picture("a red rose", {});
    const std::string with = picture("a red rose", {"--lora", lora});
    EXPECT_NE(with, plain);
    EXPECT_EQ(picture("a red rose", {"--lora", lora + ":0"}), plain);
    EXPECT_EQ(picture("a red rose", {"--lora", "a"}), with);
    EXPECT_EQ(picture("a red rose<lora:a:1>", {"--prompt-syntax", "a1111"}), with);
    EXPECT_EQ(picture("a red rose", {"--lora", lora + ":0.25", "--lora", lora + ":-0.25"}), plain);
}

TEST_F(AdapterOptions, PromptSyntaxAndNoise) {
    const std::string plain = picture("a red rose", {});
    EXPECT_EQ(picture("a red rose", {"--prompt-syntax", "a1111"}), plain);
    EXPECT_NE(picture("a (red:1.5) rose", {"--prompt-syntax", "a1111"}), plain);
    EXPECT_NE(picture("a red rose", {"--rng", "philox"}), plain);
    EXPECT_NE(picture("a red rose", {"--clip-skip", "2"}), plain);
    const ProgramRun said = run({"generate", "a (red:1.5) rose", "--prompt-syntax", "a1111",
                                 "--steps", "1", "--size", "64", "--out", "b.png"});
    EXPECT_NE(said.err.find("1.5  \"red\""), std::string::npos) << said.err;
}

// A session remembers what its model was besides its own files.
TEST_F(AdapterOptions, SessionsKeepThem) {
    editor::Pixels grey{64, 64, std::vector<std::uint8_t>(64 * 64 * 3, 128)};
    save_photo(folder.path / "p.png", grey);
    const std::filesystem::path vae = folder.path / "v.safetensors";
    std::filesystem::copy(bundled_model() / "vae/diffusion_pytorch_model.safetensors", vae);
    std::filesystem::copy(bundled_model() / "vae/config.json", folder.path / "config.json");
    const std::vector<std::string> with = {"--lora",        lora + ":0.5", "--vae",
                                           "v.safetensors", "--clip-skip", "2",
                                           "--prediction",  "epsilon"};
    const std::vector<std::string> tiny = {"--size",
                                           "64",
                                           "--embedding-steps",
                                           "1",
                                           "--finetune-steps",
                                           "1",
                                           "--steps",
                                           "2",
                                           "--eta",
                                           "1",
                                           "--no-full",
                                           "--sampler",
                                           "ddim",
                                           "--quiet"};
    const auto edit = [&](const std::string& out, const std::vector<std::string>& more) {
        return run(joined({"edit", "p.png", "a red rose", "--out", out, "--session", "s.keepsake"},
                          tiny, more));
    };
    const auto render = [&](const std::string& out) {
        return run({"render", "s.keepsake", "--out", out, "--eta", "1", "--no-full", "--quiet"});
    };
    const ProgramRun made = edit("a.png", with);
    ASSERT_EQ(made.status, 0) << made.err;
    const std::string picture = pixel_hash(folder.path / "a.png");
    const ProgramRun info = run({"info", "s.keepsake"});
    for (const char* part : {"a.safetensors, weight 0.5\n", "v.safetensors\n", "clip skip: 2\n",
                             "prediction: epsilon\n"})
        EXPECT_NE(info.out.find(part), std::string::npos) << part << info.out;
    // Both without a word of them.
    ASSERT_EQ(render("b.png").status, 0);
    EXPECT_EQ(pixel_hash(folder.path / "b.png"), picture);
    ASSERT_EQ(edit("c.png", {}).status, 0);
    EXPECT_EQ(pixel_hash(folder.path / "c.png"), picture);
    const ProgramRun other = edit("d.png", {"--clip-skip", "1"});
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("was made with another model"), std::string::npos) << other.err;
    const ProgramRun predicts = edit("d.png", {"--prediction", "v_prediction"});
    EXPECT_NE(predicts.err.find("was made with --prediction epsilon, not v_prediction"),
              std::string::npos)
        << predicts.err;
    // Moved into the folder root it is found by its name; gone, or another file, it is named.
    std::filesystem::create_directories(folder.path / "models/VAE");
    std::filesystem::rename(vae, folder.path / "models/VAE/v.safetensors");
    std::filesystem::rename(folder.path / "config.json", folder.path / "models/VAE/config.json");
    ASSERT_EQ(render("b.png").status, 0);
    EXPECT_EQ(pixel_hash(folder.path / "b.png"), picture);
    const std::string bytes = read_file(folder.path / lora);
    write_bytes(folder.path / lora, bytes + "x");
    const ProgramRun changed = render("b.png");
    EXPECT_EQ(changed.status, 1);
    EXPECT_NE(changed.err.find("was made with the LoRA"), std::string::npos) << changed.err;
    EXPECT_NE(changed.err.find("which has changed since"), std::string::npos) << changed.err;
    std::filesystem::remove(folder.path / lora);
    const ProgramRun gone = render("b.png");
    EXPECT_NE(gone.err.find("which is not there any more; put it back, or give it by --lora"),
              std::string::npos)
        << gone.err;
}

TEST_F(AdapterOptions, InfoAndErrors) {
    const ProgramRun info = run({"info", lora});
    EXPECT_EQ(info.status, 0) << info.err;
    EXPECT_NE(info.out.find("zzrose"), std::string::npos) << info.out;
    const ProgramRun missing = run({"generate", "x", "--lora", "nowhere.safetensors"});
    EXPECT_EQ(missing.status, 1);
    EXPECT_NE(missing.err.find("nowhere.safetensors"), std::string::npos) << missing.err;
    const ProgramRun in_prompt = run({"generate", "x <lora:nowhere>", "--prompt-syntax", "a1111"});
    EXPECT_EQ(in_prompt.status, 1);
    EXPECT_NE(in_prompt.err.find("<lora:nowhere> is no file"), std::string::npos) << in_prompt.err;
    EXPECT_EQ(run({"generate", "x", "--prompt-syntax", "b"}).status, 2);
    EXPECT_EQ(run({"generate", "x", "--rng", "b"}).status, 2);
    EXPECT_EQ(run({"generate", "x", "--clip-skip", "0"}).status, 2);
    EXPECT_EQ(run({"generate", "x", "--lora", ""}).status, 2);
}

}  // namespace
}  // namespace keepsake::testing
