// The norms and pointwise kernels of kernels.h for one vector width. See kernels_vector.h for the
// unnamed namespace.
#pragma once

#include "pipeline/compute/kernels.h"
#include "pipeline/compute/kernels_vector.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width>
struct Norms {
    using V = Vectors<Width>;
    using Floats = typename V::Floats;
    static constexpr std::int64_t most = 1024;  // channels of a block: norm_block keeps below

    // A block of channels of one picture, with its scale and shift by channel.
    struct Block {
        std::int64_t picture, first, count, group_size;
        float mean[most], rscale[most];  // by channel
    };

    static Block block_at(const GroupNorm& norm, std::int64_t index) {
        Block block;
        block.count = norm_block(norm.channels, norm.groups);
        const std::int64_t per_picture = norm.channels / block.count;
        block.picture = index / per_picture;
        block.first = index % per_picture * block.count;
        block.group_size = norm.channels / norm.groups;
        return block;
    }

    static const float* row_of(const GroupNorm& norm, const Block& block, const float* x,
                               std::int64_t pixel) {
        return x + (block.picture * norm.height * norm.width + pixel) * norm.channels + block.first;
    }

    // Sums over each group of what `sums` holds by channel, given back to each channel.
    static void spread(const Block& block, float* sums) {
        for (std::int64_t c = 0; c < block.count; c += block.group_size) {
            float total = 0;
            for (std::int64_t i = 0; i < block.group_size; ++i) total += sums[c + i];
            for (std::int64_t i = 0; i < block.group_size; ++i) sums[c + i] = total;
        }
    }

    static void recall(const GroupNorm& norm, Block& block) {
        for (std::int64_t c = 0; c < block.count; ++c) {
            const std::int64_t at =
                block.picture * norm.groups + (block.first + c) / block.group_size;
            block.mean[c] = norm.mean[at];
            block.rscale[c] = norm.rscale[at];
        }
    }

    static void group_norm_moments(const GroupNorm& norm, std::int64_t picture, std::int64_t begin,
                                   std::int64_t end, float* sums) {
        const float* first = norm.x + picture * norm.height * norm.width * norm.channels;
        constexpr int block = 4;  // vectors whose sums stay in registers over the pixels
        for (std::int64_t c = 0; c < norm.channels; c += block * Width) {
            const std::int64_t left = norm.channels - c;
            const int count = static_cast<int>(smaller(block, (left + Width - 1) / Width));
            Floats shift[block], sum[block], square[block];
            for (int v = 0; v < count; ++v) {
                shift[v] = V::load(first + c + v * Width);
                sum[v] = square[v] = Floats{};
            }
            for (std::int64_t i = begin; i < end; ++i) {
                const float* x = first + i * norm.channels + c;
                for (int v = 0; v < count; ++v) {
                    const Floats d = V::load(x + v * Width) - shift[v];
                    sum[v] += d;
                    square[v] += d * d;
                }
            }
            for (int v = 0; v < count; ++v) {
                V::store(sums + c + v * Width, sum[v]);
                V::store(sums + norm.channels + c + v * Width, square[v]);
            }
        }
    }

    static void group_norm(const GroupNorm& norm, std::int64_t begin, std::int64_t end) {
        const std::int64_t height = norm.height + 2 * norm.border;
        const std::int64_t blocks = norm.channels / norm_block(norm.channels, norm.groups);
        // Picture by picture, and in it block by block: gain and shift are worked out once for all
        // the rows.
        while (begin < end) {
            const std::int64_t picture = begin / height;
            const std::int64_t stop = smaller(end, (picture + 1) * height);
            for (std::int64_t i = 0; i < blocks; ++i) {
                Block block = block_at(norm, picture * blocks + i);
                recall(norm, block);
                float gain[most], shift[most];
                for (std::int64_t c = 0; c < block.count; ++c) {
                    gain[c] = block.rscale[c] * norm.weight[block.first + c];
                    shift[c] = norm.bias[block.first + c] - block.mean[c] * gain[c];
                }
                for (std::int64_t row = begin; row < stop; ++row)
                    apply(norm, block, gain, shift, row);
            }
            begin = stop;
        }
    }

