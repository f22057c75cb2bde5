#include "editor/photo/contact_sheet.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "editor/commands/progress.h"
#include "pipeline/error.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using testing::quarters;

// Pixels in rows [top, bottom) that are much darker than the paper.
int ink(const Pixels& sheet, int left, int right, int top, int bottom) {
    int count = 0;
    for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) {
            count += sheet.rgb[(std::size_t(y) * sheet.width + x) * 3 + 1] < 128;
        }
    }
    return count;
}

Pixels white(int side) {
    return {side, side, std::vector<std::uint8_t>(std::size_t(side) * side * 3, 255)};
}

TEST(ContactSheet, ShowsEveryPictureAndItsLabel) {
    ContactSheet sheet{"a red rose", "", {{{"photo", white(128)}, {"eta 0.6", white(128)}}}};
    const Pixels drawn = draw_contact_sheet(sheet);
    // Small pictures are shown larger: two cells of 256, margins and a gap.
    EXPECT_GT(drawn.width, 2 * 256);
    EXPECT_LT(drawn.width, 2 * 256 + 200);
    const int half = drawn.width / 2, labels = drawn.height - 70;
    EXPECT_GT(ink(drawn, 0, half, labels, drawn.height), 20);
    EXPECT_GT(ink(drawn, half, drawn.width, labels, drawn.height), 20);
    EXPECT_GT(ink(drawn, 0, half, 0, 70), 100);  // the title
    sheet.rows[0][1].label.clear();
    const Pixels unlabelled = draw_contact_sheet(sheet);
    EXPECT_EQ(ink(unlabelled, unlabelled.width / 2, unlabelled.width, unlabelled.height - 60,
                  unlabelled.height),
              0);
}

TEST(ContactSheet, PicturesKeepTheirPixels) {
    const Pixels drawn = draw_contact_sheet({"t", "", {{{"l", quarters(300, 300)}}}});
    // A cell of its own size: the red quarter is a block of 150 x 150 exactly.
    int red = 0;
    for (std::size_t i = 0; i < drawn.rgb.size(); i += 3) {
        red += drawn.rgb[i] == 255 && drawn.rgb[i + 1] == 0 && drawn.rgb[i + 2] == 0;
    }
    EXPECT_EQ(red, 150 * 150);
}

TEST(ContactSheet, LongRowsAreFolded) {
    ContactSheet sheet{"t", "", {std::vector<LabelledPixels>(8, {"x", white(64)})}};
    const Pixels drawn = draw_contact_sheet(sheet);
    EXPECT_LT(drawn.width, 5 * 276);
    EXPECT_GT(drawn.height, 2 * 256);
}

TEST(ContactSheet, AnyTextCanBeATitle) {
    const auto title_ink = [](const std::string& title) {
        const Pixels drawn = draw_contact_sheet({title, "", {{{"", white(256)}}}});
        return ink(drawn, 0, drawn.width, 0, drawn.height - 300);
    };
    EXPECT_GT(title_ink("<b>&amp; \u00e9\u00fc \u0416"), 50);
    EXPECT_GT(title_ink("\xff\xfe broken"), 50);
    // A long one is broken over lines, not cut.
    std::string words;
    for (int i = 0; i < 40; ++i) words += "flower ";
    EXPECT_GT(title_ink(words), 20 * title_ink("flower"));
    EXPECT_THROW(draw_contact_sheet({}), Error);
}

TEST(Grid, LabelsOnItsAxesAndPicturesInTheirPlaces) {
    Grid grid{"a rose", "ddim", {"seed 1", "seed 2"}, {}};
    grid.rows.push_back({"guidance 3", {quarters(300, 200), quarters(300, 200)}});
    grid.rows.push_back({"guidance 7.5", {quarters(300, 200), white(300)}});
    // Of two shapes: square cells, each picture whole.
    const Pixels mixed = draw_grid(grid);
    grid.rows[1].pixels[1] = quarters(300, 200);
    const Pixels drawn = draw_grid(grid);
    EXPECT_EQ(mixed.width, drawn.width);
    EXPECT_EQ(mixed.height, drawn.height + 2 * 100);
    int red = 0;
    for (std::size_t i = 0; i < drawn.rgb.size(); i += 3)
        red += drawn.rgb[i] == 255 && drawn.rgb[i + 1] == 0 && drawn.rgb[i + 2] == 0;
    EXPECT_EQ(red, 4 * 150 * 100);
    // Labels: above each column and beside each row.
    const int left = drawn.width - 36 - 2 * 300 - 20, top = drawn.height - 36 - 2 * 200 - 20;
    EXPECT_GT(left, 100);
    for (int column = 0; column < 2; ++column) {
        const int x = left + column * 320;
        EXPECT_GT(ink(drawn, x, x + 300, top - 30, top - 5), 20) << column;
    }
    for (int row = 0; row < 2; ++row) {
        const int y = top + row * 220;
        EXPECT_GT(ink(drawn, 36, left - 20, y + 60, y + 140), 20) << row;
        EXPECT_EQ(ink(drawn, 36, left - 20, y, y + 60), 0) << row;
    }
    // Without labels beside them the pictures begin at the margin.
    for (Grid::Row& row : grid.rows) row.label.clear();
    EXPECT_EQ(draw_grid(grid).width, 2 * 36 + 2 * 300 + 20);
    grid.rows[1].pixels.pop_back();
    EXPECT_THROW(draw_grid(grid), Error);
    EXPECT_THROW(draw_grid({}), Error);
}

TEST(Progress, LinesAtEachTenthWithRateAndTimeLeft) {
    ::testing::internal::CaptureStderr();
    const Monitor::Report report = progress_report(ProgressStyle::lines);
    for (int i = 1; i <= 100; ++i) report({i, 100, "embedding loss 0.1234"});
    for (int i = 51; i <= 60; ++i) report({i, 60, "finetune loss 0.5"});
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10 + 2) << text;
    EXPECT_NE(text.find("embedding: 10 of 100, "), std::string::npos) << text;
    EXPECT_NE(text.find(" steps/s, "), std::string::npos);
    EXPECT_NE(text.find(" left, loss 0.1234"), std::string::npos);
    EXPECT_NE(text.find("finetune: 60 of 60, "), std::string::npos);
}

TEST(Progress, NothingWhenQuiet) {
    EXPECT_EQ(progress_style(true), ProgressStyle::none);
    EXPECT_FALSE(progress_report(ProgressStyle::none));
}

TEST(Progress, Durations) {
    EXPECT_EQ(duration_text(0.2), "0 s");
    EXPECT_EQ(duration_text(59.4), "59 s");
    EXPECT_EQ(duration_text(130), "2 min 10 s");
    EXPECT_EQ(duration_text(3600 + 300), "1 h 5 min");
}

}  // namespace
}  // namespace keepsake::editor
