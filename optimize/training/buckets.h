// Aspect-ratio buckets: the sizes at which pictures of all shapes are learned, each with about the
// area that the model was trained at. The integer rules are those of kohya's sd-scripts
// (library/model_util.py, make_bucket_resolutions; library/train_util.py, BucketManager), so that a
// set falls into the same buckets here and there.
#pragma once

#include <cstdint>
#include <vector>

namespace keepsake::optimize {

struct BucketSize {
    std::int64_t width = 0;
    std::int64_t height = 0;
    auto operator<=>(const BucketSize&) const = default;
};

// In pixels. Defaults: sd-scripts'.
struct BucketOptions {
    BucketSize resolution = {512, 512};  // its area is the largest that a bucket has
    std::int64_t smallest = 256;         // side
    std::int64_t largest = 1024;         // side
    std::int64_t step = 64;              // sides are multiples of it
};

// The options for a model that was trained on squares of `side` pixels: sides from half to twice
// that, in steps that the network halves without a rest (`unit`, downscaling of the autoencoder
// times that of the U-Net; never more than sd-scripts' 64 where 64 is a multiple of it).
BucketOptions bucket_options(std::int64_t side, std::int64_t unit);

// The buckets, sorted by width, then height. Throws Error naming the option that is out of place.
std::vector<BucketSize> bucket_sizes(const BucketOptions& options);

// How a picture comes to a bucket: resized, so that it covers it, then cut about the middle.
struct BucketPlace {
    BucketSize bucket;
    BucketSize resized;
    std::int64_t left = 0, top = 0;  // of the cut
};

// The bucket of the picture's own size, else that whose width / height is nearest to the picture's
// (the first of equals). `buckets`: of bucket_sizes(), not empty.
BucketPlace place_in_bucket(BucketSize picture, const std::vector<BucketSize>& buckets);

}  // namespace keepsake::optimize
