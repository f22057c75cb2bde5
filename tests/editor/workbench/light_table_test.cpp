// The mask and the photo's own pixels as a window uses them, beside what the command line writes.
#include "editor/workbench/light_table.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdio>

#include "editor/photo/image_file.h"
#include "editor/session/recipe.h"
#include "editor/transfer/export_photo.h"
#include "editor/workbench/detail.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_edit.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Document;
using editor::MaskRequest;
using editor::Pixels;
using editor::RegionMode;

bool same_pixel(const Pixels& a, const Pixels& b, std::size_t i) {
    return std::equal(&a.rgb[3 * i], &a.rgb[3 * i] + 3, &b.rgb[3 * i]);
}

class LightTableTest : public WorkerTest {
  protected:
    void stroke(std::vector<editor::BrushPoint> points, bool erases = false) {
        worker->send(editor::StrokeRequest{{std::move(points), 0.15, erases}, true, true});
    }

    // The first Document whose compared pictures have the region that it shows.
    std::shared_ptr<const Document> shown_with(const char* what,
                                               const std::function<bool(const Document&)>& holds) {
        return wait(what, [&](const Document& d) {
            return d.shown.after && d.shown.region == editor::region_key(d.region) && holds(d);
        });
    }

    fs::path exported(const char* name) {
        const fs::path path = folder.path / name;
        worker->send(editor::ExportRequest{editor::ExportKind::photo, path, std::nullopt, false});
        const auto document = wait("the export", [&](const Document& d) {
            return d.exported.path == path &&
                   (d.exported.kind == editor::ExportState::Kind::written ||
                    d.exported.kind == editor::ExportState::Kind::failed);
        });
        EXPECT_EQ(document->exported.fault, "");
        return path;
    }

    // What `keepsake render` makes of the session as `document` shows it, with these options. The
    // worker, which holds the session, is ended before.
    fs::path rendered(const Document& document, std::vector<std::string> options) {
        worker.reset();
        const fs::path out = folder.path / "rendered.png";
        char eta[32];
        std::snprintf(eta, sizeof eta, "%g", document.eta);
        options.insert(options.begin(),
                       {"render", document.session.string(), "--eta", eta, "--out", out.string(),
                        "--quiet", "--threads", std::to_string(at::get_num_threads())});
        const ProgramRun run = run_program(options);
        EXPECT_EQ(run.status, 0) << run.err;
        return out;
    }
};

TEST_F(LightTableTest, WhatIsPaintedIsShownExportedKeptAndTheCommandLinesToo) {
    const auto plain = apply(open(1));
    // A stroke begins with the mask that is chosen: where the words belong, if the model is sure.
    worker->send(editor::MaskRequest{MaskRequest::Kind::clear});
    wait("nothing inside", [](const Document& d) { return d.region.reaches_nothing; });
    stroke({{0.3, 0.3}, {0.6, 0.5}});
    shown_with("the stroke", [](const Document& d) { return !d.region.reaches_nothing; });
    worker->send(editor::RegionRequest{{RegionMode::painted, 0.4, 0.05}});
    const auto document = shown_with(
        "the settings", [](const Document& d) { return d.region.settings.feather == 0.05; });
    EXPECT_EQ(document->region.settings.mode, RegionMode::painted);
    // Outside the mask: the photo. Inside: the edit.
    const Pixels& photo_pixels = document->photo->file->pixels;
    const Pixels& after = *document->shown.after;
    const editor::Crop crop = document->tuned_draft.tuning.crop;
    int changed = 0;
    for (int y = 0; y < 80; ++y) {
        for (int x = 0; x < 96; ++x) {
            const double u = (x + 0.5 - crop.x) / crop.width;
            const double v = (y + 0.5 - crop.y) / crop.height;
            const bool far = u < 0.1 || v < 0.1 || u > 0.8 || v > 0.7;
            const bool same = same_pixel(photo_pixels, after, std::size_t(y) * 96 + x);
            changed += !same;
            if (far) {
                ASSERT_TRUE(same) << x << "," << y;
            }
        }
    }
    EXPECT_GT(changed, 100);

    const fs::path out = exported("out.png");
    const fs::path mask = document->session / "mask.png";
    wait("the mask's files", [&](const Document&) { return fs::exists(mask); });
    EXPECT_EQ(editor::load_photo(out).pixels.rgb, after.rgb);
    const fs::path again = rendered(
        *document, {"--mask", mask.string(), "--mask-threshold", "0.4", "--mask-feather", "0.05"});
    EXPECT_EQ(editor::load_photo(again).pixels.rgb, after.rgb);
    EXPECT_EQ(*editor::read_image_recipe(out), *editor::read_image_recipe(again));
    EXPECT_NE(editor::read_image_recipe(out)->find("\"mask\":\"mask.png\""), std::string::npos);

    start();  // as after a crash: what is on the disk is what there is
    worker->send(editor::OpenRequest{document->session, {}, false});
    const auto reopened =
        wait("the session", [](const Document& d) { return d.shown.after != nullptr; });
    EXPECT_EQ(reopened->region.settings, document->region.settings);
    EXPECT_EQ(reopened->region.painted->values, document->region.painted->values);
    wait("the same picture", [&](const Document& d) { return d.shown.after->rgb == after.rgb; });
}

