// What scripts depend on: names, meanings, exit codes, JSON keys. Through the real program.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/model/generate.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The image of a file, as text chunks aside.
std::vector<std::uint8_t> pixels_of(const fs::path& path) {
    return editor::load_photo(path).pixels.rgb;
}

class CommandLine : public ::testing::Test {
  protected:
    CommandLine() { save_photo(photo, quarters(96, 64)); }

    std::vector<std::string> tiny_edit(const std::vector<std::string>& more) {
        return joined({"edit", photo.string(), "a red rose", "--size", "64", "--embedding-steps",
                       "2", "--finetune-steps", "2", "--steps", "2", "--sampler", "ddim"},
                      more);
    }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "my photo.png";
    const fs::path out = folder.path / "out";
};

TEST_F(CommandLine, EditWritesImagesSheetAndJson) {
    const ProgramRun run = run_program(tiny_edit(
        // Two steps of a normal length would change no pixel.
        {"--out", out.string(), "--eta", "0.5:1:2", "--seed", "3,18446744073709551615", "--json",
         "--embedding-lr", "0.3"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const std::vector<json> lines = json_lines(run.out);
    ASSERT_EQ(lines.size(), 4u) << run.out;
    const std::uint64_t seeds[] = {3, 3, 18446744073709551615u, 18446744073709551615u};
    for (std::size_t i = 0; i < 4; ++i) {
        const json& line = lines[i];
        EXPECT_EQ(line["eta"], i % 2 ? 1.0 : 0.5);
        EXPECT_EQ(line["seed"], seeds[i]);
        // The photo itself, at its own size.
        EXPECT_EQ(pixels_of(line["file"].get<std::string>()).size(), 96u * 64 * 3);
        for (const char* stage : {"load", "embedding", "finetune", "render"}) {
            EXPECT_GT(line["seconds"][stage].get<double>(), 0) << stage;
        }
        for (const char* stage : {"embedding", "finetune"}) {
            EXPECT_GT(line["loss"][stage]["before"].get<double>(), 0);
            EXPECT_GT(line["loss"][stage]["after"].get<double>(), 0);
        }
    }
    EXPECT_TRUE(fs::exists(out / "my photo-eta0.50-seed3.png"));
    // The session lies beside --out.
    EXPECT_TRUE(fs::exists(folder.path / "my photo.keepsake/recipe.json"));
    // Two rows of photo, reconstruction and two etas.
    const editor::Photo sheet = editor::load_photo(out / "my photo-sheet.png");
    EXPECT_GT(sheet.pixels.width, 4 * 256);
    EXPECT_GT(sheet.pixels.height, 2 * 256);
    // Progress as lines: this stderr is no terminal.
    EXPECT_NE(run.err.find("embedding: 2 of 2"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("finetune: 2 of 2"), std::string::npos) << run.err;
    EXPECT_EQ(run.err.find('\r'), std::string::npos) << run.err;

    // `info` tells how an image was made.
    const ProgramRun info = run_program({"info", (out / "my photo-eta0.50-seed3.png").string()});
    EXPECT_EQ(info.status, 0) << info.err;
    for (const char* part : {"96x64 pixels, made by keepsake edit", "\"prompt\": \"a red rose\"",
                             "\"eta\": 0.5", "\"seed\": 3", "\"sampler\": \"ddim\""}) {
        EXPECT_NE(info.out.find(part), std::string::npos) << info.out;
    }

    // `render` gives the same pixels from the session, and into one file.
    const ProgramRun render =
        run_program({"render", (folder.path / "my photo.keepsake").string(), "--out",
                     (folder.path / "one.png").string(), "--eta", "0.5", "--seed", "3", "--quiet"});
    ASSERT_EQ(render.status, 0) << render.err;
    EXPECT_EQ(render.out, (folder.path / "one.png").string() + "\n");
    EXPECT_EQ(render.err, "");
    EXPECT_EQ(pixels_of(folder.path / "one.png"), pixels_of(out / "my photo-eta0.50-seed3.png"));
    // A picture given away does not tell where things lie here.
    EXPECT_EQ(info.out.find(flowers.parent_path().string()), std::string::npos) << info.out;
    EXPECT_NE(info.out.find("\"path\": \"flowers\""), std::string::npos) << info.out;

    // The model's own picture, and a photo in another format.
    const auto again = [&](const std::vector<std::string>& more) {
        const ProgramRun made =
            run_program(joined({"render", (folder.path / "my photo.keepsake").string(), "--eta",
                                "0.5", "--seed", "3", "--quiet"},
                               more));
        EXPECT_EQ(made.status, 0) << made.err;
        return made.out;
    };
    again({"--no-full", "--out", (folder.path / "area.png").string()});
    EXPECT_EQ(pixels_of(folder.path / "area.png").size(), 80u * 56 * 3);
    EXPECT_EQ(again({"--out", (folder.path / "other").string(), "--format", "tif"}),
              (folder.path / "other/my photo-eta0.50-seed3.tif").string() + "\n" +
                  (folder.path / "other/my photo-sheet.png").string() + "\n");
    // Eta 0 is the photo, bit for bit.
    run_program({"render", (folder.path / "my photo.keepsake").string(), "--eta", "0", "--quiet",
                 "--out", (folder.path / "zero.png").string()});
    EXPECT_EQ(pixels_of(folder.path / "zero.png"), pixels_of(photo));
    // Outside a mask too.
    save_photo(folder.path / "mask.png", quarters(48, 32));  // bright on the right below only
    again({"--out", (folder.path / "masked.png").string(), "--mask",
           (folder.path / "mask.png").string(), "--mask-threshold", "0.9"});
    const auto masked = pixels_of(folder.path / "masked.png"), before = pixels_of(photo);
    bool changed = false;
    for (std::size_t i = 0; i < masked.size(); ++i) {
        const std::size_t x = i / 3 % 96, y = i / 3 / 96;
        if (x < 47 || y < 31) {
            ASSERT_EQ(masked[i], before[i]) << x << "," << y;
        }
        changed |= masked[i] != before[i];
    }
    EXPECT_TRUE(changed);
    again({"--mask", "auto", "--out", (folder.path / "auto.png").string()});
    EXPECT_EQ(pixels_of(folder.path / "auto.png").size(), before.size());
}

TEST_F(CommandLine, WithoutOutEverythingIsInTheSession) {
    const ProgramRun run =
        run_program(tiny_edit({"--eta", "1", "--quiet"}), {.folder = folder.path});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out,
              "my photo.keepsake/renders/my photo-eta1.00-seed0.png\n"
              "my photo.keepsake/renders/my photo-sheet.png\n");
    EXPECT_TRUE(fs::exists(folder.path / "my photo.keepsake/renders/my photo-sheet.png"));
}

// Whether activations are recomputed is no part of what a session is: it may change on the way.
TEST_F(CommandLine, CheckpointingIsNoPartOfTheRecipe) {
    std::map<std::string, json> losses, recipes;
    for (const std::string choice : {"off", "on", "auto"}) {
        const fs::path session = folder.path / (choice + ".keepsake");
        const auto arguments = tiny_edit({"--eta", "1", "--json", "--session", session.string(),
                                          "--out", out.string(), "--checkpointing", choice});
        const ProgramRun run = run_program(arguments);
        ASSERT_EQ(run.status, 0) << run.err;
        EXPECT_EQ(run.err.find("memory:"), run.err.npos) << run.err;
        losses[choice] = json_lines(run.out)[0]["loss"];
        recipes[choice] = json::parse(read_file(session / "recipe.json"));
        auto again = arguments;
        again.back() = choice == "on" ? "off" : "on";
        const ProgramRun reopened = run_program(again);
        ASSERT_EQ(reopened.status, 0) << reopened.err;
        EXPECT_EQ(json_lines(reopened.out)[0]["loss"], losses[choice]);
    }
    EXPECT_EQ(recipes["on"], recipes["off"]);
    EXPECT_EQ(recipes["auto"], recipes["off"]);
    for (const char* stage : {"embedding", "finetune"}) {
        const double off = losses["off"][stage]["after"], on = losses["on"][stage]["after"];
        EXPECT_NEAR(on / off, 1, 1e-4) << stage;
    }
}

TEST_F(CommandLine, ModelDefaultsAreUsed) {
    const fs::path model = folder.path / "model";
    link_model(model);
    fs::remove(model / "keepsake.json");
    write_bytes(model / "keepsake.json",
                R"({"fast": {"embedding": {"steps": 1, "learning_rate": 0.003},
                     "finetune": {"steps": 1, "rank": 2}, "eta": "0.25:0.75:3"},
            "sample": {"sampler": "euler", "steps": 3, "guidance_scale": 2}})");
    const ProgramRun run = run_program({"edit", photo.string(), "a red rose", "--out", out.string(),
                                        "--json", "--quiet", "--steps", "2", "--way", "line"},
                                       {.environment = {{"KEEPSAKE_MODEL", model.string()}}});
    ASSERT_EQ(run.status, 0) << run.err;
    const std::vector<json> lines = json_lines(run.out);
    ASSERT_EQ(lines.size(), 3u);
    EXPECT_EQ(lines[1]["eta"], 0.5);
    const json recipe =
        json::parse(read_file(folder.path / "my photo.keepsake/recipe.json"))["keepsake"];
    EXPECT_EQ(recipe["embedding"]["learning_rate"], 0.003);
    EXPECT_EQ(recipe["finetune"]["rank"], 2);
    EXPECT_EQ(recipe["mode"], "fast");
    EXPECT_EQ(recipe["sample"]["sampler"], "euler");
    EXPECT_EQ(recipe["sample"]["guidance_scale"], 2.0);
    EXPECT_EQ(recipe["sample"]["steps"], 2);
    EXPECT_EQ(recipe["size"], 128);  // the model's own
    EXPECT_EQ(recipe["crop"], (json{{"x", 0}, {"y", 0}, {"width", 96}, {"height", 64}}));
}

TEST_F(CommandLine, GenerateSeedsLatentsAndImageToImage) {
    const auto generate = [&](std::vector<std::string> more) {
        return run_program(joined({"generate", "a red rose", "--steps", "2", "--size", "64",
                                   "--sampler", "ddim", "--quiet"},
                                  more),
                           {.folder = folder.path});
    };
    const ProgramRun two =
        generate({"--seed", "5,6", "--out", "a.png", "--latents-out", "a.st", "--json"});
    ASSERT_EQ(two.status, 0) << two.err;
    const std::vector<json> lines = json_lines(two.out);
    ASSERT_EQ(lines.size(), 2u);
    EXPECT_EQ(lines[0]["file"], "a-1.png");
    EXPECT_EQ(lines[1]["file"], "a-2.png");
    EXPECT_EQ(lines[1]["seed"], 6);
    EXPECT_TRUE(lines[1]["eta"].is_null());
    EXPECT_NE(pixels_of(folder.path / "a-1.png"), pixels_of(folder.path / "a-2.png"));
    const at::Tensor final_latents = pipeline::read_safetensors(folder.path / "a.st").at("latents");
    EXPECT_EQ(final_latents.sizes(), (at::IntArrayRef{2, 8, 8, 8}));

    // The noise of seed 6 given as a file makes the picture of seed 6.
    const at::Tensor noise = pipeline::randn({1, 8, 8, 8}, pipeline::make_generator(6));
    pipeline::write_safetensors(folder.path / "noise.st", {{"latents", noise}});
    const ProgramRun given =
        run_program({"generate", "a red rose", "--steps", "2", "--sampler", "ddim", "--quiet",
                     "--latents-in", "noise.st", "--out", "b.png", "--latents-out", "b.st"},
                    {.folder = folder.path});
    ASSERT_EQ(given.status, 0) << given.err;
    EXPECT_EQ(pixels_of(folder.path / "b.png"), pixels_of(folder.path / "a-2.png"));
    const at::Tensor again = pipeline::read_safetensors(folder.path / "b.st").at("latents");
    EXPECT_TRUE(at::equal(again, final_latents.slice(0, 1, 2)));
    // Noise that does not fit is told so.
    pipeline::write_safetensors(folder.path / "four.st", {{"latents", at::zeros({1, 4, 8, 8})}});
    const ProgramRun four = generate({"--latents-in", "four.st"});
    EXPECT_EQ(four.status, 1);
    EXPECT_NE(four.err.find("four.st: its latents are (1, 4, 8, 8), expected (B, 8, h, w)"),
              std::string::npos)
        << four.err;

    // Strength 0 is the photo through the autoencoder; 1 has forgotten it.
    const auto distance = [&](const char* strength) {
        const ProgramRun run = generate(
            {"--image", photo.string(), "--strength", strength, "--out", "c.png", "--steps", "10"});
        EXPECT_EQ(run.status, 0) << run.err;
        const editor::Photo start = editor::load_photo(photo);
        const editor::Crop whole = editor::whole_crop(start);
        const auto area = editor::working_area(start, whole, editor::working_size(whole, 64));
        const auto made = pixels_of(folder.path / "c.png");
        double sum = 0;
        EXPECT_EQ(made.size(), area.rgb.size());
        for (std::size_t i = 0; i < made.size(); ++i) sum += std::abs(made[i] - area.rgb[i]);
        return sum / static_cast<double>(made.size());
    };
    const double kept = distance("0"), forgotten = distance("1");
    EXPECT_LT(kept, 0.6 * forgotten) << kept << " " << forgotten;
}

TEST_F(CommandLine, ThreadsAreThoseAskedForElseMeasured) {
    const auto threads = [&](const std::string& command, const std::string& allowed,
                             std::vector<std::string> more) {
        std::vector<std::string> arguments = {command};
        if (command == "generate") arguments = {command, "a red rose", "--size", "64"};
        if (command == "render")
            arguments = {command, (folder.path / "my photo.keepsake").string()};
        if (command == "edit") arguments = tiny_edit({"--out", "out"});
        if (command != "generate") more.insert(more.end(), {"--eta", "1"});
        if (command != "edit")
            more.insert(more.end(), {"--steps", "1", "--sampler", "ddim", "--quiet"});
        const ProgramRun run =
            run_program(joined(arguments, more, {"--json"}),
                        {.environment = {{"OMP_NUM_THREADS", allowed}}, .folder = folder.path});
        EXPECT_EQ(run.status, 0) << run.err;
        return json_lines(run.out).at(0)["threads"].get<int>();
    };
    // The session is tuned by the first.
    for (const char* command : {"edit", "render", "generate"}) {
        EXPECT_EQ(threads(command, "1", {}), 1) << command;
        EXPECT_EQ(threads(command, "1", {"--threads", "3"}), 3) << command;
        const int measured = threads(command, "2", {});
        EXPECT_TRUE(measured == 1 || measured == 2) << command << " " << measured;
    }
}

TEST_F(CommandLine, LongTextIsCutAndSaid) {
    std::string text = "a red rose";
    for (int i = 0; i < 90; ++i) text += " tulip";
    const ProgramRun run =
        run_program({"generate", text, "--steps", "1", "--sampler", "ddim", "--size", "64",
                     "--quiet", "--out", (folder.path / "a.png").string()});
    EXPECT_EQ(run.status, 0);
    ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
    EXPECT_EQ(run.err.find("keepsake: warning: text: is 18 tokens too long"), 0u) << run.err;
    EXPECT_NE(run.err.find("\"tulip tulip"), std::string::npos) << run.err;
}

TEST_F(CommandLine, Tokenize) {
    const ProgramRun run = run_program({"tokenize", "a photo of a red rose"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, "49406 320 1125 539 320 736 3568 49407\n");
    EXPECT_EQ(run_program({"tokenize", ""}).out, "49406 49407\n");
}

TEST_F(CommandLine, InfoHelpAndVersion) {
    const ProgramRun model = run_program({"info", flowers.string()});
    EXPECT_EQ(model.status, 0) << model.err;
    EXPECT_NE(model.out.find("v_prediction"), std::string::npos) << model.out;
    const ProgramRun plain = run_program({"info", photo.string()});
    EXPECT_EQ(plain.out, photo.string() + ": 96x64 pixels, carries no recipe\n");
    EXPECT_EQ(run_program({"--version"}).out, "keepsake 0.1.0\n");
    const ProgramRun help = run_program({"edit", "--help"});
    EXPECT_EQ(help.status, 0);
    for (const char* option :
         {"--model",   "--out",     "--session",        "--mode",         "--eta",
          "--seed",    "--sampler", "--steps",          "--guidance",     "--negative",
          "--size",    "--json",    "--threads",        "--device",       "--quiet",
          "--no-full", "--mask",    "--mask-threshold", "--mask-feather", "--strip-gps",
          "--format",  "--quality", "--precision",      "--prediction"}) {
        EXPECT_NE(help.out.find(option), std::string::npos) << option;
    }
    EXPECT_EQ(run_program({}).status, 2);
}

// Whatever the processor, KEEPSAKE_KERNELS takes its bfloat16 away.
TEST_F(CommandLine, BfloatOnlyWhereItPays) {
    const auto generate = [&](const std::string& precision, const std::string& kernels) {
        const fs::path out = folder.path / (precision + kernels + ".png");
        const ProgramRun run =
            run_program({"generate", "a red rose", "--steps", "4", "--size", "64", "--precision",
                         precision, "--out", out.string(), "--quiet"},
                        {.environment = {{"KEEPSAKE_KERNELS", kernels}}});
        return std::pair(run, out);
    };
    const auto [refused, nothing] = generate("bfloat16", "avx2");
    EXPECT_EQ(refused.status, 1);
    EXPECT_NE(refused.err.find("--precision bfloat16: this processor is not faster at bfloat16"),
              std::string::npos)
        << refused.err;
    EXPECT_FALSE(fs::exists(nothing));
    const auto [plain, plain_file] = generate("float32", "avx2");
    const auto [automatic, automatic_file] = generate("auto", "avx2");
    EXPECT_EQ(plain.status, 0) << plain.err;
    EXPECT_EQ(automatic.status, 0) << automatic.err;
    EXPECT_EQ(editor::load_photo(plain_file).pixels.rgb,
              editor::load_photo(automatic_file).pixels.rgb);
}

TEST_F(CommandLine, BarOnATerminal) {
    const ProgramRun run =
        run_program({"generate", "a red rose", "--steps", "5", "--sampler", "ddim", "--size", "64",
                     "--out", (folder.path / "a.png").string()},
                    {.on_terminal = true});
    EXPECT_EQ(run.status, 0);
    EXPECT_NE(run.err.find("\r\033[Krender"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("[########################] 5/5"), std::string::npos) << run.err;
    EXPECT_NE(run.err.find("took "), std::string::npos) << run.err;
}

}  // namespace
}  // namespace keepsake::testing
