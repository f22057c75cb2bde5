// `keepsake distil` through the real program, on the bundled model at its smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

class DistilCommand : public ::testing::Test {
  protected:
    DistilCommand() {
        write_bytes(prompts, "# two\na photo of a red rose\n\n a photo of a yellow tulip \r\n");
    }

    Arguments with(const Arguments& arguments, const Arguments& more) const {
        const Arguments small = {
            "--prompts", prompts.string(), "--drawn", "2",       "--tune", "2",         "--batch",
            "2",         "--size",         "64",      "--every", "0",      "--threads", "1",
            "--out",     out.string(),     "--quiet"};
        return joined(arguments, small, more);
    }
    // Two students: of 4 steps and of 2.
    Arguments steps(const Arguments& more = {}) const {
        return with({"distil", "steps", "--steps", "2", "--teacher-steps", "8"}, more);
    }
    ProgramRun generate(const fs::path& model, const Arguments& more = {}) const {
        return run_program(
            joined({"generate", "a photo of a red rose", "--model", model.string(), "--size", "64",
                    "--out", (folder.path / "drawn.png").string(), "--threads", "1", "--quiet"},
                   more));
    }
    void expect_refused(const Arguments& arguments, int status, const std::string& part) const {
        expect_refusal(run_program(arguments), status, part);
        EXPECT_FALSE(fs::exists(out / "run.json"));
    }
    static void expect_refusal(const ProgramRun& run, int status, const std::string& part) {
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    }
    static nlohmann::json json_of(const fs::path& path) {
        return nlohmann::json::parse(read_file(path));
    }

    const TemporaryFolder folder;
    const fs::path prompts = folder.path / "prompts.txt", out = folder.path / "run";
};

TEST_F(DistilCommand, HalvingTwiceLeavesAStudentThatKnowsItsSteps) {
    const ProgramRun run = run_program(steps({"--guidance", "1:6", "--json", "--every", "1",
                                              "--save-precision", "bfloat16", "--name", "quick"}));
    ASSERT_EQ(run.status, 0) << run.err;
    const nlohmann::json line = nlohmann::json::parse(run.out);
    const fs::path model = out / "quick";
    EXPECT_EQ(line.at("file"), model.string());
    EXPECT_EQ(line.at("updates"), 4);
    ASSERT_EQ(line.at("stages").size(), 2u);
    EXPECT_EQ(line["stages"][0].at("name"), "steps-4");
    EXPECT_EQ(line["stages"][1].at("name"), "steps-2");
    for (const auto& stage : line["stages"]) {
        EXPECT_GT(stage.at("loss").at("before"), 0);
        EXPECT_NE(stage["loss"]["before"], stage["loss"].at("after"));
    }
    for (const char* name :
         {"run.json", "log.jsonl", "checkpoint.safetensors", "latents/drawn-000001.safetensors",
          "students/steps-4.safetensors", "samples/step-000000-1.png", "samples/step-000004-2.png"})
        EXPECT_TRUE(fs::exists(out / name)) << name;

    const nlohmann::json scheduler = json_of(model / "scheduler" / "scheduler_config.json");
    EXPECT_EQ(scheduler.at("_class_name"), "DDIMScheduler");
    EXPECT_EQ(scheduler.at("timestep_spacing"), "trailing");
    EXPECT_EQ(scheduler.at("prediction_type"), "v_prediction");
    EXPECT_EQ(scheduler.at("set_alpha_to_one"), true);
    EXPECT_EQ(json_of(model / "model_index.json").at("scheduler")[1], "DDIMScheduler");
    EXPECT_EQ(json_of(model / "unet" / "config.json").at("time_cond_proj_dim"), 256);
    const nlohmann::json own = json_of(model / "keepsake.json");
    EXPECT_EQ(own.at("sample"), nlohmann::json::parse(R"({"sampler": "ddim", "steps": 2,
        "guidance_scale": 3.0, "spacing": "trailing"})"));
    EXPECT_EQ(own.at("student"), nlohmann::json::parse(R"({"steps": 2, "guidance": [1.0, 6.0]})"));
    EXPECT_TRUE(own.contains("fast"));
    const pipeline::SafetensorsFile weights(model / unet_weights);
    EXPECT_EQ(weights.tensors().at("time_embedding.cond_proj.weight").dtype, at::kBFloat16);

    // By itself it draws with its own steps, and says which they are.
    EXPECT_EQ(generate(model).status, 0);
    expect_refusal(generate(model, {"--steps", "5"}), 1,
                   "--steps: 5; this model was taught 2 alone");
    expect_refusal(generate(model, {"--sampler", "euler"}), 1,
                   "--sampler: euler; this model was taught the steps of ddim alone");
    expect_refusal(generate(model, {"--spacing", "leading"}), 1,
                   "--spacing: leading; this model was taught trailing alone");
    expect_refusal(generate(model, {"--guidance", "7.5"}), 1,
                   "--guidance: 7.5; this model was taught 1 to 6");
    // It may be a teacher, too, of what it was taught.
    expect_refusal(run_program(with({"distil", "steps", "--from", model.string(), "--steps", "1",
                                     "--teacher-steps", "4"},
                                    {"--out", (folder.path / "b").string()})),
                   1, "--teacher-steps: 4; the teacher was taught 2 steps alone");
    const ProgramRun next = run_program(
        with({"distil", "steps", "--from", model.string(), "--steps", "1", "--teacher-steps", "2"},
             {"--out", (folder.path / "b").string()}));
    ASSERT_EQ(next.status, 0) << next.err;
    EXPECT_EQ(generate(folder.path / "b" / "student-1-step", {"--guidance", "2"}).status, 0);
}

