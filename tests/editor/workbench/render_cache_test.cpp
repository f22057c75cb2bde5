// What was rendered once is found again, in memory and in the session's folder; what is damaged or
// of another recipe is not.
#include "editor/workbench/render_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "editor/session/recipe.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Picture;
using editor::RenderCache;

Picture picture(std::uint8_t value, int side = 16) {
    editor::Pixels pixels{side, side, {}};
    for (int i = 0; i < side * side * 3; ++i) {
        pixels.rgb.push_back(static_cast<std::uint8_t>(value + i % 7));
    }
    return std::make_shared<const editor::Pixels>(std::move(pixels));
}

editor::Recipe recipe() {
    editor::Recipe recipe;
    recipe.prompt = "a red rose";
    recipe.model = {"/some/where", "0123456789abcdef"};
    return recipe;
}

TEST(RenderCache, TheKeyTellsRendersApartButNotWhereTheModelLies) {
    editor::Recipe moved = recipe(), sampled = recipe();
    moved.model.path = "/else/where";
    sampled.sample.guidance_scale += 1;
    const std::string key = render_key(recipe(), 0.7, 1);
    EXPECT_EQ(key, render_key(moved, 0.7, 1));
    EXPECT_NE(key, render_key(sampled, 0.7, 1));
    EXPECT_NE(key, render_key(recipe(), 0.71, 1));
    EXPECT_NE(key, render_key(recipe(), 0.7, 2));
}

TEST(RenderCache, AnotherProgramFindsTheSamePixels) {
    const TemporaryFolder folder;
    const std::string key = render_key(recipe(), 0.7, 1);
    RenderCache first;
    EXPECT_EQ(first.find(folder.path, key), nullptr);
    first.add(folder.path, key, picture(40));
    EXPECT_EQ(first.find(folder.path, key)->rgb, picture(40)->rgb);
    RenderCache second;
    const Picture found = second.find(folder.path, key);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->rgb, picture(40)->rgb);
    EXPECT_EQ(second.find(folder.path, render_key(recipe(), 0.8, 1)), nullptr);
}

TEST(RenderCache, TwoPhotosOfOneNameAreKeptApart) {
    // Their sessions differ, their recipes need not.
    const TemporaryFolder folder;
    const auto one = folder.path / "one", other = folder.path / "other";
    const std::string key = render_key(recipe(), 0.7, 1);
    RenderCache cache;
    cache.add(one, key, picture(40));
    EXPECT_EQ(cache.find(other, key), nullptr);
    cache.add(other, key, picture(90));
    EXPECT_EQ(cache.find(one, key)->rgb, picture(40)->rgb);
    EXPECT_EQ(cache.find(other, key)->rgb, picture(90)->rgb);
}

TEST(RenderCache, ADamagedOrForeignFileCountsAsNone) {
    const TemporaryFolder folder;
    const std::string key = render_key(recipe(), 0.7, 1), other = render_key(recipe(), 0.8, 1);
    RenderCache writer;
    writer.add(folder.path, key, picture(40));
    fs::copy_file(editor::cached_render_path(folder.path, key),
                  editor::cached_render_path(folder.path, other));
    EXPECT_EQ(RenderCache().find(folder.path, other), nullptr);
    fs::resize_file(editor::cached_render_path(folder.path, key), 40);
    EXPECT_EQ(RenderCache().find(folder.path, key), nullptr);
}

TEST(RenderCache, MemoryIsBoundedAndTheFilesStandIn) {
    const TemporaryFolder folder;
    const std::size_t bytes = picture(0)->rgb.size();
    RenderCache cache(3 * bytes);
    for (int i = 0; i < 8; ++i) {
        cache.add(folder.path, render_key(recipe(), i / 10.0, 0), picture(std::uint8_t(i)));
    }
    EXPECT_LE(cache.bytes(), 3 * bytes);
    const Picture first = cache.find(folder.path, render_key(recipe(), 0, 0));
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(first->rgb, picture(0)->rgb);
}

TEST(RenderCache, AFolderThatCannotBeWrittenIsDoneWithout) {
    const TemporaryFolder folder;
    std::ofstream(folder.path / "renders") << "a file where the folder should be";
    const std::string key = render_key(recipe(), 0.7, 1);
    RenderCache cache;
    cache.add(folder.path, key, picture(40));
    ASSERT_NE(cache.find(folder.path, key), nullptr);
}

}  // namespace
}  // namespace keepsake::testing
