// Buckets against sd-scripts' integer rules: tests/goldens/make_learning_goldens.py.
#include "optimize/training/buckets.h"

#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/files/json_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::optimize {
namespace {

using Numbers = std::vector<std::int64_t>;

BucketOptions options_of(const Numbers& setting) {
    return {{setting[0], setting[1]}, setting[2], setting[3], setting[4]};
}

TEST(Buckets, SizesAndPlacesAreTheReferences) {
    const auto tables = read_json_file(KEEPSAKE_GOLDENS "/buckets.json");
    ASSERT_EQ(tables.size(), 5u);
    for (const auto& table : tables) {
        const auto sizes = bucket_sizes(options_of(table.at("setting").get<Numbers>()));
        std::vector<Numbers> numbers;
        for (const BucketSize& size : sizes) numbers.push_back({size.width, size.height});
        EXPECT_EQ(numbers, table.at("sizes").get<std::vector<Numbers>>());
        for (const Numbers& row : table.at("places").get<std::vector<Numbers>>()) {
            const BucketPlace place = place_in_bucket({row[0], row[1]}, sizes);
            EXPECT_EQ((Numbers{row[0], row[1], place.bucket.width, place.bucket.height,
                               place.resized.width, place.resized.height, place.left, place.top}),
                      row);
        }
    }
}

TEST(Buckets, SdScriptsListAt512) {
    const auto sizes = bucket_sizes({});
    ASSERT_EQ(sizes.size(), 17u);
    EXPECT_EQ(sizes.front(), (BucketSize{256, 832}));
    EXPECT_EQ(sizes[8], (BucketSize{512, 512}));
    EXPECT_EQ(sizes.back(), (BucketSize{1024, 256}));
}

TEST(Buckets, OptionsFollowTheModel) {
    const BucketOptions usual = bucket_options(512, 64);
    EXPECT_EQ(usual.resolution, (BucketSize{512, 512}));
    EXPECT_EQ(usual.smallest, 256);
    EXPECT_EQ(usual.largest, 1024);
    EXPECT_EQ(usual.step, 64);
    // Of the bundled model, whose latents are halved twice.
    const BucketOptions small = bucket_options(128, 32);
    EXPECT_EQ(small.step, 32);
    EXPECT_EQ(small.smallest, 64);
    for (const BucketSize& size : bucket_sizes(small)) {
        EXPECT_EQ(size.width % 32, 0);
        EXPECT_LE(size.width * size.height, 128 * 128);
    }
}

TEST(Buckets, WhatIsOutOfPlaceIsNamed) {
    using testing::thrown_message;
    EXPECT_EQ(thrown_message<Error>([] {
                  bucket_sizes({{512, 512}, 256, 1024, 0});
              }),
              "buckets: step: is not between 1 and 32768");
    EXPECT_EQ(thrown_message<Error>([] {
                  bucket_sizes({{512, 512}, 250, 1024, 64});
              }),
              "buckets: sides: are no multiples of the step");
    EXPECT_EQ(thrown_message<Error>([] {
                  place_in_bucket({0, 5}, bucket_sizes({}));
              }),
              "buckets: picture: has no pixels");
}

}  // namespace
}  // namespace keepsake::optimize