TEST_F(LightTableTest, LivePicturesAreTheExactOnesOfEachRender) {
    const auto tuned = apply(open(1));
    const auto laid = wait("the live pictures",
                           [](const Document& d) { return d.live.size() == d.renders.size(); });
    const auto zero = editor::live_mix(*laid, 0);
    ASSERT_TRUE(zero);
    EXPECT_EQ(zero->low->rgb, laid->photo->view->rgb);
    const auto live = editor::live_mix(*laid, 0.3);
    ASSERT_TRUE(live);
    EXPECT_EQ(live->share, 0);
    worker->send(editor::LookRequest{tuned->draft.sample, 0.3, 0});
    const auto exact = wait("the exact one", [](const Document& d) { return d.shown.eta == 0.3; });
    EXPECT_NE(live->low->rgb, laid->photo->view->rgb);
    EXPECT_EQ(live->low->rgb, exact->shown.after->rgb);
    // The region holds for them, too.
    worker->send(editor::MaskRequest{MaskRequest::Kind::clear});
    const auto masked = wait("nothing inside", [](const Document& d) {
        const auto mix = editor::live_mix(d, 0.9);
        return mix && mix->low->rgb == d.photo->view->rgb;
    });
    EXPECT_TRUE(masked->region.reaches_nothing);
}

TEST_F(LightTableTest, TheAutomaticMaskIsTheCommandLines) {
    save_photo(photo, daisy_pixels(120, 90));
    const auto plain = apply(open(3));
    worker->send(editor::RegionRequest{{RegionMode::automatic, 0.3, 0.02}});
    const auto found =
        wait("the mask", [](const Document& d) { return d.region.automatic != nullptr; });
    // Half of the area.
    std::vector<std::uint8_t> values = found->region.automatic->values;
    std::ranges::nth_element(values, values.begin() + static_cast<int>(values.size() / 2));
    const double threshold = values[values.size() / 2] / 255.0;
    worker->send(editor::RegionRequest{{RegionMode::automatic, threshold, 0.02}});
    const auto document = wait("half of it", [&](const Document& d) {
        return d.region.settings.threshold == threshold && d.shown.after &&
               d.shown.after != plain->shown.after;
    });
    EXPECT_FALSE(document->region.finding);
    const auto out = exported("auto.png");
    const Pixels pixels = editor::load_photo(out).pixels;
    wait("the same in the window",
         [&](const Document& d) { return d.shown.after->rgb == pixels.rgb; });
    EXPECT_NE(pixels.rgb, plain->shown.after->rgb);
    EXPECT_NE(pixels.rgb, document->photo->file->pixels.rgb);
    // A stroke goes on from it.
    stroke({{0.05, 0.05}});
    const auto painted =
        wait("the stroke", [](const Document& d) { return d.region.painted != nullptr; });
    EXPECT_EQ(painted->region.settings.mode, RegionMode::painted);
    EXPECT_EQ(painted->region.painted->values[0], 255);
    const editor::Mask& now = *painted->region.painted;
    const std::size_t middle = std::size_t(now.width) * (now.height / 2) + now.width / 2;
    EXPECT_EQ(now.values[middle],
              editor::resized(*document->region.automatic, {now.width, now.height}).values[middle]);

    char number[32];
    std::snprintf(number, sizeof number, "%.17g", threshold);
    const fs::path again = rendered(
        *document, {"--mask", "auto", "--mask-threshold", number, "--mask-feather", "0.02"});
    EXPECT_EQ(editor::load_photo(again).pixels.rgb, pixels.rgb);
    EXPECT_EQ(*editor::read_image_recipe(out), *editor::read_image_recipe(again));
}