    // One row with its border; `index` counts the rows of all pictures.
    static void apply(const GroupNorm& norm, const Block& block, const float* gain,
                      const float* shift, std::int64_t index) {
        const std::int64_t width = norm.width + 2 * norm.border;
        const std::int64_t row = index % (norm.height + 2 * norm.border) - norm.border;
        float* y = norm.y + index * width * norm.channels + block.first;
        for (std::int64_t i = 0; i < width; ++i, y += norm.channels) {
            const std::int64_t column = i - norm.border;
            if (row < 0 || row >= norm.height || column < 0 || column >= norm.width) {
                fill(y, block.count, 0.0f);
                continue;
            }
            const float* x = row_of(norm, block, norm.x, row * norm.width + column);
            for (std::int64_t c = 0; c < block.count; c += Width) {
                const Floats z = V::load(x + c) * V::load(gain + c) + V::load(shift + c);
                V::store(y + c, norm.silu ? z * V::sigmoid(z) : z);
            }
        }
    }

    // dL/dz at one place: dy, through SiLU's derivative s (1 + z (1 - s)) where there is one.
    static inline Floats through_silu(const GroupNorm& norm, Floats dy, Floats z) {
        if (!norm.silu) return dy;
        const Floats s = V::sigmoid(z);
        return dy * s * (1.0f + z * (1.0f - s));
    }

    static void group_norm_gradient(const GroupNorm& norm, const GroupNormGradient& gradient,
                                    std::int64_t begin, std::int64_t end) {
        const std::int64_t pixels = norm.height * norm.width;
        for (std::int64_t index = begin; index < end; ++index) {
            Block block = block_at(norm, index);
            recall(norm, block);
            const float* weight = norm.weight + block.first;
            const float* bias = norm.bias + block.first;
            float dz_sum[most] = {}, dzx_sum[most] = {};  // of dz, and of dz * normalised x
            const auto normalised = [&](const float* x, std::int64_t c) {
                return (V::load(x + c) - V::load(block.mean + c)) * V::load(block.rscale + c);
            };
            for (std::int64_t i = 0; i < pixels; ++i) {
                const float* x = row_of(norm, block, norm.x, i);
                const float* dy = row_of(norm, block, gradient.dy, i);
                for (std::int64_t c = 0; c < block.count; c += Width) {
                    const Floats n = normalised(x, c);
                    const Floats dz = through_silu(norm, V::load(dy + c),
                                                   n * V::load(weight + c) + V::load(bias + c));
                    V::store(dz_sum + c, V::load(dz_sum + c) + dz);
                    V::store(dzx_sum + c, V::load(dzx_sum + c) + dz * n);
                }
            }
            const std::int64_t at = block.picture * norm.channels + block.first;
            if (gradient.dweight) copy(gradient.dweight + at, dzx_sum, block.count);
            if (gradient.dbias) copy(gradient.dbias + at, dz_sum, block.count);
            const float scale = 1.0f / static_cast<float>(pixels * block.group_size);
            for (std::int64_t c = 0; c < block.count; ++c) {
                dz_sum[c] *= weight[c] * scale;
                dzx_sum[c] *= weight[c] * scale;
            }
            spread(block, dz_sum);
            spread(block, dzx_sum);
            for (std::int64_t i = 0; i < pixels; ++i) {
                const float* x = row_of(norm, block, norm.x, i);
                const float* dy = row_of(norm, block, gradient.dy, i);
                float* dx = gradient.dx + (x - norm.x);
                for (std::int64_t c = 0; c < block.count; c += Width) {
                    const Floats n = normalised(x, c);
                    const Floats w = V::load(weight + c);
                    const Floats dz =
                        through_silu(norm, V::load(dy + c), n * w + V::load(bias + c));
                    V::store(dx + c, V::load(block.rscale + c) *
                                         (dz * w - V::load(dz_sum + c) - n * V::load(dzx_sum + c)));
                }
            }
        }
    }

    static void pad(const Pad& job, std::int64_t begin, std::int64_t end) {
        const std::int64_t height = job.scale * job.height + 2 * job.border;
        const std::int64_t width = job.scale * job.width;
        const std::int64_t edge = job.border * job.channels;
        const std::int64_t row_size = width * job.channels + 2 * edge;
        for (std::int64_t index = begin; index < end; ++index) {
            float* y = job.y + index * row_size;
            const std::int64_t row = index % height - job.border;
            if (row < 0 || row >= job.scale * job.height) {
                fill(y, row_size, 0.0f);
                continue;
            }
            const float* x =
                job.x + (index / height * job.height + row / job.scale) * job.width * job.channels;
            fill(y, edge, 0.0f);
            fill(y + row_size - edge, edge, 0.0f);
            if (job.scale == 1) {
                copy(y + edge, x, width * job.channels);
                continue;
            }
            for (std::int64_t column = 0; column < width; ++column)
                copy(y + edge + column * job.channels, x + column / job.scale * job.channels,
                     job.channels);
        }
    }

