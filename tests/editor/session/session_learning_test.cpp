// What a session learns and from where it starts, through the real program.
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/session/session_runs.h"

namespace keepsake::testing {
namespace {

using nlohmann::json;

class SessionLearning : public SessionRuns {};

TEST_F(SessionLearning, ARateThatNothingGivesIsFoundOnceAndKept) {
    const fs::path model = folder.path / "model";  // that says nothing of its rates
    link_model(model);
    fs::remove(model / "keepsake.json");
    const auto found_by_trying = [&](const fs::path& session) {
        std::vector<std::string> arguments = edit(session, {"--model", model.string()});
        const auto rate = std::ranges::find(arguments, "--finetune-lr");
        arguments.erase(rate, rate + 2);
        arguments.erase(std::ranges::find(arguments, "--quiet"));
        return arguments;
    };
    const ProgramRun first = run_program(found_by_trying(whole));
    ASSERT_EQ(first.status, 0) << first.err;
    EXPECT_NE(first.err.find("\nrate: 48 of 48"), std::string::npos) << first.err;
    EXPECT_EQ(editor::load_recipe(whole / "recipe.json").finetune.learning_rate, 0);
    const json losses = json::parse(read_file(whole / "losses.json"));
    const double rate = losses.at("finetune").at("rate").get<double>();
    EXPECT_GT(rate, 0);
    EXPECT_LT(losses.at("finetune").at("after").get<double>(),
              losses.at("finetune").at("before").get<double>());
    std::ostringstream text;
    text << "finetune: 6 steps at " << rate << ", found by trying, done\n";
    EXPECT_NE(editor::describe_session(whole).find(text.str()), std::string::npos)
        << editor::describe_session(whole);

    // Stopped while it learns with the rate, it goes on with it: nothing is tried again.
    Program program(found_by_trying(broken));
    ASSERT_TRUE(program.wait_for_error_text("finetune: 2 of"));
    program.signal(SIGINT);
    ASSERT_EQ(program.wait().status, 130);
    const ProgramRun rest = run_program(found_by_trying(broken));
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_EQ(rest.err.find("rate: "), std::string::npos) << rest.err;
    expect_same_result(broken, whole);

    // Another text learns more slowly by as much as with a rate that is given.
    std::vector<std::string> second = found_by_trying(folder.path / "second.keepsake");
    second[2] = "a yellow rose";
    second.insert(second.end(), {"--from", whole.string()});
    const ProgramRun again = run_program(second);
    ASSERT_EQ(again.status, 0) << again.err;
    EXPECT_EQ(again.err.find("rate: "), std::string::npos) << again.err;
    const editor::Recipe recipe = editor::load_recipe(folder.path / "second.keepsake/recipe.json");
    EXPECT_DOUBLE_EQ(recipe.finetune.learning_rate, 0.3 * rate);
}

TEST_F(SessionLearning, AnotherTextLearnsMoreSlowlyThanTheRateThatTheModelSays) {
    const fs::path model = folder.path / "model";
    link_model(model);
    fs::remove(model / "keepsake.json");
    write_file_atomically(model / "keepsake.json",
                          R"({"fast": {"finetune": {"learning_rate": 4e-3}}})");
    const auto rate_of = [&](const fs::path& session, const std::vector<std::string>& more) {
        std::vector<std::string> arguments = edit(session, {"--model", model.string()});
        const auto rate = std::ranges::find(arguments, "--finetune-lr");
        arguments.erase(rate, rate + 2);
        const ProgramRun run = run_program(joined(arguments, more));
        EXPECT_EQ(run.status, 0) << run.err;
        return editor::load_recipe(session / "recipe.json").finetune.learning_rate;
    };
    EXPECT_DOUBLE_EQ(rate_of(whole, {}), 4e-3);
    EXPECT_DOUBLE_EQ(rate_of(broken, {"--from", whole.string()}), 0.3 * 4e-3);
}

TEST_F(SessionLearning, AnotherTextStartsFromWhatTheFirstLearned) {
    const std::vector<std::string> few = {"--embedding-steps", "2",   "--finetune-steps", "4",
                                          "--finetune-lr",     "1e-2"};
    ASSERT_EQ(run_program(edit(whole, few)).status, 0);
    std::vector<std::string> second = edit(broken, {"--from", whole.string(), "--json"});
    second[2] = "a yellow rose";
    const ProgramRun run = run_program(second);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_TRUE(read_file(broken / "start.safetensors") == read_file(whole / "lora.safetensors"));
    EXPECT_FALSE(read_file(broken / "lora.safetensors") == read_file(whole / "lora.safetensors"));
    const json recipe = json::parse(read_file(broken / "recipe.json"))["keepsake"];
    EXPECT_EQ(recipe["start"], editor::tuning_tag(editor::load_recipe(whole / "recipe.json")));
    // It needs the first session no more.
    fs::remove_all(whole);
    EXPECT_EQ(
        run_program({"render", broken.string(), "--steps", "2", "--eta", "1", "--quiet"}).status,
        0);
    // Another photo cannot start from it.
    save_photo(photo, quarters(64, 96));
    second[4] = (folder.path / "third.keepsake").string();
    second.insert(second.end(), {"--from", broken.string()});
    const ProgramRun other = run_program(second);
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("cannot be the start: it has another photo"), std::string::npos)
        << other.err;
}

// Starting from the photo's own latents: the first mode's default, and no part of what was learned.
TEST_F(SessionLearning, RendersFromThePhotosLatentsAndFromNoise) {
    const fs::path session = folder.path / "s";
    ASSERT_EQ(run_program(edit(session, {"--steps", "8"})).status, 0);
    const auto share = editor::load_recipe(session / "recipe.json").sample.noise_share;
    EXPECT_LT(share, 1);
    const editor::Pixels square =
        editor::working_area(editor::load_photo(photo), {0, 0, 64, 64}, {64, 64});
    const auto error_with = [&](const std::string& noise_share, const std::string& seed) {
        const fs::path image = folder.path / ("share" + noise_share + "-" + seed + ".png");
        const ProgramRun run =
            run_program({"render", session.string(), "--eta", "0", "--seed", seed, "--noise-share",
                         noise_share, "--no-full", "--quiet", "--out", image.string()});
        EXPECT_EQ(run.status, 0) << run.err;
        const std::vector<std::uint8_t> rgb = editor::load_photo(image).pixels.rgb;
        double sum = 0;
        for (std::size_t i = 0; i < rgb.size(); ++i) sum += std::abs(rgb[i] - square.rgb[i]);
        return sum / static_cast<double>(rgb.size());
    };
    EXPECT_LT(error_with("0", "1"), 0.5 * error_with("1", "1"));
    EXPECT_EQ(error_with("0", "1"), error_with("0", "2")) << "no noise, so no variations";
    EXPECT_NE(error_with("0.5", "1"), error_with("0.5", "2"));
    EXPECT_EQ(run_program({"render", session.string(), "--noise-share", "1.5"}).status, 2);
}

TEST_F(SessionLearning, PaperModeTunesAllWeights) {
    const std::vector<std::string> paper = {"--mode",           "paper", "--embedding-steps", "2",
                                            "--finetune-steps", "2"};
    ASSERT_EQ(run_program(edit(whole, paper)).status, 0);
    EXPECT_TRUE(fs::exists(whole / "unet.safetensors"));
    EXPECT_FALSE(fs::exists(whole / "lora.safetensors"));
    // Without --mode the session's own; another mode is another tuning.
    EXPECT_EQ(
        run_program({"render", whole.string(), "--steps", "2", "--eta", "1", "--quiet"}).status, 0);
    const ProgramRun other = run_program(edit(whole, {"--mode", "fast"}));
    EXPECT_EQ(other.status, 1);
    EXPECT_NE(other.err.find("the mode (the session has paper)"), std::string::npos) << other.err;
    // Its weights are no LoRA that another text could start from.
    const ProgramRun from = run_program(
        edit(broken, {"--mode", "fast", "--from", whole.string(), "--embedding-steps", "1"}));
    EXPECT_EQ(from.status, 1);
    EXPECT_NE(from.err.find("only a fast tuning starts from another"), std::string::npos)
        << from.err;
    EXPECT_FALSE(fs::exists(broken / "recipe.json"));
}

}  // namespace
}  // namespace keepsake::testing
