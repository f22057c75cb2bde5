// Attention beside ATen's softmax in double precision.
#include "tests/pipeline/compute/kernels_fixture.h"

#include <cmath>

namespace keepsake::pipeline::kernels {
namespace {

struct AttentionTest : KernelsTest {};

// Keys that fill blocks and panels, and that leave every kind of rest; heads narrower and wider
// than a panel; a first block whose scores are far below the second's.
TEST_P(AttentionTest, OfOneHead) {
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
            const Tensor packed_k =
                at::empty({packed_size(k.panel_width, keys, in_units(k, size))});
            const Tensor packed_v =
                at::empty({packed_size(k.panel_width, size, in_units(k, keys))});
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
            // Where queries are rounded it is with what makes a score a power of two.
            const double power = 1.44269504088896341, before = rounds ? scale * power : 1;
            const Tensor scores = head(q * static_cast<float>(before)).mm(head(keys_in).t());
            const Tensor weights = at::softmax(scores * (scale / before), 1);
            // bfloat16 rounds the weights too, beside the largest so far, whatever that is.
            EXPECT_LT(worst(c.slice(1, 0, size), weights.mm(head(v))), rounds ? 3e-3 : 1e-5);
            EXPECT_TRUE(at::equal(c.slice(1, size), at::full({rows, size + 3}, 7.0)));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Processors, AttentionTest, testing::ValuesIn(usable_kernels()), name_of);
// None on a processor without AVX2.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AttentionTest);

}  // namespace
}  // namespace keepsake::pipeline::kernels