TEST_F(DistilCommand, AKilledRunGoesOnWithTheSameNumbers) {
    const fs::path whole = folder.path / "whole";
    const Arguments more = {"--tune", "8"};
    Arguments other = steps(more);
    other.insert(other.end(), {"--out", whole.string()});
    ASSERT_EQ(run_program(other).status, 0);
    for (const auto& [wait, signal] : {std::pair(1500, SIGINT), {1500, SIGKILL}}) {
        Program program(steps(more));
        std::this_thread::sleep_for(std::chrono::milliseconds(wait));
        program.signal(signal);
        const ProgramRun stopped = program.wait();
        // Before it listens, a signal ends it at once.
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0 || stopped.status == -signal)
            << stopped.status << stopped.err;
    }
    ASSERT_EQ(run_program(steps(more)).status, 0);
    EXPECT_TRUE(read_file(whole / "student-2-steps" / unet_weights) ==
                read_file(out / "student-2-steps" / unet_weights));
    for (const char* name : {"students/steps-4.safetensors", "log.jsonl"})
        EXPECT_TRUE(read_file(whole / name) == read_file(out / name)) << name;
    // Guidance is in it for good.
    expect_refusal(generate(out / "student-2-steps", {"--guidance", "3"}), 1,
                   "--guidance: 3; this model was taught 0 to 1");
    // Once more: nothing is left to do. Another recipe is another run.
    EXPECT_EQ(run_program(steps(more)).status, 0);
    expect_refusal(run_program(steps({"--tune", "9"})), 1, "was begun with tune 8, not 9");
    write_bytes(out / "students" / "steps-4.safetensors", "damaged");
    expect_refusal(run_program(steps(more)), 1, "steps-4.safetensors");
}

TEST_F(DistilCommand, GuidanceAsAnInputOfPicturesWithCaptions) {
    const fs::path pictures = folder.path / "pictures";
    fs::create_directory(pictures);
    for (int i = 0; i < 2; ++i) {
        save_photo(pictures / ("p" + std::to_string(i) + ".png"), quarters(80 + 8 * i, 64));
        write_bytes(pictures / ("p" + std::to_string(i) + ".txt"), "a photo of a rose");
    }
    const Arguments arguments = {
        "distil",    "guidance", pictures.string(), "--mirror",   "--tune",  "2",
        "--batch",   "2",        "--size",          "64",         "--every", "0",
        "--threads", "1",        "--out",           out.string(), "--quiet"};
    const ProgramRun run = run_program(arguments);
    ASSERT_EQ(run.status, 0) << run.err;
    const fs::path model = out / "student-guidance";
    EXPECT_EQ(run.out, model.string() + "\n");
    EXPECT_EQ(json_of(model / "keepsake.json").at("student"),
              nlohmann::json::parse(R"({"guidance": [1.0, 6.0]})"));
    EXPECT_EQ(json_of(model / "scheduler" / "scheduler_config.json").at("_class_name"),
              "PNDMScheduler");
    // In the precision of the rest of the folder.
    EXPECT_EQ(pipeline::SafetensorsFile(model / unet_weights).tensors().at("conv_in.bias").dtype,
              at::kHalf);
    EXPECT_EQ(generate(model, {"--steps", "2"}).status, 0);
    expect_refusal(run_program({"distil", "guidance", "--from", model.string(), "--prompts",
                                prompts.string(), "--out", (folder.path / "b").string()}),
                   1, "takes guidance as an input already");
}

