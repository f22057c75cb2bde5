// The direction of an edit: which words the photo is taken to show, and what is
// measured by them.
#include "editor/edit/direction.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "optimize/scratch/clip.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/test_clip.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Pixels;
using nlohmann::json;
using Texts = std::vector<std::string>;

const std::vector<Texts> lists = {{"red", "blue", "orange"}, {"rose", "daisy"}};

TEST(Direction, AWordOfTheTextIsExchangedForTheOthersOfItsList) {
    EXPECT_EQ(editor::other_texts("A photo of a Red rose", lists),
              (Texts{"a photo of a blue rose", "a photo of an orange rose"}));
    EXPECT_EQ(editor::other_texts("an orange bowl", lists), (Texts{"a red bowl", "a blue bowl"}));
    EXPECT_EQ(editor::other_texts("daisy", lists), Texts{"rose"});
    // Of words alone: "reduced" is no "red".
    EXPECT_EQ(editor::other_texts("a reduced rosebud", lists), Texts{});
    EXPECT_EQ(editor::other_texts("a reduced, red thing", lists),
              (Texts{"a reduced, blue thing", "a reduced, orange thing"}));
    EXPECT_EQ(editor::other_texts("a red rose", {}), Texts{});
}

class DirectionOfModel : public ::testing::Test {
  protected:
    DirectionOfModel() {
        fs::create_directories(clip);
        write_file_atomically(clip / "config.json", tiny_clip().dump());
        const auto network = optimize::fresh_clip(pipeline::ClipConfig::from_json(tiny_clip()), 3);
        pipeline::write_safetensors(clip / "model.safetensors", network.parameters());
        for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
            fs::copy_file(fs::path(KEEPSAKE_ASSETS) / "models/flowers/tokenizer" / name,
                          clip / name);
        write_words({{"exchanged", lists}});
    }
    void write_words(const json& content) const {
        write_file_atomically(clip / "keepsake.json", content.dump());
    }
    const TemporaryFolder folder;
    const fs::path model = folder.path / "model", clip = model / "clip";
    const Pixels photo = quarters(60, 44), other = quarters(44, 60);
};

TEST_F(DirectionOfModel, IsFromTheNearestOfTheOtherTexts) {
    const auto direction = editor::edit_direction(model, photo, "a red rose");
    ASSERT_TRUE(direction);
    EXPECT_EQ(direction->clip->name, "model/clip");
    const Texts others = editor::other_texts("a red rose", lists);
    EXPECT_NE(std::ranges::find(others, direction->source), others.end());
    const double found = editor::directional_similarity(*direction, other);
    EXPECT_LE(std::abs(found), 1);
    EXPECT_NE(found, 0);
    EXPECT_EQ(editor::directional_similarity(*direction, photo), 0) << "nothing changed";
}

TEST_F(DirectionOfModel, IsNoneWhereNothingIsKnown) {
    EXPECT_FALSE(editor::edit_direction(model, photo, "a green bowl"));
    EXPECT_FALSE(editor::edit_direction(folder.path, photo, "a red rose")) << "no CLIP";
    fs::remove(clip / "keepsake.json");
    EXPECT_FALSE(editor::edit_direction(model, photo, "a red rose"));
}

TEST_F(DirectionOfModel, ADamagedClipIsNamed) {
    for (const json& content :
         {json{{"exchanged", 3}}, json{{"exchanged", {"red"}}}, json{{"a", 1}}}) {
        write_words(content);
        EXPECT_THROW(editor::edit_direction(model, photo, "a red rose"), Error) << content;
    }
    write_words({{"exchanged", lists}});
    fs::remove(clip / "model.safetensors");
    EXPECT_THROW(editor::edit_direction(model, photo, "a red rose"), Error);
}

}  // namespace
}  // namespace keepsake::testing
