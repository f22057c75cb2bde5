// The mode inpaint in the Worker: what is painted is drawn anew.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "editor/edit/preview.h"
#include "editor/photo/image_file.h"
#include "editor/session/session_region.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

using editor::Activity;
using editor::Document;
using editor::Tuned;

class WorkerInpaint : public WorkerTest {
  protected:
    std::shared_ptr<const Document> begin(int steps = 2) {
        draft = open(0);
        draft.sample.steps = steps;
        for (const editor::EditDraft& each : worker->document()->defaults)
            if (each.tuning.mode == "inpaint") draft.tuning = each.tuning;
        draft.tuning.size = 64;
        draft.sample.noise_share = 1;
        worker->send(editor::ApplyRequest{draft});
        return wait("the session", [](const Document& d) {
            return d.tuned == Tuned::fully && d.activity == Activity::idle &&
                   d.region.reaches_nothing;
        });
    }
    // A stroke down the left or the right side.
    void paint(double x) {
        worker->send(editor::StrokeRequest{{{{x, 0}, {x, 1}}, 0.2, false}, true, true});
        wait("the stroke",
             [&](const Document& d) { return !d.region.reaches_nothing && painted_at(d, x); });
    }
    static bool painted_at(const Document& d, double x) {
        const auto& mask = d.region.painted;
        if (!mask) return false;
        const auto column = static_cast<std::size_t>(x * (mask->width - 1));
        return mask->values[static_cast<std::size_t>(mask->height / 2 * mask->width) + column] ==
               255;
    }
    std::shared_ptr<const Document> draw() {
        const auto before = worker->document()->shown.after;
        worker->send(editor::LookRequest{draft.sample, 1, 0});
        return wait("the strip", [&](const Document& d) {
            return d.renders.size() == 13 && d.activity == Activity::idle && d.shown.after &&
                   d.shown.after != before;
        });
    }
    // How many values of the left and of the right half of what is shown differ from the photo.
    static std::pair<int, int> changed(const Document& d) {
        const editor::Pixels &a = *d.shown.before, &b = *d.shown.after;
        std::pair<int, int> halves;
        for (std::size_t i = 0; i < a.rgb.size(); ++i) {
            const bool left = int(i / 3) % a.width < a.width / 2;
            (left ? halves.first : halves.second) += a.rgb[i] != b.rgb[i];
        }
        return halves;
    }
    editor::EditDraft draft;
};

// Previews may be drawn in other numbers than the exact pictures, which take over what they are
// drawn from.
TEST_F(WorkerInpaint, AfterPreviewsTheExactPictureIsTheCommandLines) {
    begin(2 * editor::preview_steps + 1);
    paint(0);
    const auto drawn = draw();
    EXPECT_FALSE(drawn->previews.empty());
    const editor::Render* exact = editor::exact_render(*drawn, 0.5);
    ASSERT_NE(exact, nullptr);
    const auto pixels = exact->square->rgb;
    const std::filesystem::path mask = drawn->session / editor::painted_mask_file;
    wait("the mask's file", [&](const Document&) { return std::filesystem::exists(mask); });
    worker.reset();
    const std::filesystem::path out = folder.path / "out.png";
    const ProgramRun run = run_program(
        {"render", drawn->session.string(), "--eta", "0.5", "--mask", mask.string(), "--out",
         out.string(), "--no-full", "--quiet", "--threads", std::to_string(at::get_num_threads())});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(editor::load_photo(out).pixels.rgb, pixels);
}

TEST_F(WorkerInpaint, WhatIsPaintedIsDrawnAnewAndAnotherMaskAnotherPicture) {
    const auto begun = begin();
    EXPECT_EQ(begun->eta, 1);
    EXPECT_EQ(begun->region.settings.mode, editor::RegionMode::painted);
    EXPECT_TRUE(begun->renders.empty());
    EXPECT_NE(begun->notice.text.find("Paint over what shall be drawn anew"), std::string::npos)
        << begun->notice.text;
    paint(0);
    const auto left = draw();
    EXPECT_GT(changed(*left).first, 500);
    EXPECT_EQ(changed(*left).second, 0);
    const auto first = editor::exact_render(*left, 1)->square;
    EXPECT_EQ(editor::exact_render(*left, 1.2)->square->rgb, first->rgb);
    EXPECT_NE(editor::exact_render(*left, 0.5)->square->rgb, first->rgb);

    paint(1);
    const auto both = draw();
    EXPECT_GT(changed(*both).second, 500);
    EXPECT_NE(editor::exact_render(*both, 1)->square->rgb, first->rgb);
    // The first mask again: nothing is drawn twice, and a session that is opened has its mask.
    worker->send(editor::MaskRequest{editor::MaskRequest::Kind::undo});
    wait("undo", [](const Document& d) { return !painted_at(d, 1); });
    const auto again = draw();
    EXPECT_EQ(editor::exact_render(*again, 1)->square->rgb, first->rgb);
    const std::filesystem::path session = again->session;
    start();
    worker->send(editor::OpenRequest{session, {}, false});
    const auto opened = wait("the session", [](const Document& d) {
        return d.renders.size() == 13 && d.activity == Activity::idle && d.shown.after;
    });
    EXPECT_EQ(editor::exact_render(*opened, 1)->square->rgb, first->rgb);
    EXPECT_EQ(opened->eta, 1);
    EXPECT_TRUE(opened->history.back().square != nullptr);
}

}  // namespace
}  // namespace keepsake::testing
