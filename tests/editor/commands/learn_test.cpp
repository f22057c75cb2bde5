// `keepsake learn` through the real program, on the bundled model at its smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class Learn : public ::testing::Test {
  protected:
    Learn() {
        fs::create_directory(photos);
        for (int i = 0; i < 3; ++i)
            save_photo(photos / ("photo" + std::to_string(i) + ".png"), quarters(80 + 8 * i, 64));
    }

    Arguments with(const Arguments& arguments, const Arguments& more) const {
        const Arguments small = {"--tune", "4",          "--rank", "2",         "--size",
                                 "64",     "--every",    "0",      "--threads", "1",
                                 "--out",  out.string(), "--quiet"};
        return joined(arguments, small, more);
    }
    Arguments subject(const Arguments& more = {}) const {
        return with({"learn", "subject", photos.string(), "--token", "sks flower"}, more);
    }
    Arguments captions(const Arguments& more = {}) const {
        return with({"learn", "captions", photos.string()}, more);
    }
    void expect_refused(const Arguments& arguments, int status, const std::string& part) const {
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
        EXPECT_FALSE(fs::exists(out / "run.json"));
    }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "run";
    const fs::path lora = out / "sks-flower.safetensors";
};

void expect_same_file(const fs::path& a, const fs::path& b) {
    EXPECT_TRUE(read_file(a) == read_file(b)) << a << " and " << b << " differ";
}

TEST_F(Learn, ASubjectBecomesALoraThatNeighboursRead) {
    const Arguments more = {"--text-encoder",
                            "--class",
                            "flower",
                            "--class-pictures",
                            "2",
                            "--every",
                            "2",
                            "--alpha",
                            "1",
                            "--dropout",
                            "0.25"};
    const ProgramRun run = run_program(subject(more));
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, lora.string() + "\n" + (out / "samples" / "sheet.png").string() + "\n");
    const pipeline::SafetensorsFile file(lora);
    EXPECT_TRUE(file.tensors().contains(
        "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"));
    EXPECT_TRUE(file.tensors().contains(
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"));
    EXPECT_EQ(file.metadata().at("ss_network_module"), "networks.lora");
    EXPECT_EQ(file.metadata().at("ss_network_dim"), "2");
    EXPECT_EQ(file.metadata().at("ss_network_alpha"), "1");
    EXPECT_EQ(file.metadata().at("ss_network_dropout"), "0.25");
    EXPECT_EQ(file.read("lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha", at::kFloat)
                  .item<float>(),
              1);
    EXPECT_EQ(file.metadata().at("ss_steps"), "4");
    EXPECT_EQ(file.metadata().at("ss_num_reg_images"), "2");
    EXPECT_EQ(file.metadata().at("modelspec.trigger_phrase"), "sks flower");
    EXPECT_TRUE(nlohmann::json::parse(file.metadata().at("ss_tag_frequency")).is_object());
    for (const char* name :
         {"run.json", "log.jsonl", "checkpoint.safetensors",
          "checkpoints/sks-flower-step000002.safetensors", "samples/step-000000-1.png",
          "samples/step-000004-5.png", "class/class-0002.png"})
        EXPECT_TRUE(fs::exists(out / name)) << name;
    // Once more: nothing is left to do, and the same file comes of it.
    const std::string before = read_file(lora);
    EXPECT_EQ(run_program(subject(more)).status, 0);
    EXPECT_TRUE(before == read_file(lora));
}

TEST_F(Learn, AKilledRunGoesOnWithTheSameNumbers) {
    const fs::path whole = folder.path / "whole";
    const Arguments more = {"--tune", "30", "--text-encoder"};
    Arguments other = subject(more);
    other.insert(other.end(), {"--out", whole.string()});
    ASSERT_EQ(run_program(other).status, 0);
    {
        Program program(subject(more));
        // Stopped in order while it learns, or as it may be before; killed then.
        std::this_thread::sleep_for(std::chrono::milliseconds(1500));
        program.signal(SIGINT);
        const ProgramRun stopped = program.wait();
        // Before it listens, a signal ends it at once.
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0 || stopped.status == -SIGINT)
            << stopped.status << stopped.err;
    }
    {
        Program program(subject(more));
        std::this_thread::sleep_for(std::chrono::milliseconds(800));
        program.signal(SIGKILL);
        program.wait();
    }
    ASSERT_EQ(run_program(subject(more)).status, 0);
    expect_same_file(whole / "sks-flower.safetensors", lora);
}

