#include "editor/edit/batch_photos.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// "key<mask" of each photo.
std::string found_in(const fs::path& folder, const std::optional<fs::path>& masks = {}) {
    std::string text;
    for (const BatchPhoto& photo : find_batch_photos(folder, masks)) {
        text += (text.empty() ? "" : " ") + photo.key;
        if (!photo.mask.empty()) text += "<" + photo.mask.filename().string();
    }
    return text;
}

TEST(BatchPhotos, PhotosByNameAndMasksByTheirs) {
    const testing::TemporaryFolder temporary;
    const fs::path photos = temporary.path / "photos", masks = temporary.path / "masks";
    const auto make = [](const fs::path& path) { testing::write_bytes(path, "x"); };
    fs::create_directories(photos / "more");
    fs::create_directories(masks);
    for (const char* name : {"b.jpg", "a.JPG", "a_mask.png", "c.png", "c.jpg", "c.png-mask.png",
                             "d-mask.png", "sheet.jpg", "readme.txt", ".hidden.jpg", "more/e.jpg"})
        make(photos / name);
    // Of one stem each has its whole name; a mask without a photo is a photo.
    EXPECT_EQ(found_in(photos), "a<a_mask.png b c.jpg c.png<c.png-mask.png d-mask sheet.jpg");
    // Those of the folder of masks come first, a whole name before a stem.
    for (const char* name : {"b.png", "c.tif", "a-mask.webp", "z.png"}) make(masks / name);
    EXPECT_EQ(found_in(photos, masks),
              "a<a-mask.webp b<b.png c.jpg<c.tif c.png<c.png-mask.png d-mask sheet.jpg");
    // The photos are no masks of themselves.
    EXPECT_EQ(found_in(photos, photos), found_in(photos));
    EXPECT_THROW(find_batch_photos(photos / "more" / "gone", {}), Error);
    EXPECT_THROW(find_batch_photos(photos, temporary.path / "gone"), Error);
}

}  // namespace
}  // namespace keepsake::editor
