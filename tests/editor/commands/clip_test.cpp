// `keepsake train clip` and `keepsake score` through the real program, at their smallest.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "editor/photo/photo.h"
#include "optimize/scratch/clip.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/open_clip_layout.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_clip.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class TrainClip : public ::testing::Test {
  protected:
    TrainClip() {
        fs::create_directory(photos);
        for (int i = 0; i < 6; ++i) {
            const std::string name = "photo" + std::to_string(i);
            save_photo(photos / (name + ".png"), quarters(48 + 8 * i, 48));
            write_bytes(photos / (name + ".txt"), i % 2 ? "a red rose" : "a daisy at night");
        }
        write_bytes(config, tiny_clip().dump());
    }
    Arguments train(const fs::path& to, const std::string& steps) const {
        return {
            "train",     "clip", photos.string(), "--config", config.string(), "--out", to.string(),
            "--tune",    steps,  "--batch",       "4",        "--held-out",    "20",    "--quiet",
            "--threads", "1",    "--json"};
    }

    const TemporaryFolder folder;
    const fs::path photos = folder.path / "photos", out = folder.path / "run",
                   config = folder.path / "clip.json";
};

TEST_F(TrainClip, KilledItGoesOnWithTheSameNumbersAndScores) {
    const fs::path whole = folder.path / "whole";
    const ProgramRun once = run_program(train(whole, "40"));
    ASSERT_EQ(once.status, 0) << once.err;
    for (const int signal : {SIGINT, SIGKILL}) {
        Program program(train(out, "40"));
        std::this_thread::sleep_for(std::chrono::milliseconds(signal == SIGINT ? 1200 : 800));
        program.signal(signal);
        const ProgramRun stopped = program.wait();
        EXPECT_TRUE(stopped.status == 130 || stopped.status == 0 || stopped.status < 0)
            << stopped.status << stopped.err;
    }
    const ProgramRun last = run_program(train(out, "40"));
    ASSERT_EQ(last.status, 0) << last.err;
    json line = json::parse(last.out);
    EXPECT_EQ(line.at("steps"), 40);
    EXPECT_EQ(line.at("loss"), json::parse(once.out).at("loss"));
    EXPECT_TRUE(read_file(whole / "clip/model.safetensors") ==
                read_file(out / "clip/model.safetensors"));
    const ProgramRun scored =
        run_program({"score", (photos / "photo1.png").string(), "a red rose", "a daisy at night",
                     "--clip", (out / "clip").string(), "--json", "--threads", "1"});
    ASSERT_EQ(scored.status, 0) << scored.err;
    line = json::parse(scored.out);
    EXPECT_EQ(line.at("model"), "run/clip");
    EXPECT_NE(line.at("scores")[0].at("cosine"), line.at("scores")[1].at("cosine"));
}

TEST_F(TrainClip, ItMayHaveWordsOfItsOwn) {
    // The build is a folder with a vocabulary of letters and one merge.
    const fs::path build = folder.path / "build";
    fs::create_directory(build);
    const json whole =
        read_json_file(fs::path(KEEPSAKE_ASSETS) / "models/flowers/tokenizer/vocab.json");
    json letters = {{"re", 512}, {"<|startoftext|>", 513}, {"<|endoftext|>", 514}};
    for (const auto& [token, id] : whole.items())
        if (id < 512) letters[token] = id;
    write_bytes(build / "vocab.json", letters.dump());
    write_bytes(build / "merges.txt", "#version: 0.2\nr e\n");
    json made = tiny_clip();
    made["text_config"]["vocab_size"] = 515;
    made["text_config"]["eos_token_id"] = 514;
    write_bytes(build / "config.json", made.dump());
    Arguments own = train(out, "2");
    own[4] = build.string();
    const ProgramRun run = run_program(own);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(read_file(build / "vocab.json") == read_file(out / "clip" / "vocab.json"));
    EXPECT_EQ(run_program(own).status, 0) << "the run is done";
    // The default model's words are more than this text encoder has.
    Arguments other = own;
    other[4] = (build / "config.json").string();
    const ProgramRun few = run_program(other);
    EXPECT_EQ(few.status, 1);
    EXPECT_NE(few.err.find("--config: its text encoder has fewer tokens than the tokenizer's"),
              std::string::npos)
        << few.err;
    // Other words, another run.
    letters.erase("re");
    letters["ro"] = 512;
    write_bytes(build / "vocab.json", letters.dump());
    write_bytes(build / "merges.txt", "#version: 0.2\nr o\n");
    const ProgramRun changed = run_program(own);
    EXPECT_EQ(changed.status, 1);
    EXPECT_NE(changed.err.find("tokenizer"), std::string::npos) << changed.err;
}

