// Training by several processes over MPI, through the real program under mpirun, on this machine.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_clip.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

#ifndef KEEPSAKE_MPIRUN
#define KEEPSAKE_MPIRUN ""
#endif

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// How far the weights of two files are apart, as the root of the mean square.
double apart(const fs::path& a, const fs::path& b) {
    const pipeline::TensorMap of_a = pipeline::read_safetensors(a),
                              of_b = pipeline::read_safetensors(b);
    EXPECT_EQ(of_a.size(), of_b.size());
    double sum = 0, count = 0;
    for (const auto& [name, tensor] : of_a) {
        const at::Tensor difference = tensor.to(at::kDouble) - of_b.at(name).to(at::kDouble);
        sum += difference.square().sum().item<double>();
        count += static_cast<double>(tensor.numel());
    }
    return std::sqrt(sum / count);
}

std::vector<double> losses_of(const fs::path& run) {
    std::vector<double> losses;
    for (const json& line : json_lines(read_file(run / "log.jsonl")))
        if (line.contains("loss")) losses.push_back(line["loss"]);
    return losses;
}

// What the program said, without mpirun's own words.
std::vector<std::string> own_lines(const ProgramRun& run) {
    std::vector<std::string> lines;
    for (const std::string& line : run.error_lines())
        if (line.starts_with("keepsake: ")) lines.push_back(line);
    return lines;
}

