// Every set of kernels that this processor runs, beside ATen in double precision.
#include "tests/pipeline/compute/kernels_fixture.h"

#include <cmath>
#include <utility>
#include <vector>

namespace keepsake::pipeline::kernels {
namespace {

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

// A convolution over a padded picture, as runs of pixels: pictures whose lines tiles fill and do
// not fill, and a stride; in parts that begin within a picture, the same numbers.
TEST_P(KernelsTest, ProductOfAPicturesPixels) {
    struct Shape {
        std::int64_t height, width, channels, stride;
    };
    for (const auto& [height, width, channels, stride] :
         {Shape{3, 16, 32, 1}, Shape{2, 48, 64, 1}, Shape{5, 8, 32, 1}, Shape{3, 16, 32, 2},
          Shape{2, 16, 40, 1}}) {
        SCOPED_TRACE(std::to_string(width) + " wide, stride " + std::to_string(stride));
        constexpr std::int64_t batch = 2, outs = 72, kernel = 3;
        const std::int64_t tall = stride * height + 2, wide = stride * width + 2;
        const Tensor x = random({batch, tall, wide, channels}, 30);
        const Tensor weights = random({outs, kernel, kernel, channels}, 31);
        const Tensor bias = random({outs}, 32);
        const std::int64_t rows = batch * height * width, depth = kernel * kernel * channels;
        Product job;
        job.a = x.const_data_ptr<float>();
        job.a_rows = {width, height, stride * channels, stride * wide * channels,
                      tall * wide * channels};
        job.segments = kernel;
        job.segment_length = kernel * channels;
        job.segment_stride = wide * channels;
        job.rows = rows;
        job.columns = outs;
        job.bias = bias.const_data_ptr<float>();
        job.c_rows = {rows, 1, outs, 0, 0};
        const std::int64_t panels = panels_of(k, outs);
        const Tensor packed = at::empty({packed_size(k.panel_width, outs, depth)});
        k.pack({weights.const_data_ptr()}, outs, depth, packed.mutable_data_ptr<float>(), 0,
               panels);
        job.panels = packed.const_data_ptr();
        const Tensor c = at::full({rows, outs}, 1e9), parts = at::full({rows, outs}, 1e9);
        const auto run = [&](const Tensor& to, const Part& part) {
            job.c = to.mutable_data_ptr<float>();
            const Tensor scratch = at::empty({k.product_scratch(job, part)});
            k.product(job, part, scratch.mutable_data_ptr<float>());
        };
        run(c, {0, rows, 0, panels});
        const Tensor y =
            at::conv2d(seen(x).permute({0, 3, 1, 2}), seen(weights).permute({0, 3, 1, 2}),
                       bias.to(at::kDouble), stride);
        EXPECT_LT(worst(c, y.slice(2, 0, height).permute({0, 2, 3, 1}).reshape({rows, outs})),
                  1e-6);
        run(parts, {0, 16, 0, panels});
        run(parts, {16, rows - 16, 0, 1});
        run(parts, {16, rows - 16, 1, panels});
        run(parts, {rows - 16, rows, 0, panels});
        EXPECT_TRUE(at::equal(c, parts));
    }
}

TEST_P(KernelsTest, WeightGradient) {
    struct Shape {
        std::int64_t rows, depth, outs;
    };
    std::vector<Shape> shapes = {{1061, 40, 75}};  // more rows than are multiplied at once
    for (const std::int64_t depth : {5, 16, 32, 87})
        for (const std::int64_t outs : {1, 8, 13}) shapes.push_back({29, depth, outs});
    for (const auto& [count, depth, outs] : shapes) {
        SCOPED_TRACE(std::to_string(depth) + " by " + std::to_string(outs));
        Matrices m{count, outs, depth};
        const Product rows = m.job();
        const Tensor d = random({count, outs}, 7),
                     gradient = at::ones({outs, depth});  // written over
        WeightGradient job;
        job.a = rows.a;
        job.a_rows = rows.a_rows;
        job.segment_length = depth;
        job.rows = count;
        job.outs = outs;
        job.d = d.const_data_ptr<float>();
        job.gradient = gradient.mutable_data_ptr<float>();
        const Tensor scratch = at::empty({k.weight_gradient_scratch(outs)});
        k.weight_gradient(job, 0, outs, scratch.mutable_data_ptr<float>());
        // Rounding grows with the number of sums.
        EXPECT_LT(worst(gradient, seen(d).t().mm(seen(m.a))), count > 100 ? 1e-5 : 1e-6);
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

TEST_P(KernelsTest, LayerNormsGradients) {
    constexpr std::int64_t rows = 21, channels = 112;
    const Tensor x = random({rows, channels}, 13) * 3 + 40, dy = random({rows, channels}, 14);
    const Tensor weight = random({channels}, 15), bias = random({channels}, 16);
    LayerNorm job;
    job.x = x.const_data_ptr<float>();
    job.rows = rows;
    job.channels = channels;
    job.weight = weight.const_data_ptr<float>();
    job.bias = bias.const_data_ptr<float>();
    const Tensor dx = at::empty_like(x), sums = at::empty({2, channels});
    LayerNormGradient gradient;
    gradient.dy = dy.const_data_ptr<float>();
    gradient.dx = dx.mutable_data_ptr<float>();
    gradient.sums = sums.mutable_data_ptr<float>();
    k.layer_norm_gradient(job, gradient, 0, rows);

    const auto leaf = [](const Tensor& t) { return t.to(at::kDouble).requires_grad_(); };
    const Tensor x64 = leaf(x), weight64 = leaf(weight), bias64 = leaf(bias);
    at::layer_norm(x64, {channels}, weight64, bias64, job.eps).backward(dy.to(at::kDouble));
    EXPECT_LT(worst(dx, x64.grad()), 2e-5);
    EXPECT_LT(worst(sums[0], weight64.grad()), 2e-5);
    EXPECT_LT(worst(sums[1], bias64.grad()), 1e-6);
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

INSTANTIATE_TEST_SUITE_P(Processors, KernelsTest, testing::ValuesIn(usable_kernels()), name_of);
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