// A CLIP from nothing in transformers' layout, with the bundled model's vocabulary.
class Score : public ::testing::Test {
  protected:
    Score() {
        const json config = tiny_clip();
        fs::create_directory(clip);
        write_bytes(clip / "config.json", config.dump());
        const auto network = optimize::fresh_clip(pipeline::ClipConfig::from_json(config), 3);
        pipeline::write_safetensors(clip / "model.safetensors", network.parameters());
        const fs::path tokenizer = fs::path(KEEPSAKE_ASSETS) / "models/flowers/tokenizer";
        for (const auto& file : fs::directory_iterator(tokenizer))
            fs::copy_file(file.path(), clip / file.path().filename());
        save_photo(photo, quarters(60, 44));
        save_photo(edit, quarters(44, 60));
    }
    ProgramRun score(const Arguments& more) const {
        return run_program(
            joined({"score", photo.string(), "--clip", clip.string(), "--threads", "1"}, more));
    }
    const TemporaryFolder folder;
    const fs::path clip = folder.path / "tiny-clip", photo = folder.path / "photo.png",
                   edit = folder.path / "edit.png";
};

TEST_F(Score, SaysHowPicturesAndTextsGoTogether) {
    const ProgramRun run = score(
        {"a rose", "a daisy", "--json", "--edit", edit.string(), "--source", "a white daisy"});
    ASSERT_EQ(run.status, 0) << run.err;
    const json line = json::parse(run.out);
    EXPECT_EQ(line.at("model"), "tiny-clip");
    ASSERT_EQ(line.at("scores").size(), 2u);
    double shares = 0;
    for (const json& one : line.at("scores")) {
        shares += one.at("probability").get<double>();
        EXPECT_LE(std::abs(one.at("cosine").get<double>()), 1);
        EXPECT_NEAR(one.at("logit"), one.at("cosine").get<double>() / 0.07, 1e-3);
        EXPECT_GE(one.at("clip_score"), 0);
    }
    EXPECT_NEAR(shares, 1, 1e-9);
    EXPECT_NE(line.at("scores")[0].at("cosine"), line.at("scores")[1].at("cosine"));
    EXPECT_NE(line.at("edit").at("scores")[0].at("cosine"), line.at("scores")[0].at("cosine"));
    EXPECT_LE(std::abs(line.at("directional_similarity").get<double>()), 1);
    // Of several templates the mean; of one that says nothing, the text.
    const json plain = json::parse(score({"a rose", "--json", "--template", "{}"}).out);
    EXPECT_EQ(plain.at("scores")[0].at("cosine"), line.at("scores")[0].at("cosine"));
    const ProgramRun text = score({"a rose", "a daisy"});
    EXPECT_NE(text.out.find("model: tiny-clip\n"), std::string::npos) << text.out;
    EXPECT_NE(text.out.find("  cosine "), std::string::npos);
}

// Transformers' tensors under open_clip's names.
pipeline::TensorMap as_open_clip(const pipeline::TensorMap& weights) {
    pipeline::TensorMap result;
    for (const char* from :
         {"logit_scale", "text_projection", "positional_embedding", "token_embedding.weight",
          "ln_final.weight", "ln_final.bias", "visual.class_embedding", "visual.conv1.weight",
          "visual.positional_embedding", "visual.ln_pre.weight", "visual.ln_pre.bias",
          "visual.ln_post.weight", "visual.ln_post.bias", "visual.proj"}) {
        const auto known = pipeline::from_open_clip(from);
        const at::Tensor tensor = weights.at(known.at(0).name);
        result[from] = known[0].transposed ? tensor.t().contiguous() : tensor;
    }
    for (const std::string tower : {"", "visual."})
        for (const char* part :
             {"ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight",
              "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias", "attn.out_proj.weight",
              "attn.out_proj.bias", "attn.in_proj_weight", "attn.in_proj_bias"}) {
            const std::string name = tower + "transformer.resblocks.0." + part;
            std::vector<at::Tensor> pieces;
            for (const auto& one : pipeline::from_open_clip(name))
                pieces.push_back(weights.at(one.name));
            result[name] = at::cat(pieces);
        }
    return result;
}