TEST_F(DistilCommand, ConsistencyLeavesALoraOrAModelForLcm) {
    const ProgramRun run = run_program(with({"distil", "consistency", "--rank", "2"}, {}));
    ASSERT_EQ(run.status, 0) << run.err;
    const fs::path lora = out / "lcm-lora.safetensors";
    EXPECT_EQ(run.out, lora.string() + "\n");
    const pipeline::SafetensorsFile file(lora);
    EXPECT_TRUE(file.tensors().contains("lora_unet_down_blocks_0_resnets_0_conv1.lora_up.weight"));
    EXPECT_TRUE(
        file.tensors().contains("lora_unet_mid_block_resnets_0_time_emb_proj.lora_down.weight"));
    EXPECT_EQ(file.metadata().at("ss_network_dim"), "2");
    const ProgramRun other_sampler = generate(flowers, {"--lora", lora.string(), "--steps", "2"});
    EXPECT_EQ(other_sampler.status, 0);
    EXPECT_NE(other_sampler.err.find("made for --sampler lcm --steps 2 to 8 --guidance 1 to 2"),
              std::string::npos)
        << other_sampler.err;
    EXPECT_EQ(generate(flowers, {"--lora", lora.string(), "--sampler", "lcm", "--steps", "2",
                                 "--guidance", "1"})
                  .status,
              0);
    const fs::path other = folder.path / "all";
    ASSERT_EQ(run_program(with({"distil", "consistency", "--all-weights"},
                               {"--out", other.string(), "--name", "lcm"}))
                  .status,
              0);
    EXPECT_EQ(json_of(other / "lcm" / "scheduler" / "scheduler_config.json").at("_class_name"),
              "LCMScheduler");
    EXPECT_EQ(json_of(other / "lcm" / "keepsake.json").at("sample").at("sampler"), "lcm");
    EXPECT_EQ(generate(other / "lcm").status, 0);
}

TEST_F(DistilCommand, CheckSaysWhatWouldBeLearned) {
    const ProgramRun run = run_program(
        {"distil", "steps", "--prompts", prompts.string(), "--check", "--out", out.string()});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("prompts: 2, of which the teacher draws 1024 pictures\n"),
              std::string::npos)
        << run.out;
    EXPECT_NE(run.out.find("steps: 32 -> 16 -> 8 -> 4\n"), std::string::npos) << run.out;
    EXPECT_NE(run.out.find("guidance: 3, taught the student for good\n"), std::string::npos);
    EXPECT_NE(run.out.find("updates: 2000 of 16 samples for each of 3 students\n"),
              std::string::npos);
    EXPECT_FALSE(fs::exists(out));
}

TEST_F(DistilCommand, WrongUsageAndBadInputAreOneLine) {
    expect_refused({"distil"}, 2, "command: is missing; one of ");
    expect_refused({"distil", "magic"}, 2, "command: 'magic' is unknown; one of ");
    expect_refused({"distil", "steps"}, 2, "pictures: are missing: give pictures with captions");
    expect_refused({"distil", "steps", "a", "--drawn", "3"}, 2, "--drawn: is only for --prompts");
    expect_refused(steps({"--steps", "0"}), 2, "--steps: 0 is not between 1 and 500");
    expect_refused(steps({"--tune", "0"}), 2, "--tune: 0 is not between 1 and");
    expect_refused(steps({"--precision", "bfloat16"}), 2, "--precision: bfloat16 is for drawing");
    expect_refused(steps({"--guidance", "x"}), 2, "--guidance: 'x' is neither G nor LOW:HIGH");
    expect_refused(steps({"--guidance", "6:2"}), 2, "--guidance: '6:2' goes down");
    expect_refused(steps({"--save-precision", "int8"}), 2, "--save-precision: 'int8' is none of");
    expect_refused(with({"distil", "consistency", "--all-weights", "--rank", "4"}, {}), 2,
                   "--rank: is of a LoRA");
    expect_refused(steps({"--teacher-steps", "6"}), 1,
                   "--teacher-steps: 6 is not 2 doubled: 4, 8, ...");
    expect_refused(steps({"--teacher-steps", "1024"}), 1,
                   "--teacher-steps: 1024 is more than the model's 1000 timesteps");
    expect_refused(steps({"--size", "72"}), 1, "--size: 72 is no multiple of 32");
    expect_refused(steps({"--prompts", (folder.path / "gone.txt").string()}), 1, "gone.txt");
    write_bytes(folder.path / "empty.txt", "# nothing\n");
    expect_refused(steps({"--prompts", (folder.path / "empty.txt").string()}), 1,
                   "empty.txt: holds no prompt");
    // Of a beginning that is nothing but noise, a prediction of the noise says nothing.
    const fs::path model = folder.path / "noise";
    link_model(model);
    nlohmann::json config = json_of(flowers / "scheduler" / "scheduler_config.json");
    config["prediction_type"] = "epsilon";
    config["rescale_betas_zero_snr"] = true;
    replace_file(model / "scheduler" / "scheduler_config.json", config.dump());
    expect_refused(steps({"--from", model.string()}), 1,
                   "noise: predicts noise and begins with nothing but noise");
    fs::create_directory(out);
    write_bytes(out / "precious.txt", "precious");
    expect_refused(steps(), 1, "is a folder with other things in it ('precious.txt')");
}

}  // namespace
}  // namespace keepsake::testing
