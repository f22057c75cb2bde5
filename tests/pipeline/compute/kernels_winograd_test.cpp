// The convolutions by Winograd's filtering beside ATen's in double precision.
#include "tests/pipeline/compute/kernels_fixture.h"

#include <vector>

namespace keepsake::pipeline::kernels {
namespace {

struct WinogradTest : KernelsTest {};

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
TEST_P(WinogradTest, IsTheConvolution) {
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

INSTANTIATE_TEST_SUITE_P(Processors, WinogradTest, testing::ValuesIn(usable_kernels()), name_of);
// None on a processor without AVX2.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WinogradTest);

}  // namespace
}  // namespace keepsake::pipeline::kernels
