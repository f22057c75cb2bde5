#include "pipeline/networks/layers.h"

#include "tests/pipeline/networks/network_golden.h"

namespace keepsake::pipeline {
namespace {

constexpr auto channels_last = at::MemoryFormat::ChannelsLast;

Weights random_weights(const std::map<std::string, std::vector<std::int64_t>>& shapes) {
    at::manual_seed(5);
    TensorMap tensors;
    for (const auto& [name, shape] : shapes) tensors[name] = at::randn(shape);
    return Weights::from_tensors(tensors);
}

TEST(Layers, LinearFromAPointwiseConvolutionIsThatConvolution) {
    Weights weights = random_weights({{"p.weight", {5, 4, 1, 1}}, {"p.bias", {5}}});
    const Linear linear = Linear::from_pointwise(weights, "p", 4, 5);
    const Tensor x = at::randn({2, 4, 3, 7});
    const Tensor expected = at::conv2d(x, linear.weight, linear.bias);
    EXPECT_LE(relative_error(from_tokens(linear(to_tokens(x)), expected), expected), 1e-6);
}

TEST(Layers, GradientReachesAPointwiseWeightMadeTrainableLater) {
    Weights weights = random_weights({{"p.weight", {5, 4, 1, 1}}, {"p.bias", {5}}});
    const Linear linear = Linear::from_pointwise(weights, "p", 4, 5);
    Tensor parameter = weights.taken().at("p.weight");
    parameter.requires_grad_();
    const Tensor x = at::randn({2, 3, 4});
    linear(x).sum().backward();
    ASSERT_TRUE(parameter.grad().defined());
    const Tensor expected = x.sum({0, 1}).expand({5, 4}).reshape({5, 4, 1, 1});
    EXPECT_LE(relative_error(parameter.grad(), expected), 1e-6);
}

TEST(Layers, TokensAreAViewOfAChannelsLastPicture) {
    const Tensor x = at::randn({2, 6, 3, 5}).contiguous(channels_last);
    const Tensor tokens = to_tokens(x);
    EXPECT_EQ(tokens.data_ptr(), x.data_ptr());
    EXPECT_TRUE(tokens.is_contiguous());
    EXPECT_EQ(tokens[1][2 * 5 + 4][3].item<float>(), x[1][3][2][4].item<float>());
    const Tensor back = from_tokens(tokens, x);
    EXPECT_EQ(back.data_ptr(), x.data_ptr());
    EXPECT_TRUE(at::equal(back, x));
}

TEST(Layers, ResnetStaysInChannelsLast) {
    Weights weights = random_weights({{"r.norm1.weight", {8}},
                                      {"r.norm1.bias", {8}},
                                      {"r.norm2.weight", {12}},
                                      {"r.norm2.bias", {12}},
                                      {"r.conv1.weight", {12, 8, 3, 3}},
                                      {"r.conv1.bias", {12}},
                                      {"r.conv2.weight", {12, 12, 3, 3}},
                                      {"r.conv2.bias", {12}},
                                      {"r.time_emb_proj.weight", {12, 10}},
                                      {"r.time_emb_proj.bias", {12}},
                                      {"r.conv_shortcut.weight", {12, 8, 1, 1}},
                                      {"r.conv_shortcut.bias", {12}}});
    const Resnet resnet(weights, "r", {8, 12, 4, 1e-5, 10});
    weights.finish();
    const Tensor x = at::randn({2, 8, 5, 6}).contiguous(channels_last);
    const Tensor before = x.clone();
    const Tensor time = (*resnet.time)(at::randn({2, 10}));
    const Tensor recorded = resnet(x, time);
    EXPECT_TRUE(recorded.is_contiguous(channels_last));
    const at::NoGradGuard no_grad;
    const Tensor out = resnet(x, time);
    EXPECT_TRUE(out.is_contiguous(channels_last));
    EXPECT_TRUE(at::equal(out, recorded));
    EXPECT_TRUE(at::equal(x, before)) << "the input was changed";
}

TEST(Layers, AttentionIsSoftmaxOfScaledProducts) {
    const Tensor q = at::randn({2, 5, 12}), k = at::randn({2, 7, 12}), v = at::randn({2, 7, 12});
    const auto split = [](const Tensor& x) { return x.reshape({2, -1, 3, 4}).transpose(1, 2); };
    const Tensor weights = at::softmax(split(q).matmul(split(k).transpose(2, 3)) / 2.0, -1);
    const Tensor expected = weights.matmul(split(v)).transpose(1, 2).reshape({2, 5, 12});
    EXPECT_LE(relative_error(attention(q, k, v, 3), expected), 1e-5);
}

// Small pictures and large ones, which are shared among the threads in different ways; keys of a
// text; rows that lie apart in a larger tensor.
TEST(Layers, AttentionWithoutGradientsIsTheSame) {
    for (const std::int64_t rows : {16, 64, 200}) {
        for (const std::int64_t keys : {rows, std::int64_t{77}}) {
            SCOPED_TRACE(std::to_string(rows) + " by " + std::to_string(keys));
            const Tensor q = at::randn({2, rows, 3 * 24});
            const Tensor both = at::randn({2, keys, 2 * 3 * 24});
            const Tensor k = both.slice(2, 0, 72), v = both.slice(2, 72);
            const Tensor recorded = attention(q, k, v, 3);
            const at::NoGradGuard no_grad;
            const Tensor found = attention(q, k, v, 3);
            EXPECT_TRUE(at::allclose(found, recorded, 1e-5, 1e-5));
        }
    }
}

TEST(Layers, CausalAttentionSeesNoLaterToken) {
    const Tensor x = at::randn({1, 6, 8});
    Tensor changed = x.clone();
    changed.select(1, 4).fill_(3.0);
    const Tensor a = attention(x, x, x, 2, true);
    const Tensor b = attention(changed, changed, changed, 2, true);
    EXPECT_LE(relative_error(b.slice(1, 0, 4), a.slice(1, 0, 4)), 1e-6);
    EXPECT_GT(relative_error(b.slice(1, 4), a.slice(1, 4)), 1e-2);
}

}  // namespace
}  // namespace keepsake::pipeline