class ManyMachines : public ::testing::Test {
  protected:
    ManyMachines() {
        fs::create_directory(photos);
        for (int i = 0; i < 8; ++i) {
            const std::string name = "photo" + std::to_string(i);
            save_photo(photos / (name + ".png"), quarters(48 + 8 * i, 48));
            write_bytes(photos / (name + ".txt"), i % 2 ? "a red rose" : "a daisy at night");
        }
        const json vae = {{"block_out_channels", {8, 16}},
                          {"down_block_types", {"DownEncoderBlock2D", "DownEncoderBlock2D"}},
                          {"up_block_types", {"UpDecoderBlock2D", "UpDecoderBlock2D"}},
                          {"layers_per_block", 1},
                          {"latent_channels", 4},
                          {"norm_num_groups", 4}};
        write_bytes(config, vae.dump());
    }
    void SetUp() override {
        if (std::string(KEEPSAKE_MPIRUN).empty()) GTEST_SKIP() << "built without MPI";
    }
    static ProgramOptions processes(int count) {
        ProgramOptions options;
        // Alone it is not started by mpirun.
        if (count > 1)
            options.launcher = {KEEPSAKE_MPIRUN, "--oversubscribe", "-n", std::to_string(count)};
        options.environment = {{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                               {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                               // Containers forbid it, and then every process says so.
                               {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"}};
        return options;
    }
    Arguments train(const std::string& what, const fs::path& out, const Arguments& more) const {
        return joined({"train", what, photos.string(), "--out", out.string()},
                      {"--threads", "1", "--size", "64", "--held-out", "20", "--learning-rate",
                       "1e-3", "--warm-up", "0"},
                      more);
    }
    Arguments vae(const fs::path& out, const Arguments& more) const {
        return joined(train("vae", out, {"--config", config.string()}), more);
    }
    fs::path out(int count) const { return folder.path / ("run" + std::to_string(count)); }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", config = folder.path / "vae.json";
};

const fs::path autoencoder = fs::path("vae") / "diffusion_pytorch_model.safetensors";

TEST_F(ManyMachines, TwoAndThreeProcessesTrainTheAutoencoderThatOneWould) {
    for (const int count : {1, 2, 3}) {
        // Of 5 pictures the parts are uneven, and the last batch of a round has fewer.
        const ProgramRun run =
            run_program(vae(out(count), {"--tune=5", "--batch", "5", "--every", "3", "--quiet"}),
                        processes(count));
        ASSERT_EQ(run.status, 0) << run.err;
        EXPECT_EQ(own_lines(run).size(), 0u) << run.err;
        EXPECT_EQ(run.out, (out(count) / "vae").string() + "\n" +
                               (out(count) / "samples" / "step-000005.png").string() + "\n")
            << "the first alone speaks";
        // A number moves by up to 5e-3.
        EXPECT_LT(apart(out(1) / autoencoder, out(count) / autoencoder), 2e-5) << count;
        const std::vector<double> wanted = losses_of(out(1)), found = losses_of(out(count));
        ASSERT_EQ(found.size(), 5u);
        for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(found[i], wanted[i], 1e-5) << i;
    }
}

// Process `rank` of those that work in `run`.
pid_t find_process(const fs::path& run, int rank) {
    const std::string mark = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const int pid = std::atoi(entry.path().filename().c_str());
        if (pid <= 0) continue;
        const auto holds = [&](const char* file, const std::string& text) {
            std::ifstream stream(entry.path() / file, std::ios::binary);
            std::ostringstream all;
            all << stream.rdbuf();
            return all.str().find(text + '\0') != std::string::npos;
        };
        if (holds("environ", mark) && holds("cmdline", run.string())) return pid;
    }
    return -1;
}

TEST_F(ManyMachines, AProcessThatDiesEndsAllInOneSentenceAndTheRunGoesOn) {
    const Arguments more = {"--tune=40", "--batch", "4", "--every", "0"};
    const fs::path whole = folder.path / "whole", run = folder.path / "run";
    ASSERT_EQ(run_program(vae(whole, more)).status, 0);
    std::int64_t before = 0;
    for (const int killed : {1, -1}) {  // a process; then Ctrl-C, which mpirun passes on
        Program program(vae(run, more), processes(2));
        ASSERT_TRUE(program.wait_for_error_text("vae: ")) << program.wait().err;
        if (killed < 0) {
            program.signal(SIGINT);
        } else {
            const pid_t process = find_process(run, killed);
            ASSERT_GT(process, 0);
            ::kill(process, SIGKILL);
        }
        const ProgramRun ended = program.wait();
        EXPECT_NE(ended.status, 0);
        if (killed > 0) {
            ASSERT_EQ(own_lines(ended).size(), 1u) << ended.err;
            EXPECT_NE(
                ended.err.find("keepsake: stopped while another process had ended or was still "
                               "at work; the same command goes on with what is saved\n"),
                std::string::npos)
                << ended.err;
        }
        const pipeline::SafetensorsFile checkpoint(run / "checkpoint.safetensors");
        const std::int64_t steps = std::stoll(checkpoint.metadata().at("steps"));
        EXPECT_GT(steps, before);
        before = steps;
    }
    // Another number of processes goes on, with the numbers of a run that never stopped.
    const ProgramRun last = run_program(vae(run, more), processes(3));
    ASSERT_EQ(last.status, 0) << last.err;
    EXPECT_LT(apart(whole / autoencoder, run / autoencoder), 1e-3);  // a number moves by some 3e-2
    const std::vector<double> wanted = losses_of(whole), found = losses_of(run);
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], wanted[i], 1e-3 * wanted[i]) << i;
}

TEST_F(ManyMachines, AUNetAndACLIPAsWell) {
    const fs::path clip = folder.path / "clip.json";
    write_bytes(clip, tiny_clip().dump());
    for (const int count : {1, 2}) {
        const ProgramRun unet = run_program(
            train("unet", out(count), {"--tune=3", "--batch", "4", "--every", "0", "--quiet"}),
            processes(count));
        ASSERT_EQ(unet.status, 0) << unet.err;
        const fs::path other = folder.path / ("clip" + std::to_string(count));
        const ProgramRun pairs = run_program(
            {"train", "clip", photos.string(), "--config", clip.string(), "--out", other.string(),
             "--tune=6", "--batch", "4", "--threads", "1", "--warm-up", "0", "--quiet"},
            processes(count));
        ASSERT_EQ(pairs.status, 0) << pairs.err;
    }
    const fs::path weights = fs::path("unet") / "unet" / "diffusion_pytorch_model.safetensors";
    EXPECT_LT(apart(out(1) / weights, out(2) / weights), 2e-5);
    EXPECT_LT(apart(folder.path / "clip1" / "clip" / "model.safetensors",
                    folder.path / "clip2" / "clip" / "model.safetensors"),
              2e-5);
}

TEST_F(ManyMachines, BothStudentsOfTheirStages) {
    for (const int count : {1, 2}) {
        Arguments all = {"distil", "steps", photos.string(), "--out", out(count).string()};
        for (const char* argument :
             {"--steps", "2", "--teacher-steps", "8", "--tune=2", "--batch", "3", "--size", "64",
              "--every", "0", "--learning-rate", "1e-3", "--threads", "1", "--quiet"})
            all.emplace_back(argument);
        const ProgramRun run = run_program(all, processes(count));
        ASSERT_EQ(run.status, 0) << run.err;
    }
    const fs::path weights =
        fs::path("student-2-steps") / "unet" / "diffusion_pytorch_model.safetensors";
    EXPECT_LT(apart(out(1) / weights, out(2) / weights), 1e-4);
}

TEST_F(ManyMachines, WhatIsWrongIsSaidOnce) {
    const auto said = [&](const Arguments& arguments, int status) {
        const ProgramRun run = run_program(arguments, processes(2));
        EXPECT_EQ(run.status, status) << run.err;
        const auto lines = own_lines(run);
        EXPECT_EQ(lines.size(), 1u) << run.err;
        return lines.empty() ? "" : lines[0];
    };
    EXPECT_NE(said({"train", "vae", (folder.path / "gone").string(), "--out", out(1).string()}, 1)
                  .find("gone: is not there"),
              std::string::npos);
    // One process with other options than the first.
    const Arguments both = joined(vae(out(2), {"--tune=3", "--every", "0", "--quiet"}),
                                  {":", "-n", "1", KEEPSAKE_BINARY},
                                  vae(out(2), {"--tune=4", "--every", "0", "--quiet"}));
    ProgramOptions each = processes(2);
    each.launcher.back() = "1";
    const ProgramRun run = run_program(both, each);
    EXPECT_EQ(run.status, 1) << run.err;
    ASSERT_EQ(own_lines(run).size(), 1u) << run.err;
    EXPECT_TRUE(own_lines(run)[0].starts_with("keepsake: process 1 on ")) << run.err;
    EXPECT_NE(run.err.find("the pictures, model or options of this process are not those of the "
                           "first"),
              std::string::npos);
}

}  // namespace
}  // namespace keepsake::testing
