// The edit region's parts: the brush, and its files in a session.
#include "editor/transfer/edit_region.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

#include "editor/session/session_region.h"
#include "editor/transfer/brush.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/test_edit.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

int at(const Mask& mask, int x, int y) {
    return mask.values[std::size_t(y) * mask.width + x];
}

TEST(Brush, PaintsARoundLineAndErasesIt) {
    Mask mask = plain_mask({100, 100}, 0);
    paint(mask, {{{0.2, 0.5}, {0.6, 0.5}}, 0.1, false});
    EXPECT_EQ(at(mask, 20, 50), 255);
    EXPECT_EQ(at(mask, 40, 50), 255);
    EXPECT_EQ(at(mask, 40, 41), 255);
    EXPECT_EQ(at(mask, 40, 38), 0);
    EXPECT_EQ(at(mask, 8, 50), 0);
    EXPECT_EQ(at(mask, 72, 50), 0);
    EXPECT_EQ(at(mask, 12, 42), 0);  // its end is round
    const double area = std::accumulate(mask.values.begin(), mask.values.end(), 0.0) / 255;
    EXPECT_NEAR(area, 40 * 20 + 3.1416 * 100, 8);
    paint(mask, {{{0.4, 0.5}}, 0.05, true});
    EXPECT_EQ(at(mask, 40, 50), 0);
    EXPECT_EQ(at(mask, 30, 50), 255);
    // Beyond the square, and nowhere.
    const Mask before = mask;
    paint(mask, {{{-5, 0.5}, {-3, 9}}, 0.5, false});
    paint(mask, {{}, 0.5, false});
    EXPECT_EQ(mask.values, before.values);
    paint(mask, {{{-1, -1}, {2, 2}}, 9, false});
    EXPECT_EQ(mask.values, plain_mask({100, 100}, 255).values);
}

TEST(Brush, MasksAreInvertedAndResized) {
    Mask mask = plain_mask({4, 4}, 0);
    mask.values[0] = 200;
    EXPECT_EQ(at(inverted(mask), 0, 0), 55);
    EXPECT_EQ(at(inverted(mask), 3, 3), 255);
    const Mask large = resized(mask, {40, 40});
    EXPECT_EQ(large.width, 40);
    EXPECT_GT(at(large, 3, 3), 180);
    EXPECT_EQ(at(large, 35, 35), 0);
    EXPECT_EQ(resized(mask, {4, 4}).values, mask.values);
}

class SessionRegion : public ::testing::Test {
  protected:
    SessionRegion() { photo.pixels = testing::daisy_pixels(120, 90); }
    SavedRegion load() const { return load_region(folder.path, photo, crop); }

    const testing::TemporaryFolder folder;
    Photo photo;
    const Crop crop{10, 5, 80, 80};
};

TEST_F(SessionRegion, ComesBackAsItWasSaved) {
    EXPECT_FALSE(has_region(folder.path));
    EXPECT_EQ(load().settings, RegionSettings{});
    Mask mask = plain_mask({80, 80}, 0);
    for (int i = 0; i < 256; ++i) mask.values[i * 7] = static_cast<std::uint8_t>(i);
    save_painted_mask(folder.path, mask);
    save_region_settings(folder.path, {RegionMode::painted, 0.35, 0.125});
    EXPECT_TRUE(has_region(folder.path));
    const SavedRegion saved = load();
    EXPECT_EQ(saved.fault, "");
    EXPECT_EQ(saved.settings, (RegionSettings{RegionMode::painted, 0.35, 0.125}));
    ASSERT_TRUE(saved.painted);
    EXPECT_EQ(saved.painted->values, mask.values);
    EXPECT_EQ(describe_region(folder.path), "mask: painted; --mask " +
                                                (folder.path / "mask.png").string() +
                                                " --mask-threshold 0.35 --mask-feather 0.125\n");
    remove_region(folder.path);
    EXPECT_FALSE(has_region(folder.path));
}

// mask.json says its kind and version; of before it did it opens, and what a newer one says besides
// stays.
TEST_F(SessionRegion, TheFileSaysItsKindAndOlderAndNewerOnesOpen) {
    const std::filesystem::path file = folder.path / "mask.json";
    testing::write_bytes(file, R"({"mode": "auto", "threshold": 0.25, "feather": 0.5})");
    EXPECT_EQ(load().settings, (RegionSettings{RegionMode::automatic, 0.25, 0.5}));
    save_region_settings(folder.path, load().settings);
    nlohmann::json content = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(content["kind"], "keepsake mask");
    EXPECT_EQ(content["version"], 1);
    content["version"] = 3;
    content["softness"] = 0.5;
    testing::write_bytes(file, content.dump());
    save_region_settings(folder.path, {RegionMode::none, 0.5, 0.1});
    content = nlohmann::json::parse(read_file(file));
    EXPECT_EQ(content["version"], 3);
    EXPECT_EQ(content["softness"], 0.5);
    EXPECT_EQ(content["mode"], "none");
    content["kind"] = "another program's mask";
    testing::write_bytes(file, content.dump());
    EXPECT_NE(load().fault.find("its kind is"), std::string::npos) << load().fault;
}

TEST_F(SessionRegion, DamageIsSaidAndLeftOut) {
    const auto fault_has = [&](const std::string& part) {
        const SavedRegion saved = load();
        EXPECT_EQ(saved.settings.mode, RegionMode::words);
        EXPECT_NE(saved.fault.find(part), std::string::npos) << saved.fault;
    };
    save_region_settings(folder.path, {RegionMode::painted, 0.5, 0.1});
    fault_has("mask.png: is missing");
    save_painted_mask(folder.path, plain_mask({80, 80}, 255));
    EXPECT_EQ(load().fault, "");
    const std::string bytes = read_file(folder.path / "mask.png");
    testing::write_bytes(folder.path / "mask.png", bytes.substr(0, bytes.size() / 2));
    fault_has("mask.png");
    save_painted_mask(folder.path, plain_mask({80, 80}, 255));
    for (const char* damaged : {"", "{", "[]", "{\"mode\": \"painted\"}",
                                R"({"mode": "some", "threshold": 0.5, "feather": 0.1})",
                                R"({"mode": "auto", "threshold": 7, "feather": 0.1})"}) {
        SCOPED_TRACE(damaged);
        testing::write_bytes(folder.path / "mask.json", damaged);
        fault_has("mask.json");
        EXPECT_NE(describe_region(folder.path).find("mask.json"), std::string::npos);
    }
}

}  // namespace
}  // namespace keepsake::editor