TEST_F(LightTableTest, StrokesAreUndoneOneByOne) {
    apply(open(1));
    const auto painted = [&](const char* what, const std::function<bool(const Document&)>& holds) {
        return wait(what, holds)->region.painted;
    };
    stroke({{0.2, 0.2}});
    const auto first =
        painted("one", [](const Document& d) { return d.region.painted != nullptr; });
    stroke({{0.7, 0.7}});
    const auto second =
        painted("two", [&](const Document& d) { return d.region.painted != first; });
    stroke({{0.2, 0.2}}, true);
    painted("three", [&](const Document& d) { return d.region.painted != second; });
    worker->send(MaskRequest{MaskRequest::Kind::undo});
    painted("undo", [&](const Document& d) { return d.region.painted == second; });
    worker->send(MaskRequest{MaskRequest::Kind::undo});
    painted("undo", [&](const Document& d) { return d.region.painted == first; });
    worker->send(MaskRequest{MaskRequest::Kind::redo});
    painted("redo", [&](const Document& d) { return d.region.painted == second; });
    worker->send(MaskRequest{MaskRequest::Kind::invert});
    const auto turned =
        painted("the inverse", [&](const Document& d) { return d.region.painted != second; });
    EXPECT_EQ(turned->values, editor::inverted(*second).values);
    for (int i = 0; i < 3; ++i) worker->send(MaskRequest{MaskRequest::Kind::undo});
    const auto none = wait("nothing", [](const Document& d) { return !d.region.painted; });
    EXPECT_EQ(none->region.settings.mode, RegionMode::words);
    EXPECT_FALSE(none->region.can_undo);
    EXPECT_TRUE(none->region.can_redo);
    // Results have a history of their own.
    EXPECT_EQ(none->history.size(), 1u);
}

TEST_F(LightTableTest, PaintingDoesNotWaitForTheModel) {
    editor::EditDraft draft = open(1);
    const auto tuned = apply(draft);
    draft.sample.steps = 200;
    std::vector<std::uint64_t> seeds(40);
    for (std::size_t i = 0; i < seeds.size(); ++i) seeds[i] = 100 + i;
    worker->send(editor::VariationsRequest{draft.sample, tuned->eta, seeds});
    wait("a render", [](const Document& d) { return d.activity == editor::Activity::rendering; });
    stroke({{0.5, 0.5}});
    const auto document =
        wait("the stroke", [](const Document& d) { return d.region.weights != nullptr; });
    EXPECT_FALSE(document->variations.empty());
    EXPECT_FALSE(document->variations.back().square);
}

TEST_F(LightTableTest, ADamagedMaskIsSaidAndTheSessionOpens) {
    const fs::path session = apply(open(1))->session;
    stroke({{0.5, 0.5}});
    wait("the mask's files", [&](const Document&) { return fs::exists(session / "mask.json"); });
    start();
    write_bytes(session / "mask.png", "no picture");
    worker->send(editor::OpenRequest{session, {}, false});
    const auto document = wait("the session", [](const Document& d) {
        return d.shown.after != nullptr && d.notice.number > 0;
    });
    EXPECT_NE(document->notice.text.find("mask.png"), std::string::npos) << document->notice.text;
    EXPECT_EQ(document->region.settings.mode, RegionMode::words);
}

