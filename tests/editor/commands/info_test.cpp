// keepsake info of files that mean harm: to the terminal, to its memory, to the reader's patience.
#include <gtest/gtest.h>

#include "editor/photo/image_file.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"

namespace keepsake::testing {
namespace {

constexpr std::size_t long_output = 30'000;

ProgramRun info(const std::filesystem::path& path) {
    return run_program({"info", path.string()});
}

ProgramRun info_of_recipe(const std::string& recipe) {
    const TemporaryFolder folder;
    const editor::Pixels pixels{16, 16, std::vector<std::uint8_t>(16 * 16 * 3, 7)};
    editor::write_image(folder.path / "a.png", pixels, {.recipe = recipe});
    return info(folder.path / "a.png");
}

TEST(Info, RecipeThatIsNestedDeep) {
    const ProgramRun run =
        info_of_recipe(R"({"edit":)" + std::string(30'000, '[') + std::string(30'000, ']') + "}");
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("a.png: its recipe: is JSON nested more than"), std::string::npos)
        << run.err.substr(0, 500);
    EXPECT_LT(run.out.size() + run.err.size(), 1000u);
}

TEST(Info, RecipeThatIsLong) {
    std::string list = "0";
    for (int i = 0; i < 100'000; ++i) list += ",0";
    const ProgramRun run = info_of_recipe(R"({"edit":[)" + list + "]}");
    EXPECT_EQ(run.status, 0);
    EXPECT_LT(run.out.size(), long_output);
    EXPECT_NE(run.out.find(" bytes more)"), std::string::npos);
}

TEST(Info, RecipeWithEscapes) {
    const ProgramRun run =
        info_of_recipe("{\"edit\":{\"prompt\":\"\\u001b]0;owned\\u0007 \u009b2J\"}}");
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
    EXPECT_EQ(run.out.find("\u009b"), std::string::npos);
    EXPECT_NE(run.out.find("owned"), std::string::npos) << run.out;
}

TEST(Info, NamesOfAModelsFilesWithEscapes) {
    const TemporaryFolder folder;
    link_model(folder.path);
    const std::string name = "\x1b[2J\u009b.safetensors";
    std::filesystem::rename(folder.path / unet_weights, folder.path / "unet" / name);
    replace_file(folder.path / "unet/diffusion_pytorch_model.safetensors.index.json", "");
    std::string map;
    const pipeline::SafetensorsFile weights(flowers / unet_weights);
    for (const auto& [tensor, info] : weights.tensors())
        map += (map.empty() ? "\"" : ",\"") + tensor + R"(":"\u001b[2J\u009b.safetensors")";
    write_file_atomically(folder.path / "unet/diffusion_pytorch_model.safetensors.index.json",
                          R"({"weight_map":{)" + map + "}}");
    const ProgramRun run = info(folder.path);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("(\\x1b[2J\\x9b.safetensors)"), std::string::npos) << run.out;
    EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
}

TEST(Info, ModelFileThatIsNestedDeep) {
    const TemporaryFolder folder;
    link_model(folder.path);
    const std::string deep = std::string(199'000, '[') + std::string(199'000, ']');
    for (const char* file : {"model_index.json", "unet/config.json",
                             "scheduler/scheduler_config.json", "vae/config.json"}) {
        std::filesystem::rename(folder.path / file, folder.path / "kept");
        replace_file(folder.path / file, R"({"a":)" + deep + "}");
        const ProgramRun run = info(folder.path);
        EXPECT_EQ(run.status, 1) << file;
        EXPECT_NE(run.err.find(std::string(file) + ": is JSON nested more than 64 deep"),
                  std::string::npos)
            << run.err.substr(0, 500);
        std::filesystem::rename(folder.path / "kept", folder.path / file);
    }
}

}  // namespace
}  // namespace keepsake::testing