TEST_F(Score, OpenClipsLayoutWithoutATokenizerSaysTheSame) {
    const fs::path other = folder.path / "laion";
    fs::create_directory(other);
    const json model = {
        {"embed_dim", 8},
        {"quick_gelu", true},
        {"vision_cfg",
         {{"image_size", 32},
          {"patch_size", 16},
          {"width", 16},
          {"head_width", 8},
          {"mlp_ratio", 1.5},
          {"layers", 1}}},
        {"text_cfg", {{"width", 16}, {"heads", 2}, {"mlp_ratio", 1.5}, {"layers", 1}}}};
    write_bytes(other / "open_clip_config.json", json{{"model_cfg", model}}.dump());
    pipeline::write_safetensors(
        other / "open_clip_model.safetensors",
        as_open_clip(pipeline::read_safetensors(clip / "model.safetensors")));
    // A square photo; of another the two cut another middle (tests/editor/edit/score_test.cpp).
    save_photo(photo, quarters(44, 44));
    const ProgramRun run = score({"a rose", "a daisy", "--json"});
    const ProgramRun again = run_program({"score", photo.string(), "a rose", "a daisy", "--clip",
                                          other.string(), "--json", "--threads", "1"});
    ASSERT_EQ(again.status, 0) << again.err;
    const json said = json::parse(again.out), before = json::parse(run.out);
    EXPECT_EQ(said.at("model"), "laion");
    EXPECT_EQ(said.at("scores"), before.at("scores"));
    // It is gone on from, too, and comes out in transformers' layout.
    const fs::path photos = folder.path / "photos", out = folder.path / "run";
    fs::create_directory(photos);
    for (int i = 0; i < 3; ++i) {
        save_photo(photos / ("photo" + std::to_string(i) + ".png"), quarters(40 + 8 * i, 40));
        write_bytes(photos / ("photo" + std::to_string(i) + ".txt"), "rose " + std::to_string(i));
    }
    const ProgramRun on =
        run_program({"train", "clip", photos.string(), "--from", other.string(), "--out",
                     out.string(), "--tune", "1", "--batch", "2", "--quiet", "--threads", "1"});
    ASSERT_EQ(on.status, 0) << on.err;
    EXPECT_EQ(read_json_file(out / "clip" / "config.json").at("vision_config").at("patch_size"),
              16);
    fs::remove(other / "open_clip_model.safetensors");
    const ProgramRun none =
        run_program({"score", photo.string(), "a", "--clip", other.string(), "--threads", "1"});
    EXPECT_EQ(none.status, 1);
    EXPECT_EQ(none.error_lines().size(), 1u) << none.err;
}

TEST_F(Score, WrongUsageAndBadInputAreOneLine) {
    const auto refused = [&](const Arguments& more, int status, const std::string& part) {
        const ProgramRun run = score(more);
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    };
    refused({}, 2, "TEXT is required");
    refused({" "}, 2, "text: is empty");
    refused({"a", "--source", "b"}, 2, "--source: is only for --edit");
    refused({"a", "--template", "b"}, 2, "--template: 'b' has no {} in it");
    refused({"a", "--edit", (folder.path / "gone.png").string()}, 1, "gone.png: ");
    refused({"a", "--clip", photo.string()}, 1, "is no folder of a CLIP model");
    fs::remove(clip / "config.json");
    refused({"a"}, 1, "config.json: ");
    // A default model without one of its own.
    const ProgramRun none =
        run_program({"score", photo.string(), "a"},
                    {.environment = {{"KEEPSAKE_MODEL", (folder.path / "none").string()}}});
    EXPECT_EQ(none.status, 1);
    EXPECT_NE(none.err.find("--clip: is needed"), std::string::npos) << none.err;
}

}  // namespace
}  // namespace keepsake::testing