    static void geglu(const Geglu& job, std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const float* value = job.h + row * 2 * job.channels;
            const float* gate = value + job.channels;
            float* y = job.y + row * job.channels;
            for (std::int64_t c = 0; c < job.channels; c += Width)
                V::store(y + c, V::load(value + c) * V::gelu(V::load(gate + c)));
        }
    }

    static void geglu_gradient(const Geglu& job, std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const float* value = job.h + row * 2 * job.channels;
            const float* gate = value + job.channels;
            const float* dy = job.dy + row * job.channels;
            float* dvalue = job.dh + row * 2 * job.channels;
            float* dgate = dvalue + job.channels;
            for (std::int64_t c = 0; c < job.channels; c += Width) {
                const Floats x = V::load(gate + c), d = V::load(dy + c);
                Floats density;
                const Floats cdf = V::normal_cdf(x, density);
                V::store(dvalue + c, d * x * cdf);
                V::store(dgate + c, d * V::load(value + c) * (cdf + x * density));
            }
        }
    }

    // Of one row of a layer norm.
    struct RowMoments {
        float mean, rscale;
    };
    static inline RowMoments row_moments(const LayerNorm& job, const float* x) {
        const float scale = 1.0f / static_cast<float>(job.channels);
        Floats sum{};
        for (std::int64_t c = 0; c < job.channels; c += Width) sum += V::load(x + c);
        const float mean = V::sum(sum) * scale;
        Floats squares{};
        for (std::int64_t c = 0; c < job.channels; c += Width) {
            const Floats d = V::load(x + c) - mean;
            squares += d * d;
        }
        const float rscale = static_cast<float>(
            1.0 / __builtin_sqrt(static_cast<double>(V::sum(squares) * scale) + job.eps));
        return {mean, rscale};
    }

    // With n = (x - mean) rscale and g = dy weight, of which both means are taken:
    // dx = rscale (g - mean(g) - n mean(g n)).
    static void layer_norm_gradient(const LayerNorm& job, const LayerNormGradient& gradient,
                                    std::int64_t begin, std::int64_t end) {
        const std::int64_t channels = job.channels;
        const float scale = 1.0f / static_cast<float>(channels);
        if (gradient.sums) fill(gradient.sums, 2 * channels, 0);
        for (std::int64_t row = begin; row < end; ++row) {
            const float* x = job.x + row * channels;
            const float* dy = gradient.dy + row * channels;
            const auto [mean, rscale] = row_moments(job, x);
            Floats sum{}, product{};
            for (std::int64_t c = 0; c < channels; c += Width) {
                const Floats n = (V::load(x + c) - mean) * rscale, d = V::load(dy + c);
                const Floats g = d * V::load(job.weight + c);
                sum += g;
                product += g * n;
                if (!gradient.sums) continue;
                V::store(gradient.sums + c, V::load(gradient.sums + c) + d * n);
                V::store(gradient.sums + channels + c, V::load(gradient.sums + channels + c) + d);
            }
            if (!gradient.dx) continue;
            const float mean_g = V::sum(sum) * scale, mean_gn = V::sum(product) * scale;
            for (std::int64_t c = 0; c < channels; c += Width) {
                const Floats n = (V::load(x + c) - mean) * rscale;
                const Floats g = V::load(dy + c) * V::load(job.weight + c);
                V::store(gradient.dx + row * channels + c, (g - mean_g - n * mean_gn) * rscale);
            }
        }
    }

    static void layer_norm(const LayerNorm& job, std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const float* x = job.x + row * job.channels;
            float* y = job.y + row * job.channels;
            const auto [mean, rscale] = row_moments(job, x);
            for (std::int64_t c = 0; c < job.channels; c += Width)
                V::store(y + c, (V::load(x + c) - mean) * rscale * V::load(job.weight + c) +
                                    V::load(job.bias + c));
        }
    }
};

}  // namespace
}  // namespace keepsake::pipeline::kernels
