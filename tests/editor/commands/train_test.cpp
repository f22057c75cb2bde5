// `keepsake train vae` and `train unet` through the real program, at their smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "editor/edit/network_configs.h"
#include "editor/photo/photo.h"
#include "pipeline/compute/arithmetic.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json tiny_vae() {
    return {{"block_out_channels", {16, 32}},
            {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
            {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
            {"layers_per_block", 1},
            {"latent_channels", 8},
            {"norm_num_groups", 8}};
}

class Train : public ::testing::Test {
  protected:
    Train() {
        fs::create_directory(photos);
        for (int i = 0; i < 6; ++i) {
            const std::string name = "photo" + std::to_string(i);
            save_photo(photos / (name + ".png"), quarters(48 + 8 * i, 48));
            write_bytes(photos / (name + ".txt"), i % 2 ? "a red rose" : "a daisy at night");
        }
        write_bytes(config, tiny_vae().dump());
    }
    Arguments train(const Arguments& what, const Arguments& more = {}) const {
        const Arguments places = {photos.string(), "--out", out.string(), "--quiet",
                                  "--threads",     "1",     "--batch",    "2",
                                  "--every",       "2"};
        return joined(joined({"train"}, what), places, more);
    }
    Arguments vae(const Arguments& more = {}) const {
        return train({"vae"}, joined({"--config", config.string(), "--size", "64", "--tune", "4",
                                      "--held-out", "20"},
                                     more));
    }
    Arguments unet(const Arguments& more = {}) const {
        return train({"unet"}, joined({"--size", "64", "--tune", "4", "--held-out", "20"}, more));
    }
    void expect_refused(const Arguments& arguments, int status, const std::string& part) const {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "run",
                   config = folder.path / "vae.json";
};

TEST_F(Train, AnAutoencoderFromPictures) {
    const ProgramRun run = run_program(vae({"--json", "--mirror"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const json line = json::parse(run.out);
    EXPECT_EQ(line.at("file"), (out / "vae").string());
    EXPECT_EQ(line.at("steps"), 4);
    EXPECT_EQ(line.at("pictures").at("learned_from").get<int>() +
                  line.at("pictures").at("held_out").get<int>(),
              6);
    EXPECT_GE(line.at("pictures").at("held_out"), 1);
    ASSERT_EQ(line.at("quality").size(), 2u);
    EXPECT_GT(line.at("quality").back().at("psnr"), 0);
    const editor::Pixels sheet = editor::load_photo(out / "samples" / "step-000004.png").pixels;
    EXPECT_EQ(sheet.height, 128) << "what was held out, above what comes back";
    const json written = read_json_file(out / "vae" / "config.json");
    EXPECT_DOUBLE_EQ(written.at("scaling_factor"), line.at("scaling_factor"));
    EXPECT_EQ(written.at("_class_name"), "AutoencoderKL");
    // Once more, nothing is left to do and the same comes of it; from it, more.
    const std::string weights = read_file(out / "vae" / "diffusion_pytorch_model.safetensors");
    ASSERT_EQ(run_program(vae({"--json", "--mirror"})).status, 0);
    EXPECT_TRUE(weights == read_file(out / "vae" / "diffusion_pytorch_model.safetensors"));
    const fs::path more = folder.path / "more";
    const ProgramRun on =
        run_program({"train", "vae", photos.string(), "--from", (out / "vae").string(), "--out",
                     more.string(), "--size", "64", "--tune", "1", "--quiet", "--threads", "1"});
    EXPECT_EQ(on.status, 0) << on.err;
}

TEST_F(Train, InBfloat16NearlyTheSameIsLearned) {
    const auto psnr = [&](const std::string& precision) {
        const fs::path place = folder.path / precision;
        const ProgramRun run =
            run_program(vae({"--json", "--out", place.string(), "--precision", precision}));
        EXPECT_EQ(run.status, 0) << run.err;
        EXPECT_EQ(
            read_json_file(place / "run.json").at("hints").at("precision"),
            precision == "float32" || !pipeline::has_fast_bfloat16() ? "float32" : "bfloat16");
        return json::parse(run.out).at("quality").back().at("psnr").get<double>();
    };
    EXPECT_NEAR(psnr("float32"), psnr("auto"), 0.2);
    if (pipeline::has_fast_bfloat16())
        psnr("bfloat16");
    else
        expect_refused(vae({"--precision", "bfloat16"}), 1, "not faster at bfloat16");
    expect_refused(vae({"--precision", "half"}), 2, "--precision");
}

TEST_F(Train, ADiscriminatorLearnsBesideTheAutoencoder) {
    const fs::path plain = folder.path / "plain";
    ASSERT_EQ(run_program(vae({"--out", plain.string()})).status, 0);
    ASSERT_EQ(run_program(vae({"--discriminator", "0.5", "--discriminator-from", "1"})).status, 0);
    const auto saved = pipeline::read_safetensors(out / "checkpoint.safetensors");
    EXPECT_TRUE(std::ranges::any_of(saved, [](const auto& item) {
        return item.first.find("discriminator.main.0.weight") != std::string::npos;
    }));
    const std::string weights = "vae/diffusion_pytorch_model.safetensors";
    EXPECT_FALSE(read_file(plain / weights) == read_file(out / weights));
    // It is no part of what diffusers opens.
    for (const auto& [name, tensor] : pipeline::read_safetensors(out / weights))
        EXPECT_EQ(name.find("discriminator"), std::string::npos);
    expect_refused(vae({"--discriminator-from", "1"}), 2, "--discriminator-from");
    // A tiny one is not made to learn.
    write_bytes(config, R"({"_class_name": "AutoencoderTiny", "latent_channels": 8})");
    expect_refused(vae({"--restart"}), 1, "tiny");
}

TEST_F(Train, AKilledAutoencoderGoesOnWithTheSameNumbers) {
    const fs::path whole = folder.path / "whole";
    ASSERT_EQ(run_program(vae({"--tune", "60", "--out", whole.string()})).status, 0);
    for (const int signal : {SIGINT, SIGKILL}) {
        Program program(vae({"--tune", "60"}));
        std::this_thread::sleep_for(std::chrono::milliseconds(signal == SIGINT ? 700 : 500));
        program.signal(signal);
        const ProgramRun stopped = program.wait();
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0 || stopped.status < 0)
            << stopped.status << stopped.err;
    }
    ASSERT_EQ(run_program(vae({"--tune", "60"})).status, 0);
    for (const char* file :
         {"vae/diffusion_pytorch_model.safetensors", "vae/config.json", "quality.jsonl"})
        EXPECT_TRUE(read_file(whole / file) == read_file(out / file)) << file;
}

TEST_F(Train, AWholeModelWithAUNetFromNothing) {
    const ProgramRun run =
        run_program(unet({"--json", "--prediction", "v_prediction", "--zero-snr"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const json line = json::parse(run.out);
    EXPECT_EQ(line.at("file"), (out / "unet").string());
    ASSERT_EQ(line.at("words").at("timesteps").size(), 8u);
    for (const json& at : line.at("words").at("timesteps"))
        for (const char* key : {"right", "wrong", "without"}) EXPECT_GT(at.at(key), 0);
    EXPECT_TRUE(fs::exists(out / "words.jsonl"));
    const json schedule = read_json_file(out / "unet" / "scheduler" / "scheduler_config.json");
    EXPECT_EQ(schedule.at("rescale_betas_zero_snr"), true);
    EXPECT_EQ(schedule.at("timestep_spacing"), "trailing");
    EXPECT_EQ(read_json_file(out / "unet" / "unet" / "config.json").at("sample_size"), 8);
    const ProgramRun drawn =
        run_program({"generate", "a red rose", "--model", (out / "unet").string(), "--steps", "2",
                     "--out", (folder.path / "a.png").string(), "--quiet"});
    EXPECT_EQ(drawn.status, 0) << drawn.err;
    EXPECT_EQ(editor::load_photo(folder.path / "a.png").pixels.width, 64);
    // A U-Net is gone on from, with its own build.
    const ProgramRun on =
        run_program({"train", "unet", photos.string(), "--from", (out / "unet").string(), "--out",
                     (folder.path / "more").string(), "--size", "64", "--tune", "1", "--every", "0",
                     "--quiet", "--threads", "1"});
    EXPECT_EQ(on.status, 0) << on.err;
}

TEST_F(Train, AKilledUNetGoesOnWithTheSameNumbers) {
    const fs::path whole = folder.path / "whole";
    const Arguments more = {"--tune", "30", "--every", "0"};
    Arguments other = unet(more);
    other.insert(other.end(), {"--out", whole.string()});
    ASSERT_EQ(run_program(other).status, 0);
    for (const int signal : {SIGINT, SIGKILL}) {
        Program program(unet(more));
        std::this_thread::sleep_for(std::chrono::milliseconds(signal == SIGINT ? 1500 : 900));
        program.signal(signal);
        program.wait();
    }
    ASSERT_EQ(run_program(unet(more)).status, 0);
    const char* file = "unet/unet/diffusion_pytorch_model.safetensors";
    EXPECT_TRUE(read_file(whole / file) == read_file(out / file));
}

TEST_F(Train, WrongUsageAndBadInputAreOneLine) {
    expect_refused({"train"}, 2, "command: is missing; one of ");
    expect_refused({"train", "magic"}, 2, "command: 'magic' is unknown; one of ");
    expect_refused({"train", "vae"}, 2, "PICTURES is required");
    expect_refused(vae({"--tune", "0"}), 2, "--tune: 0 is not between 1 and");
    expect_refused(vae({"--ema", "1"}), 2, "--ema: 1 is not between 0 and");
    expect_refused(vae({"--kl", "-1"}), 2, "--kl: is not between 0 and 1000");
    expect_refused(vae({"--held-out", "80"}), 2, "--held-out: is not between 0 and 50");
    expect_refused(vae({"--size", "33"}), 2, "--size: 33 is no multiple of 8");
    expect_refused(vae({"--from", photos.string()}), 1, "--config: is that of --from");
    expect_refused({"train", "vae", (folder.path / "gone").string(), "--out", out.string()}, 1,
                   "gone: is not there");
    fs::create_directory(folder.path / "empty");
    expect_refused({"train", "vae", (folder.path / "empty").string(), "--out", out.string()}, 1,
                   "empty: ");
    write_bytes(config, "{}");
    expect_refused(vae(), 1, "vae.json: VAE config");
    json wide = tiny_vae();
    wide["in_channels"] = 4;
    write_bytes(config, wide.dump());
    expect_refused(vae(), 1, "have not 3 channels");
    expect_refused(unet({"--zero-snr", "--prediction", "epsilon"}), 1,
                   "--zero-snr: needs --prediction v_prediction");
    expect_refused(unet({"--min-snr", "-1"}), 2, "--min-snr: is not between");
    json narrow = read_json_file(fs::path(KEEPSAKE_ASSETS) / "models/flowers/unet/config.json");
    narrow["cross_attention_dim"] = 64;
    write_bytes(config, narrow.dump());
    expect_refused(unet({"--config", config.string()}), 1,
                   "--config: is of a U-Net for text of width 64, and the text encoder's has 192");
    for (int i = 0; i < 6; ++i) fs::remove(photos / ("photo" + std::to_string(i) + ".txt"));
    expect_refused(unet(), 1, "none of its pictures has a caption");
}

TEST_F(Train, AFullDiskIsOneLineAndLosesNothing) {
    ASSERT_EQ(run_program(vae()).status, 0);
    const std::string before = read_file(out / "checkpoint.safetensors");
    ProgramOptions full;
    full.largest_file = before.size() / 2;
    const ProgramRun run = run_program(vae({"--restart", "--tune", "3"}), full);
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.error_lines().size(), 1u) << run.err;
}

TEST(NetworkConfigs, ReadAgainTheyAreWhatTheyWere) {
    const fs::path model = fs::path(KEEPSAKE_ASSETS) / "models/flowers";
    const auto unet = pipeline::UNetConfig::from_json(editor::read_network_config(model, "unet"));
    const auto again = pipeline::UNetConfig::from_json(editor::config_json(unet));
    EXPECT_EQ(editor::config_json(unet), editor::config_json(again));
    EXPECT_EQ(again.num_heads, unet.num_heads);
    EXPECT_EQ(again.down_attention, unet.down_attention);
    EXPECT_EQ(again.up_attention, unet.up_attention);
    const auto vae = pipeline::VaeConfig::from_json(editor::read_network_config(model, "vae"));
    const auto vae_again = pipeline::VaeConfig::from_json(editor::config_json(vae, 128));
    EXPECT_EQ(editor::config_json(vae, 128), editor::config_json(vae_again, 128));
    EXPECT_EQ(vae_again.scaling_factor, vae.scaling_factor);
}

}  // namespace
}  // namespace keepsake::testing
