// The fused layers beside the same in ATen: values and every gradient.
#include "pipeline/compute/fused_layers.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "pipeline/compute/kernels.h"
#include "pipeline/networks/layers.h"

namespace keepsake::pipeline {
namespace {

double worst(const Tensor& found, const Tensor& expected) {
    return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

struct Case {
    std::int64_t in, out, kernel, batch, height, width;
    bool norm, silu, time, residual, lora, packed;
    std::int64_t stride = 1;
    std::int64_t out_side(std::int64_t side) const { return (side - 1) / stride + 1; }
};

std::ostream& operator<<(std::ostream& stream, const Case& c) {
    return stream << c.in << " to " << c.out << ", kernel " << c.kernel << ", batch " << c.batch
                  << (c.norm ? ", norm" : "") << (c.silu ? ", SiLU" : "")
                  << (c.lora ? ", LoRA" : "") << (c.stride == 1 ? "" : ", stride 2")
                  << (c.packed ? "" : ", packed on the way");
}

// A layer and all that goes into it, as leaves.
struct Leaves {
    Tensor x, norm_weight, norm_bias, weight, bias, time, residual, down, up;
    std::shared_ptr<PackedWeights> packed;
    double scale = 1;
    LoraDropout dropout;

    explicit Leaves(const Case& c) {
        at::manual_seed(21);
        const auto cl = at::MemoryFormat::ChannelsLast;
        x = at::randn({c.batch, c.in, c.height, c.width}).contiguous(cl);
        norm_weight = at::randn({c.in});
        norm_bias = at::randn({c.in});
        weight = at::randn({c.out, c.in, c.kernel, c.kernel}).contiguous(cl);
        bias = at::randn({c.out});
        time = at::randn({c.batch, c.out});
        residual =
            at::randn({c.batch, c.out, c.out_side(c.height), c.out_side(c.width)}).contiguous(cl);
        down = at::randn({16, c.in, c.kernel, c.kernel}).contiguous(cl);
        up = at::randn({c.out, 16, 1, 1});
        if (c.packed) packed = std::make_shared<PackedWeights>();
    }
    std::vector<Tensor*> leaves(const Case& c) {
        std::vector<Tensor*> used = {&x, &weight, &bias};
        if (c.norm) used.insert(used.end(), {&norm_weight, &norm_bias});
        if (c.time) used.push_back(&time);
        if (c.residual) used.push_back(&residual);
        if (c.lora) used.insert(used.end(), {&down, &up});
        return used;
    }
    Tensor fused(const Case& c) {
        GroupNorm norm;
        norm.weight = norm_weight;
        norm.bias = norm_bias;
        norm.groups = 8;
        FusedLayer layer;
        if (c.norm) layer.norm = &norm;
        layer.silu = c.silu;
        layer.weight = weight;
        layer.bias = bias;
        layer.packed = packed;
        layer.padding = c.kernel / 2;
        layer.stride = c.stride;
        if (c.lora) {
            Lora lora{down, up};
            lora.scale = scale;
            lora.dropout = dropout;
            layer.lora = std::make_shared<const Lora>(lora);
        }
        EXPECT_TRUE(can_fuse(x, layer));
        return run_fused(layer, x, {c.time ? time : Tensor(), c.residual ? residual : Tensor()});
    }
    Tensor plain(const Case& c) {
        Tensor h = c.norm ? at::group_norm(x, 8, norm_weight, norm_bias, 1e-5) : x;
        if (c.silu) h = at::silu(h);
        const std::int64_t p = c.kernel / 2, s = c.stride;
        Tensor y = at::conv2d(h, weight, bias, {s, s}, {p, p});
        if (c.lora) {
            Tensor low = at::conv2d(h, down, {}, {s, s}, {p, p}) * scale;
            if (dropout.pass) {
                const Tensor stays = what_stays(dropout, low.numel() / 16, 16);
                low = low *
                      stays.view({c.batch, low.size(2), low.size(3), 16}).permute({0, 3, 1, 2}) /
                      (1 - dropout.probability);
            }
            y = y + at::conv2d(low, up);
        }
        if (c.time) y = y + time.unsqueeze(-1).unsqueeze(-1);
        return c.residual ? y + residual : y;
    }
};

class FusedLayers : public testing::TestWithParam<Case> {
  protected:
    void SetUp() override {
        if (!kernels::best_kernels()) GTEST_SKIP() << "no kernels for this processor";
    }
};

// Both run with their leaves requiring a gradient. found: what ours gave.
void expect_as_aten(const Case& c, Leaves& ours, Leaves& theirs, Tensor& found) {
    for (Leaves* leaves_of : {&ours, &theirs})
        for (Tensor* leaf : leaves_of->leaves(c)) leaf->requires_grad_();
    found = ours.fused(c);
    const Tensor expected = theirs.plain(c);
    EXPECT_LT(worst(found, expected), 2e-5);
    EXPECT_TRUE(found.is_contiguous(at::MemoryFormat::ChannelsLast));
    const Tensor dy = at::randn(expected.sizes());
    found.backward(dy);
    expected.backward(dy);
    const auto mine = ours.leaves(c), reference = theirs.leaves(c);
    for (std::size_t i = 0; i < mine.size(); ++i) {
        SCOPED_TRACE("leaf " + std::to_string(i));
        ASSERT_TRUE(mine[i]->grad().defined());
        EXPECT_LT(worst(mine[i]->grad(), reference[i]->grad()), 5e-5);
    }
}

TEST_P(FusedLayers, ValuesAndGradientsAreThoseOfAten) {
    const Case& c = GetParam();
    Leaves ours(c), theirs(c);
    Tensor found;
    expect_as_aten(c, ours, theirs, found);
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(ours.fused(c), found)) << "without a gradient";
}

TEST_P(FusedLayers, ALoraIsScaledAndDropped) {
    const Case& c = GetParam();
    if (!c.lora) return;
    Leaves ours(c), theirs(c);
    const auto pass = std::make_shared<LoraPass>();
    for (std::int64_t i = 0; i < c.batch; ++i)
        pass->samples.push_back(100 + static_cast<std::uint64_t>(i));
    for (Leaves* leaves : {&ours, &theirs}) {
        leaves->scale = 0.25;
        leaves->dropout = {0.4, 7, pass};
    }
    Tensor found;
    expect_as_aten(c, ours, theirs, found);
    const at::NoGradGuard no_grad;
    theirs.dropout = {};
    EXPECT_LT(worst(ours.fused(c), theirs.plain(c)), 2e-5) << "without a gradient all stays";
    EXPECT_GT(worst(found, theirs.plain(c)), 1e-2);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, FusedLayers,
    testing::Values(Case{32, 48, 3, 2, 5, 7, true, true, true, true, false, true},
                    Case{32, 48, 3, 2, 5, 7, true, true, true, true, true, true},
                    Case{64, 16, 3, 1, 4, 4, false, false, false, false, false, false},
                    Case{64, 70, 1, 3, 4, 4, true, false, false, true, true, false},
                    Case{5, 3, 3, 1, 6, 6, false, false, false, false, true, true},
                    Case{16, 16, 1, 2, 1, 9, false, false, false, true, false, true},
                    Case{32, 48, 3, 2, 8, 6, false, false, false, false, true, true, 2},
                    Case{32, 32, 3, 2, 7, 5, true, true, true, true, true, false, 2}));

TEST_F(FusedLayers, AWeightThatWasWrittenIsPackedAgain) {
    PackedWeights packed;
    // Whole panels on every processor: what lies beside the columns of a last one is nobody's.
    Tensor weight = at::randn({96, 6});
    const Tensor before = packed.get(weight, PackedWeights::Kind::plain);
    EXPECT_TRUE(packed.get(weight, PackedWeights::Kind::plain).is_same(before));
    weight.mul_(2);
    EXPECT_TRUE(at::equal(packed.get(weight, PackedWeights::Kind::plain), before * 2));
    // Another tensor at the same version.
    Tensor other = weight.clone();
    other.add_(1);
    const Tensor third = packed.get(other, PackedWeights::Kind::plain);
    EXPECT_FALSE(at::equal(third, before * 2));
}

TEST_F(FusedLayers, UpscalesAsNearestNeighbour) {
    const at::NoGradGuard no_grad;
    at::manual_seed(3);
    FusedLayer layer;
    layer.weight = at::randn({6, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
    layer.padding = 1;
    layer.upscale = 2;
    const Tensor x = at::randn({2, 4, 3, 5});
    ASSERT_TRUE(can_fuse(x, layer));
    const Tensor expected =
        at::conv2d(at::upsample_nearest2d(x, {6, 10}), layer.weight, {}, {1, 1}, {1, 1});
    EXPECT_LT(worst(run_fused(layer, x), expected), 1e-5);
}

TEST_F(FusedLayers, StridesAsAConvolution) {
    const at::NoGradGuard no_grad;
    at::manual_seed(4);
    FusedLayer layer;
    layer.weight = at::randn({6, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast);
    layer.bias = at::randn({6});
    layer.stride = 2;
    for (const std::int64_t padding : {0, 1}) {
        layer.padding = padding;
        const Tensor x = at::randn({2, 4, 7, 6});
        const Tensor expected = at::conv2d(x, layer.weight, layer.bias, {2, 2}, {padding, padding});
        EXPECT_LT(worst(run_fused(layer, x), expected), 1e-5);
    }
    layer.weight.requires_grad_();
    layer.padding = 0;
    const at::AutoGradMode with_gradient(true);
    EXPECT_FALSE(can_fuse(at::randn({2, 4, 7, 6}), layer)) << "its gradient is not written";
}

TEST_F(FusedLayers, OtherKindsAreLeftToAten) {
    FusedLayer layer;
    layer.weight = at::randn({6, 4}, at::kDouble);
    EXPECT_FALSE(can_fuse(at::randn({2, 4}, at::kDouble), layer));
    layer.weight = at::randn({6, 4});
    EXPECT_TRUE(can_fuse(at::randn({2, 4}), layer));
    GroupNorm norm;
    norm.groups = 4;  // three channels a group: they share no vector
    layer.norm = &norm;
    layer.weight = at::randn({6, 12, 3, 3});
    EXPECT_FALSE(can_fuse(at::randn({1, 12, 4, 4}), layer));
}

}  // namespace
}  // namespace keepsake::pipeline
