#include "editor/edit/learn_set.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "editor/photo/photo.h"
#include "editor/photo/pixel_tensors.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/model/generate.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using at::Tensor;
using optimize::BucketPlace;
using optimize::LearnPicture;

Pixels cut(const Pixels& from, const BucketPlace& place) {
    const Pixels whole =
        resize(from, static_cast<int>(place.resized.width), static_cast<int>(place.resized.height));
    Pixels part{static_cast<int>(place.bucket.width), static_cast<int>(place.bucket.height), {}};
    const std::size_t row = std::size_t(part.width) * 3;
    part.rgb.resize(row * part.height);
    for (int y = 0; y < part.height; ++y) {
        const std::size_t at = ((static_cast<std::size_t>(place.top) + y) * whole.width +
                                static_cast<std::size_t>(place.left)) *
                               3;
        std::memcpy(&part.rgb[y * row], &whole.rgb[at], row);
    }
    return part;
}

// What the cache holds of a picture; false where it holds nothing that can be used.
bool read_cached(const fs::path& path, bool mirror, const pipeline::Model& model,
                 const BucketPlace& place, LearnPicture& picture) {
    if (!is_there(path)) return false;
    try {
        const pipeline::SafetensorsFile file(path);
        const std::int64_t unit = model.vae.config().downscale();
        const std::vector<std::int64_t> shape = {1, model.vae.config().latent_channels,
                                                 place.bucket.height / unit,
                                                 place.bucket.width / unit};
        picture.latents = file.read("latents", at::kFloat);
        if (mirror) picture.mirrored = file.read("mirrored", at::kFloat);
        for (const Tensor* tensor : {&picture.latents, &picture.mirrored})
            if (tensor->defined() &&
                (tensor->sizes() != shape || !at::isfinite(*tensor).all().item<bool>()))
                return false;
        return true;
    } catch (const Error&) {
        return false;
    }
}

void encode_picture(const pipeline::Model& model, const SetPicture& from, const BucketPlace& place,
                    bool mirror, LearnPicture& picture) {
    const Photo photo = load_photo(from.file);
    if (photo.pixels.width != from.width || photo.pixels.height != from.height)
        throw Error(from.file.string(), "has changed since it was looked at");
    const Tensor image = to_tensor(cut(photo.pixels, place));
    picture.latents = pipeline::encode_image(model, image).to(at::kCPU);
    if (mirror)
        picture.mirrored = pipeline::encode_image(model, image.flip({3}).contiguous()).to(at::kCPU);
}

}  // namespace

LearnSize learn_size(const pipeline::Model& model, std::int64_t side, bool buckets, bool mirror) {
    const auto levels = static_cast<std::int64_t>(model.unet.config().block_out_channels.size());
    const std::int64_t unit = model.vae.config().downscale() << (levels - 1);
    if (side < unit || side % unit != 0)
        throw Error("--size", std::to_string(side) + " is no multiple of " + std::to_string(unit) +
                                  ", which this model needs");
    LearnSize size{side, buckets, mirror, {{side, side}}};
    if (buckets) size.sizes = optimize::bucket_sizes(optimize::bucket_options(side, unit));
    return size;
}

BucketPlace place_of(const SetPicture& picture, const LearnSize& size) {
    return optimize::place_in_bucket({picture.width, picture.height}, size.sizes);
}

std::vector<LearnPicture> encode_set(const pipeline::Model& model, const PictureSet& set,
                                     const LearnSize& size,
                                     const std::vector<std::string>& captions,
                                     const fs::path& cache, Monitor& monitor) {
    std::vector<LearnPicture> pictures;
    const auto total = static_cast<std::int64_t>(set.pictures.size());
    for (const SetPicture& from : set.pictures) {
        const BucketPlace place = place_of(from, size);
        const fs::path file =
            own_file(cache, from.fingerprint + "-" + std::to_string(place.bucket.width) + "x" +
                                std::to_string(place.bucket.height) + "-" + model.fingerprint +
                                (size.mirror ? "-mirrored" : "") + ".safetensors");
        LearnPicture picture;
        if (!read_cached(file, size.mirror, model, place, picture)) {
            encode_picture(model, from, place, size.mirror, picture);
            pipeline::TensorMap tensors = {{"latents", picture.latents}};
            if (size.mirror) tensors["mirrored"] = picture.mirrored;
            pipeline::write_safetensors(file, tensors);
        }
        picture.latents = picture.latents.to(model.device);
        if (size.mirror) picture.mirrored = picture.mirrored.to(model.device);
        picture.captions = from.captions.empty() ? captions : from.captions;
        picture.repeats = from.repeats;
        pictures.push_back(std::move(picture));
        monitor.step(static_cast<std::int64_t>(pictures.size()), total, "encode");
    }
    return pictures;
}

}  // namespace keepsake::editor
