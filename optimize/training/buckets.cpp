#include "optimize/training/buckets.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

double ratio(BucketSize size) {
    return static_cast<double>(size.width) / static_cast<double>(size.height);
}

void check(bool holds, const std::string& what, const std::string& why) {
    if (!holds) throw Error("buckets: " + what, why);
}

void check(const BucketOptions& options) {
    constexpr std::int64_t most = 1 << 15;
    const auto [width, height] = options.resolution;
    check(options.step >= 1 && options.step <= most, "step", "is not between 1 and 32768");
    check(width >= options.step && width <= most && height >= options.step && height <= most,
          "resolution", "is not between the step and 32768 a side");
    check(options.smallest >= options.step && options.smallest <= options.largest &&
              options.largest <= most,
          "sides", "do not grow from the step to at most 32768");
    check(options.smallest % options.step == 0 && options.largest % options.step == 0, "sides",
          "are no multiples of the step");
}

}  // namespace

BucketOptions bucket_options(std::int64_t side, std::int64_t unit) {
    constexpr std::int64_t usual = 64;
    BucketOptions options;
    // The step of sd-scripts is an eighth of SD 1.x's side; a smaller model keeps the share.
    options.step = unit;
    while (options.step * 2 <= std::min(usual, side / 8)) options.step *= 2;
    const auto whole = [&](std::int64_t n) {
        return std::max(options.step, n / options.step * options.step);
    };
    options.resolution = {whole(side), whole(side)};
    options.smallest = whole(side / 2);
    options.largest = whole(side * 2);
    return options;
}

std::vector<BucketSize> bucket_sizes(const BucketOptions& options) {
    check(options);
    const std::int64_t area = options.resolution.width * options.resolution.height;
    const std::int64_t step = options.step;
    const auto side = static_cast<std::int64_t>(std::sqrt(static_cast<double>(area)));
    std::set<BucketSize> sizes = {{side / step * step, side / step * step}};
    for (std::int64_t width = options.smallest; width <= options.largest; width += step) {
        const std::int64_t height = std::min(options.largest, area / width / step * step);
        if (height < options.smallest) continue;
        sizes.insert({width, height});
        sizes.insert({height, width});
    }
    return {sizes.begin(), sizes.end()};
}

BucketPlace place_in_bucket(BucketSize picture, const std::vector<BucketSize>& buckets) {
    check(picture.width > 0 && picture.height > 0, "picture", "has no pixels");
    check(!buckets.empty(), "list", "is empty");
    BucketPlace place;
    const auto distance = [&](BucketSize size) { return std::abs(ratio(size) - ratio(picture)); };
    if (std::ranges::find(buckets, picture) != buckets.end())
        place.bucket = picture;
    else
        place.bucket = *std::ranges::min_element(buckets, {}, distance);
    const double scale =
        ratio(picture) > ratio(place.bucket)
            ? static_cast<double>(place.bucket.height) / static_cast<double>(picture.height)
            : static_cast<double>(place.bucket.width) / static_cast<double>(picture.width);
    const auto scaled = [&](std::int64_t n) {
        return static_cast<std::int64_t>(static_cast<double>(n) * scale + 0.5);
    };
    place.resized = {std::max(scaled(picture.width), place.bucket.width),
                     std::max(scaled(picture.height), place.bucket.height)};
    place.left = (place.resized.width - place.bucket.width) / 2;
    place.top = (place.resized.height - place.bucket.height) / 2;
    return place;
}

}  // namespace keepsake::optimize