TEST_F(Learn, CaptionsOfAllWeightsBecomeAModel) {
    for (int i = 0; i < 3; ++i)
        write_bytes(photos / ("photo" + std::to_string(i) + ".txt"), "a photo of a rose");
    const ProgramRun run = run_program(
        captions({"--all-weights", "--ema", "--name", "mine", "--tune", "2", "--json"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const auto line = nlohmann::json::parse(run.out);
    EXPECT_EQ(line.at("file"), (out / "mine").string());
    EXPECT_EQ(line.at("steps"), 2);
    EXPECT_TRUE(line.at("loss").at("after").is_number());
    const ProgramRun drawn =
        run_program({"generate", "a photo of a rose", "--model", (out / "mine").string(), "--steps",
                     "2", "--sampler", "ddim", "--size", "64", "--out",
                     (folder.path / "a.png").string(), "--quiet"});
    EXPECT_EQ(drawn.status, 0) << drawn.err;
}

TEST_F(Learn, CheckSaysWhatWouldBeLearned) {
    const ProgramRun run = run_program(subject({"--check", "--buckets", "--class", "flower"}));
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("pictures: 3, 3 in a round\n"), std::string::npos) << run.out;
    EXPECT_NE(run.out.find("3 of 3 have none: \"a photo of sks flower\"\n"), std::string::npos);
    EXPECT_NE(run.out.find("class: 100 pictures drawn by the model, \"a photo of flower\"\n"),
              std::string::npos);
    EXPECT_NE(run.out.find("learns: "), std::string::npos);
    EXPECT_NE(run.out.find("memory: about "), std::string::npos);
    const auto time = run.out.find("time: about ");
    ASSERT_NE(time, std::string::npos) << run.out;
    EXPECT_GT(std::atof(run.out.c_str() + time + 12), 0) << run.out.substr(time);
    EXPECT_FALSE(fs::exists(out));
}

TEST_F(Learn, WrongUsageAndBadInputAreOneLine) {
    expect_refused({"learn"}, 2, "command: is missing; one of ");
    expect_refused({"learn", "magic"}, 2, "command: 'magic' is unknown; one of ");
    expect_refused({"learn", "subject", photos.string()}, 2, "--token is required");
    expect_refused(subject({"--token", " "}), 2, "--token: is empty");
    expect_refused(subject({"--rank", "0"}), 2, "--rank: 0 is not between 1 and 4096");
    expect_refused(subject({"--targets", "x"}), 2, "--targets: 'x' is none of all, attention");
    expect_refused(subject({"--class-pictures", "3"}), 2, "--class-pictures: is only for --class");
    expect_refused(subject({"--prior", "x", "--class", "flower"}), 2, "--prior: 'x' is none of");
    expect_refused(subject({"--precision", "bfloat16"}), 2, "--precision: bfloat16 is for drawing");
    expect_refused(subject({"--size", "72"}), 1, "--size: 72 is no multiple of 32");
    std::string long_token;
    for (int i = 0; i < 80; ++i) long_token += "rose ";
    expect_refused(subject({"--token", long_token}), 1,
                   "--token: is longer than the 77 tokens that the model sees");
    expect_refused(captions(), 1, "none of its pictures has a caption");
    expect_refused(with({"learn", "captions", (folder.path / "gone").string()}, {}), 1,
                   "gone: is not there");
    write_bytes(folder.path / "prompts.txt", "a --w x\n");
    expect_refused(subject({"--sample-prompts", (folder.path / "prompts.txt").string()}), 1,
                   "prompts.txt line 1: --w 'x' is no number");
    fs::create_directory(out);
    write_bytes(out / "precious.txt", "precious");
    expect_refused(subject(), 1, "is a folder with other things in it ('precious.txt')");
    EXPECT_EQ(read_file(out / "precious.txt"), "precious");
}

TEST_F(Learn, AFullDiskAtACheckpointLosesNothing) {
    ASSERT_EQ(run_program(subject({"--tune", "2"})).status, 0);
    const std::string before = read_file(out / "checkpoint.safetensors");
    ProgramOptions full;
    full.largest_file = before.size() / 2;
    const ProgramRun run = run_program(subject({"--tune", "2", "--restart", "--rank", "4"}), full);
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.error_lines().size(), 1u) << run.err;
    EXPECT_NE(run.err.find("checkpoint.safetensors"), std::string::npos) << run.err;
    EXPECT_EQ(run_program(subject({"--tune", "2", "--restart"})).status, 0);
    EXPECT_TRUE(fs::exists(lora));
}

}  // namespace
}  // namespace keepsake::testing
