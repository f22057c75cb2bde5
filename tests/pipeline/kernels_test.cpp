// Every set of kernels that this processor runs, beside ATen in double precision.
#include "pipeline/kernels.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace keepsake::pipeline::kernels {
namespace {

using at::Tensor;

double worst(const Tensor& found, const Tensor& expected) {
    return ((found.to(at::kDouble) - expected).abs().max() / expected.abs().max()).item<double>();
}

Tensor random(at::IntArrayRef shape, std::uint64_t seed) {
    at::manual_seed(seed);
    return at::randn(shape);
}

std::int64_t panels_of(const Kernels& k, std::int64_t columns) {
    return (columns + k.panel_width - 1) / k.panel_width;
}

struct KernelsTest : testing::TestWithParam<const Kernels*> {
    const Kernels& k = *GetParam();
    const bool rounds = k.arithmetic == Arithmetic::bfloat16;

    // A factor as these kernels' products see it, in double precision.
    Tensor seen(const Tensor& t) const {
        return rounds ? t.to(at::kBFloat16).to(at::kDouble) : t.to(at::kDouble);
    }
    Tensor scratch_of(const Product& job) const {
        return at::empty({k.product_scratch(job, job.rows)});
    }
};

// A (rows, depth) B (depth, columns), rows where they lie in one piece.
struct Matrices {
    std::int64_t rows, columns, depth;
    Tensor a = random({rows, depth}, 1);
    Tensor weights = random({columns, depth}, 2);  // B^T
    Product job() {
        Product product;
        product.a = a.const_data_ptr<float>();
        product.a_rows = {rows, 1, depth, 0, 0};
        product.segment_length = depth;
        product.rows = rows;
        product.columns = columns;
        product.c_rows = {rows, 1, columns, 0, 0};
        return product;
    }
};

// Rows and columns that fill tiles and panels, and that leave every kind of rest.
TEST_P(KernelsTest, ProductWithEverythingAdded) {
    for (const std::int64_t rows : {1, 7, 24, 53}) {
        for (const std::int64_t columns : {3, 8, 16, 32, 40, 48, 61}) {
            SCOPED_TRACE(std::to_string(rows) + " by " + std::to_string(columns));
            Matrices m{rows * 2, columns, 38};
            Product job = m.job();
            const Tensor bias = random({columns}, 3), group = random({2, columns}, 4);
            const Tensor residual = random({rows * 2, columns}, 5);
            const Tensor packed = at::empty({packed_size(k.panel_width, columns, 38)});
            k.pack({m.weights.const_data_ptr()}, columns, 38, packed.mutable_data_ptr<float>(), 0,
                   panels_of(k, columns));
            const Tensor c = at::full({rows * 2, columns}, 1e9);
            job.panels = packed.const_data_ptr<float>();
            job.bias = bias.const_data_ptr<float>();
            job.group_bias = group.const_data_ptr<float>();
            job.rows_per_group = rows;
            job.residual = residual.const_data_ptr<float>();
            job.c = c.mutable_data_ptr<float>();
            k.product(job, {0, rows * 2, 0, panels_of(k, columns)},
                      scratch_of(job).mutable_data_ptr<float>());
            const Tensor expected = seen(m.a).mm(seen(m.weights).t()) + bias +
                                    group.repeat_interleave(rows, 0) + residual;
            EXPECT_LT(worst(c, expected), 1e-6);

            // In parts, as threads take them.
            const Tensor parts = at::empty_like(c);
            job.c = parts.mutable_data_ptr<float>();
            const std::int64_t panels = panels_of(k, columns);
            for (const Part& part :
                 {Part{0, rows, 0, panels}, Part{rows, rows * 2, 0, 1},
                  Part{rows, rows * 2, std::min<std::int64_t>(1, panels), panels}})
                k.product(job, part, scratch_of(job).mutable_data_ptr<float>());
            EXPECT_TRUE(at::equal(c, parts));

            if (rounds) continue;
            // Packed on the way: the same numbers.
            const Tensor again = at::empty_like(c);
            job.panels = nullptr;
            job.weights = {m.weights.const_data_ptr()};
            job.c = again.mutable_data_ptr<float>();
            k.product(job, {0, rows * 2, 0, panels}, scratch_of(job).mutable_data_ptr<float>());
            EXPECT_TRUE(at::equal(c, again));
        }
    }
}

TEST_P(KernelsTest, ProductWithGeglu) {
    for (const std::int64_t half : {16, 48}) {
        Matrices m{19, 2 * half, 40};
        Product job = m.job();
        const Tensor bias = random({2 * half}, 3);
        const Tensor packed = at::empty({packed_size(k.panel_width, 2 * half, 40)});
        k.pack_pairs({m.weights.const_data_ptr()}, 2 * half, 40, packed.mutable_data_ptr<float>(),
                     0, panels_of(k, 2 * half));
        const Tensor c = at::empty({19, half});
        job.panels = packed.const_data_ptr<float>();
        job.bias = bias.const_data_ptr<float>();
        job.c = c.mutable_data_ptr<float>();
        job.c_rows = {19, 1, half, 0, 0};
        job.activation = Activation::geglu;
        k.product(job, {0, 19, 0, panels_of(k, 2 * half)},
                  scratch_of(job).mutable_data_ptr<float>());
        const Tensor h = seen(m.a).mm(seen(m.weights).t()) + bias;
        EXPECT_LT(worst(c, h.slice(1, 0, half) * at::gelu(h.slice(1, half))), 1e-6);
    }
}

TEST_P(KernelsTest, TransposedPanelsReverseTheTaps) {
    constexpr std::int64_t outs = 6, taps = 3, ins = 61;
    const Tensor weights = random({outs, taps, ins}, 6);
    const Tensor packed = at::zeros({packed_size(k.panel_width, ins, taps * outs)},
                                    rounds ? at::kBFloat16 : at::kFloat);
    k.pack_transposed({weights.const_data_ptr()}, outs, taps, ins, packed.mutable_data_ptr(), 0,
                      panels_of(k, ins));
    // Two numbers of K beside each other in bfloat16.
    const std::int64_t step = rounds ? 2 : 1;
    const Tensor panels = packed.reshape({-1, taps, outs / step, k.panel_width, step})
                              .transpose(3, 4)
                              .reshape({-1, taps, outs, k.panel_width});
    for (std::int64_t i = 0; i < panels.size(0) * k.panel_width; ++i) {
        const Tensor column = panels[i / k.panel_width].select(2, i % k.panel_width);
        const Tensor expected =
            i < ins ? seen(weights.select(2, i).t().flip(0)) : seen(at::zeros({taps, outs}));
        EXPECT_TRUE(at::equal(column.to(at::kDouble), expected)) << i;
    }
}

// Winograd's F(2x2, 3x3) written out, with its points rounded as the kernels round them: x (batch,
// height + 2, width + 2, channels) and kernel (outs, ins, 3, 3), double.
Tensor winograd_in_bfloat16(const Tensor& x, const Tensor& kernel) {
    const auto matrix = [](std::initializer_list<double> v, std::int64_t columns) {
        return at::tensor(std::vector<double>(v), at::kDouble).reshape({-1, columns});
    };
    const Tensor bt = matrix({1, 0, -1, 0, 0, 1, 1, 0, 0, -1, 1, 0, 0, 1, 0, -1}, 4);
    const Tensor g = matrix({1, 0, 0, .5, .5, .5, .5, -.5, .5, 0, 0, 1}, 3);
    const Tensor at_ = matrix({1, 1, 1, 0, 0, 1, -1, -1}, 4);
    const auto rounded = [](const Tensor& t) { return t.to(at::kBFloat16).to(at::kDouble); };
    const Tensor tiles = x.unfold(1, 4, 2).unfold(2, 4, 2);  // (b, y, x, c, 4, 4)
    const Tensor values = rounded(at::matmul(at::matmul(bt, tiles), bt.t()));
    const Tensor weights = rounded(at::matmul(at::matmul(g, kernel), g.t()));  // (o, c, 4, 4)
    const Tensor sums = at::einsum("byxcij,ocij->byxoij", {values, weights});
    const Tensor pixels = at::matmul(at::matmul(at_, sums), at_.t());  // (b, y, x, o, 2, 2)
    return pixels.permute({0, 1, 4, 2, 5, 3})
        .reshape({x.size(0), x.size(1) - 2, x.size(2) - 2, kernel.size(0)});
}

// Channels that fill vectors and panels and that do not; several pictures; both directions.
TEST_P(KernelsTest, WinogradIsTheConvolution) {
    constexpr std::int64_t batch = 2, height = 6, width = 10;
    for (const std::int64_t ins : {32, 62}) {
        for (const std::int64_t outs : {32, 40, 62}) {
            for (const bool transposed : {false, true}) {
                SCOPED_TRACE(std::to_string(ins) + " to " + std::to_string(outs));
                const WinogradShape shape{outs, ins, transposed};
                const std::int64_t channels = shape.depth(), columns = shape.columns();
                const Tensor x = random({batch, height + 2, width + 2, channels}, 21);
                const Tensor weights = random({outs, 3, 3, ins}, 22);
                const Tensor bias = random({columns}, 23), group = random({2, columns}, 24);
                const Tensor residual = random({batch, height, width, columns}, 25);
                const Tensor packed =
                    at::empty({16 * packed_size(k.panel_width, columns, channels)});
                const std::int64_t panels = panels_of(k, columns);
                k.pack_winograd({weights.const_data_ptr()}, shape, packed.mutable_data_ptr<float>(),
                                0, panels);
                const Tensor c = at::full({batch, height, width, columns}, 1e9);
                Winograd job;
                job.x = x.const_data_ptr<float>();
                job.batch = batch;
                job.height = height;
                job.width = width;
                job.channels = channels;
                job.columns = columns;
                job.panels = packed.const_data_ptr<float>();
                job.bias = bias.const_data_ptr<float>();
                job.group_bias = group.const_data_ptr<float>();
                job.rows_per_group = height * width;
                job.residual = residual.const_data_ptr<float>();
                job.c = c.mutable_data_ptr<float>();
                const Tensor scratch = at::empty({k.winograd_scratch(job.tiles(), channels)});
                float* room = scratch.mutable_data_ptr<float>();
                k.winograd(job, 0, 13, 0, panels, room);  // ends in the first picture
                k.winograd(job, 13, job.tiles(), 0, 1, room);
                k.winograd(job, 13, job.tiles(), 1, panels, room);

                const Tensor w64 = weights.to(at::kDouble);
                const Tensor kernel =
                    transposed ? w64.flip({1, 2}).permute({3, 0, 1, 2}) : w64.permute({0, 3, 1, 2});
                const Tensor x64 = x.to(at::kDouble);
                const Tensor convolved =
                    at::conv2d(x64.permute({0, 3, 1, 2}), kernel).permute({0, 2, 3, 1});
                const Tensor added = bias + group.reshape({batch, 1, 1, columns}) + residual;
                if (rounds) {
                    // A transform in float32 rounds a few points the other way.
                    EXPECT_LT(worst(c, winograd_in_bfloat16(x64, kernel) + added), 3e-4);
                    EXPECT_LT(worst(c, convolved + added), 1e-2);
                } else {
                    EXPECT_LT(worst(c, convolved + added), 2e-6);
                }
            }
        }
    }
}

// What is kept in half precision is packed as if it had been widened before.
TEST_P(KernelsTest, PacksHalfPrecisionAsItsFloats) {
    constexpr std::int64_t outs = 62, taps = 3, ins = 38;
    const Tensor floats = random({outs, taps, ins}, 6) * 1e-3;
    for (const auto& [dtype, as] :
         {std::pair{at::kHalf, Stored::float16}, std::pair{at::kBFloat16, Stored::bfloat16}}) {
        const Tensor half = floats.to(dtype), wide = half.to(at::kFloat);
        const auto both = [&](const auto& pack, std::int64_t columns, std::int64_t depth) {
            const std::int64_t size = packed_size(k.panel_width, columns, depth);
            const Tensor from_half = at::zeros({size}), from_wide = at::zeros({size});
            pack(StoredWeight{half.const_data_ptr(), as}, from_half.mutable_data_ptr<float>());
            pack(StoredWeight{wide.const_data_ptr()}, from_wide.mutable_data_ptr<float>());
            EXPECT_TRUE(at::equal(from_half, from_wide)) << dtype;
            EXPECT_GT(from_half.abs().sum().item<float>(), 0);
        };
        constexpr std::int64_t depth = taps * ins;
        both([&](StoredWeight w, float* to) { k.pack(w, outs, depth, to, 0, panels_of(k, outs)); },
             outs, depth);
        both([&](StoredWeight w,
                 float* to) { k.pack_pairs(w, outs - 2, depth, to, 0, panels_of(k, outs - 2)); },
             outs - 2, depth);
        both([&](StoredWeight w,
                 float* to) { k.pack_transposed(w, outs, taps, ins, to, 0, panels_of(k, ins)); },
             ins, taps * outs);
    }
}

TEST_P(KernelsTest, WeightGradient) {
    for (const std::int64_t depth : {5, 16, 32, 87}) {
        for (const std::int64_t outs : {1, 8, 13}) {
            SCOPED_TRACE(std::to_string(depth) + " by " + std::to_string(outs));
            Matrices m{29, outs, depth};
            const Product rows = m.job();
            const Tensor d = random({29, outs}, 7), gradient = at::ones({outs, depth});
            WeightGradient job;
            job.a = rows.a;
            job.a_rows = rows.a_rows;
            job.segment_length = depth;
            job.rows = 29;
            job.outs = outs;
            job.d = d.const_data_ptr<float>();
            job.gradient = gradient.mutable_data_ptr<float>();
            k.weight_gradient(job, 0, outs);
            EXPECT_LT(worst(gradient, d.to(at::kDouble).t().mm(m.a.to(at::kDouble)) + 1), 1e-6);
        }
    }
}

TEST_P(KernelsTest, GroupNormAndItsGradient) {
    for (const bool silu : {false, true}) {
        constexpr std::int64_t batch = 2, height = 3, width = 5, channels = 96, groups = 32;
        // A mean far from zero: squares must not cancel.
        const Tensor x = random({batch, height, width, channels}, 8) + 30;
        const Tensor weight = random({channels}, 9), bias = random({channels}, 10);
        const Tensor y = at::full({batch, height + 2, width + 2, channels}, 7.0);
        const Tensor stats = at::empty({2, batch, groups});
        GroupNorm norm;
        norm.x = x.const_data_ptr<float>();
        norm.batch = batch;
        norm.height = height;
        norm.width = width;
        norm.channels = channels;
        norm.groups = groups;
        norm.weight = weight.const_data_ptr<float>();
        norm.bias = bias.const_data_ptr<float>();
        norm.silu = silu;
        norm.border = 1;
        norm.y = y.mutable_data_ptr<float>();
        norm.mean = stats.mutable_data_ptr<float>();
        norm.rscale = norm.mean + batch * groups;
        const std::int64_t parts = batch * channels / norm_block(channels, groups);
        ASSERT_GT(parts, batch);
        // Mean and scale are worked out from the moments by fused_products.cpp; here by ATen.
        const Tensor groups64 = x.to(at::kDouble)
                                    .reshape({batch, height * width, groups, channels / groups})
                                    .permute({0, 2, 1, 3})
                                    .flatten(2);
        stats[0].copy_(groups64.mean(2));
        stats[1].copy_(1 / (groups64.var(2, /*unbiased=*/false) + norm.eps).sqrt());
        for (std::int64_t picture = 0; picture < batch; ++picture) {
            const Tensor moments = at::empty({2, channels});
            k.group_norm_moments(norm, picture, 2, 11, moments.mutable_data_ptr<float>());
            const Tensor pixels = x[picture].reshape({-1, channels}).to(at::kDouble);
            const Tensor shifted = pixels.slice(0, 2, 11) - pixels[0];
            EXPECT_LT(worst(moments[0], shifted.sum(0)), 1e-6);
            EXPECT_LT(worst(moments[1], (shifted * shifted).sum(0)), 1e-6);
        }
        k.group_norm(norm, 0, 3);  // across the border between two pictures
        k.group_norm(norm, 3, batch * (height + 2));

        Tensor x64 = x.to(at::kDouble).permute({0, 3, 1, 2}).requires_grad_();
        Tensor weight64 = weight.to(at::kDouble).requires_grad_();
        Tensor bias64 = bias.to(at::kDouble).requires_grad_();
        Tensor expected = at::group_norm(x64, groups, weight64, bias64, norm.eps);
        if (silu) expected = at::silu(expected);
        EXPECT_LT(worst(y, at::constant_pad_nd(expected, {1, 1, 1, 1}).permute({0, 2, 3, 1})),
                  1e-5);

        const Tensor dy = random({batch, height, width, channels}, 11), dx = at::empty_like(x);
        const Tensor sums = at::empty({2, batch, channels});
        const GroupNormGradient gradient{dy.const_data_ptr<float>(), dx.mutable_data_ptr<float>(),
                                         sums.mutable_data_ptr<float>(),
                                         sums.mutable_data_ptr<float>() + batch * channels};
        k.group_norm_gradient(norm, gradient, 0, parts);
        expected.backward(dy.to(at::kDouble).permute({0, 3, 1, 2}));
        EXPECT_LT(worst(dx, x64.grad().permute({0, 2, 3, 1})), 1e-5);
        EXPECT_LT(worst(sums[0].sum(0), weight64.grad()), 1e-5);
        EXPECT_LT(worst(sums[1].sum(0), bias64.grad()), 1e-5);
    }
}

TEST_P(KernelsTest, PadsAndUpscales) {
    for (const std::int64_t scale : {1, 2}) {
        const Tensor x = random({2, 3, 4, 6}, 12);
        const Tensor y = at::full({2, 3 * scale + 2, 4 * scale + 2, 6}, 9.0);
        const Pad job{x.const_data_ptr<float>(), 2, 3, 4, 6, 1, scale, y.mutable_data_ptr<float>()};
        k.pad(job, 0, 2 * (3 * scale + 2));
        const Tensor large = x.repeat_interleave(scale, 1).repeat_interleave(scale, 2);
        EXPECT_TRUE(at::equal(y, at::constant_pad_nd(large, {0, 0, 1, 1, 1, 1})));
    }
}

TEST_P(KernelsTest, GegluAndItsGradient) {
    const Tensor h = random({9, 64}, 13) * 3, dy = random({9, 32}, 14);
    const Tensor y = at::empty({9, 32}), dh = at::empty_like(h);
    Geglu job;
    job.h = h.const_data_ptr<float>();
    job.rows = 9;
    job.channels = 32;
    job.y = y.mutable_data_ptr<float>();
    job.dy = dy.const_data_ptr<float>();
    job.dh = dh.mutable_data_ptr<float>();
    k.geglu(job, 0, 9);
    k.geglu_gradient(job, 0, 9);
    Tensor h64 = h.to(at::kDouble).requires_grad_();
    const Tensor expected = h64.slice(1, 0, 32) * at::gelu(h64.slice(1, 32));
    expected.backward(dy.to(at::kDouble));
    EXPECT_LT(worst(y, expected), 1e-6);
    EXPECT_LT(worst(dh, h64.grad()), 1e-6);
}

TEST_P(KernelsTest, LayerNormOverAWideRange) {
    const Tensor x = random({5, 80}, 15) * 1e3 + 1e4;
    const Tensor weight = random({80}, 16), bias = random({80}, 17), y = at::empty_like(x);
    LayerNorm job;
    job.x = x.const_data_ptr<float>();
    job.rows = 5;
    job.channels = 80;
    job.weight = weight.const_data_ptr<float>();
    job.bias = bias.const_data_ptr<float>();
    job.y = y.mutable_data_ptr<float>();
    k.layer_norm(job, 0, 5);
    EXPECT_LT(worst(y, at::layer_norm(x.to(at::kDouble), {80}, weight.to(at::kDouble),
                                      bias.to(at::kDouble), job.eps)),
              1e-5);
}

// Keys that fill blocks and panels, and that leave every kind of rest; heads narrower and wider
// than a panel; a first block whose scores are far below the second's.
TEST_P(KernelsTest, AttentionOfOneHead) {
    for (const std::int64_t keys : {1, 13, 77, 256, 300, 700}) {
        for (const std::int64_t size : {8, 20, 40, 64, 160}) {
            SCOPED_TRACE(std::to_string(keys) + " keys of " + std::to_string(size));
            const std::int64_t rows = 2 * k.attention_rows + 5, row = 2 * size + 3;
            const Tensor q = random({rows, row}, 18), v = random({keys, row}, 20);
            const Tensor keys_in = random({keys, row}, 19);
            const double scale = 1 / std::sqrt(static_cast<double>(size));
            if (keys > 256) keys_in.slice(0, 256).mul_(8);
            const Tensor c = at::full({rows, row}, 7.0);
            Attention job;
            job.q = q.const_data_ptr<float>();
            job.k = keys_in.const_data_ptr<float>();
            job.v = v.const_data_ptr<float>();
            job.q_row = job.k_row = job.v_row = job.c_row = row;
            job.rows = rows;
            job.keys = keys;
            job.head_size = size;
            job.scale = static_cast<float>(scale);
            const Tensor packed_k = at::empty({packed_size(k.panel_width, keys, size)});
            const Tensor packed_v = at::empty({packed_size(k.panel_width, size, keys + keys % 2)});
            const Tensor scratch = at::empty({k.attention_scratch(size)});
            job.packed_k = packed_k.mutable_data_ptr<float>();
            job.packed_v = packed_v.mutable_data_ptr<float>();
            job.c = c.mutable_data_ptr<float>();
            const std::int64_t panels = panels_of(k, keys), half = (panels + 1) / 2;
            k.pack_attention(job, 0, half);
            k.pack_attention(job, half, panels);
            k.attention(job, 0, k.attention_rows, scratch.mutable_data_ptr<float>());
            k.attention(job, k.attention_rows, rows, scratch.mutable_data_ptr<float>());
            const auto head = [&](const Tensor& t) { return seen(t.slice(1, 0, size)); };
            const Tensor weights = at::softmax(head(q).mm(head(keys_in).t()) * scale, 1);
            // bfloat16 rounds the weights too, beside the largest so far, whatever that is.
            EXPECT_LT(worst(c.slice(1, 0, size), weights.mm(head(v))), rounds ? 3e-3 : 1e-5);
            EXPECT_TRUE(at::equal(c.slice(1, size), at::full({rows, size + 3}, 7.0)));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Processors, KernelsTest, testing::ValuesIn(usable_kernels()),
                         [](const auto& given) { return std::string(given.param->name); });
// None on a processor without AVX2.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KernelsTest);

TEST(Kernels, NormBlocksAreWholeGroupsAndCacheLines) {
    EXPECT_EQ(norm_block(64, 32), 16);
    EXPECT_EQ(norm_block(192, 32), 48);
    EXPECT_EQ(norm_block(320, 32), 80);
    EXPECT_EQ(norm_block(12, 4), 0);
    EXPECT_EQ(norm_block(40, 4), 0);
}

TEST(Kernels, ShareCallsEveryPartOnce) {
    for (const int threads : {1, 3}) {
        std::vector<int> calls(50, 0);
        share(50, threads, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
        EXPECT_EQ(calls, std::vector<int>(50, 1));
    }
}

}  // namespace
}  // namespace keepsake::pipeline::kernels