TEST_F(LightTableTest, TheMaskHoldsForAnotherTextOnTheSameSquare) {
    editor::EditDraft draft = open(1);
    const auto first = apply(draft);
    stroke({{0.5, 0.5}});
    const auto painted = wait("the stroke", [&](const Document& d) {
        return d.region.painted != nullptr && fs::exists(first->session / "mask.json");
    });
    draft.prompt = "a blue rose";
    worker->send(editor::ApplyRequest{draft});
    const auto second = wait("the other edit", [&](const Document& d) {
        return d.session != first->session && d.shown.after != nullptr;
    });
    ASSERT_TRUE(second->region.painted);
    EXPECT_EQ(second->region.painted->values, painted->region.painted->values);
    EXPECT_EQ(second->region.settings, painted->region.settings);
}

TEST_F(LightTableTest, TilesAreTheExportedPhotosPixels) {
    save_photo(photo, daisy_pixels(2600, 1400));
    apply(open(3));
    stroke({{0.3, 0.4}, {0.6, 0.6}});
    const auto masked =
        shown_with("the stroke", [](const Document& d) { return d.region.weights != nullptr; });
    EXPECT_EQ(masked->photo->view->width, 2048);
    const editor::Crop visible{900, 500, 700, 500};
    worker->send(editor::DetailRequest{visible});
    const auto document = wait("the tiles", [&](const Document& d) {
        return d.detail.tiles.size() >= 6 && d.detail.of == d.shown.after &&
               std::ranges::all_of(d.detail.tiles,
                                   [](const auto& t) { return t->after != nullptr; });
    });
    const Pixels& before = document->photo->file->pixels;
    const Pixels after = editor::load_photo(exported("large.png")).pixels;
    std::size_t seen = 0, changed = 0, unchanged = 0;
    for (const auto& tile : document->detail.tiles) {
        const editor::Crop& place = tile->place;
        for (int y = 0; y < place.height; ++y) {
            for (int x = 0; x < place.width; ++x) {
                const std::size_t from = std::size_t(y) * place.width + x;
                const std::size_t at = std::size_t(place.y + y) * 2600 + place.x + x;
                const auto same = [&](const Pixels& part, const Pixels& whole) {
                    return std::equal(&part.rgb[3 * from], &part.rgb[3 * from] + 3,
                                      &whole.rgb[3 * at]);
                };
                ASSERT_TRUE(same(*tile->before, before));
                ASSERT_TRUE(same(*tile->after, after)) << place.x + x << "," << place.y + y;
                (same_pixel(before, after, at) ? unchanged : changed) += 1;
            }
        }
        const editor::Crop& core = tile->core;
        for (int y = std::max(core.y, visible.y);
             y < std::min(core.y + core.height, visible.y + visible.height); ++y) {
            seen += std::max(0, std::min(core.x + core.width, visible.x + visible.width) -
                                    std::max(core.x, visible.x));
        }
    }
    EXPECT_EQ(seen, 700u * 500u);
    EXPECT_GT(changed, 10000u);
    EXPECT_GT(unchanged, 10000u);
    // Elsewhere: what was seen stays for a while, and there is an end to it.
    for (int i = 0; i < 40; ++i) {
        worker->send(editor::DetailRequest{{i * 37 % 2000, i * 91 % 1000, 600, 400}});
    }
    worker->send(editor::DetailRequest{{0, 0, 2600, 1400}});
    wait("all of it", [](const Document& d) { return d.detail.tiles.size() == 18; });
}

TEST(TileCores, CoverWhatIsVisibleFromTheMiddleOutwards) {
    const Pixels photo{6000, 4000, {}};
    const auto cores = editor::tile_cores({1000, 1000, 900, 100}, photo);
    ASSERT_EQ(cores.size(), 6u);
    EXPECT_EQ(cores.front(), (editor::Crop{1024, 1024, 512, 512}));
    EXPECT_TRUE(editor::tile_cores({0, 0, 0, 0}, photo).empty());
    EXPECT_TRUE(editor::tile_cores({7000, 100, 50, 50}, photo).empty());
    EXPECT_TRUE(editor::tile_cores({0, 0, 6000, 4000}, photo).empty());
    EXPECT_EQ(editor::tile_cores({5990, 3990, 500, 500}, photo).front(),
              (editor::Crop{5632, 3584, 368, 416}));
}

}  // namespace
}  // namespace keepsake::testing
