// Float32 kernels for x86 processors, on plain memory. One body (kernels_table.h) is compiled for
// each vector width; best_kernels() picks by what the processor can do. Where there are none for a
// processor, and for every other dtype and device, fused_layers.h computes the same with ATen; that
// path is also the twin that the tests compare these with.
//
// Activations are rows of channels: (B, H, W, C) or (B, N, C), contiguous. Weights of a product are
// read in panels: `panel_width` columns of B side by side, K deep, so that the innermost loop reads
// memory in order (Goto & van de Geijn, ACM TOMS 34(3), 2008). A last panel whose columns fill no
// more than half is half as wide.
//
// Products in bfloat16 arithmetic (`Kernels::arithmetic`) round A and B to bfloat16, to nearest,
// ties to even, as they are packed and read, and add up in float32; K is even, and panels hold two
// numbers of consecutive K beside each other. All else is float32 there too, the
// exponentials of attention, whose results are rounded, to 8e-5.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/compute/arithmetic.h"

namespace keepsake::pipeline::kernels {

enum class Activation { none, geglu };

// A weight as it is kept in memory. Half precision is read as it is packed: the same numbers in
// half the room.
enum class Stored { float32, float16, bfloat16 };
struct StoredWeight {
    const void* data = nullptr;
    Stored as = Stored::float32;
};

// Where the rows of a matrix lie, counted through pictures of `height` rows of `width` pixels. A
// plain matrix is one row of pixels.
struct RowLayout {
    std::int64_t width = 1, height = 1;
    std::int64_t pixel = 0, line = 0, picture = 0;  // floats from one to the next
};

// A: (rows, K). A row is read where it lies: `segments` runs of `segment_length` floats,
// `segment_stride` apart. A 3x3 convolution over a padded picture is three runs of three pixels
// each; a matrix is one run.
struct InputMatrix {
    const float* a = nullptr;
    RowLayout a_rows;
    std::int64_t segments = 1, segment_length = 0, segment_stride = 0;
    std::int64_t rows = 0;
    std::int64_t depth() const { return segments * segment_length; }  // K
};

// C = epilogue(A B), B: (K, columns).
struct Product : InputMatrix {
    std::int64_t columns = 0;
    const void* panels = nullptr;  // B, packed; or null, and then (float32 arithmetic only)
    StoredWeight weights;          // B^T (columns, K), packed panel by panel on the way
    const float* bias = nullptr;   // (columns), added
    // (rows / rows_per_group, columns), added: what a picture's time embedding gives its pixels.
    const float* group_bias = nullptr;
    std::int64_t rows_per_group = 1;
    const float* residual = nullptr;  // lies as C does; added last
    float* c = nullptr;
    RowLayout c_rows;
    // geglu: columns are pairs (value, gate), interleaved by pack_pairs; C has half as many, value
    // * gelu(gate). Takes `panels` and neither group_bias nor residual.
    Activation activation = Activation::none;
};

// G (outs, K) = sum over rows of D[m]^T A[m]: the gradient of a product's weights. In bfloat16
// arithmetic D and A are rounded.
struct WeightGradient : InputMatrix {
    std::int64_t outs = 0;
    const float* d = nullptr;  // (rows, outs)
    float* gradient = nullptr;
};

// Group norm (Wu & He, arXiv 1803.08494), with SiLU after it or not. x: (batch, height, width,
// channels). y has a border of `border` pixels, which is set to zero, around each picture.
struct GroupNorm {
    const float* x = nullptr;
    std::int64_t batch = 1, height = 0, width = 0, channels = 0, groups = 32;
    double eps = 1e-5;
    const float* weight = nullptr;  // (channels)
    const float* bias = nullptr;    // (channels)
    bool silu = false;
    std::int64_t border = 0;
    float* y = nullptr;
    float* mean = nullptr;    // (batch, groups)
    float* rscale = nullptr;  // likewise: 1 / sqrt(variance + eps)
};

// Gradients of GroupNorm. dy: (batch, height, width, channels) without a border.
struct GroupNormGradient {
    const float* dy = nullptr;
    float* dx = nullptr;
    float* dweight = nullptr;  // (batch, channels) or null
    float* dbias = nullptr;    // likewise
};

// Copies (batch, height, width, channels) into the middle of (.., height + 2 border, ..), whose
// border is set to zero; every pixel `scale` times in both directions, to `scale` times the size.
struct Pad {
    const float* x = nullptr;
    std::int64_t batch = 1, height = 0, width = 0, channels = 0;
    std::int64_t border = 1, scale = 1;
    float* y = nullptr;
};

// y = value * gelu(gate), h: (rows, 2 * channels), value first.
struct Geglu {
    const float* h = nullptr;
    std::int64_t rows = 0, channels = 0;
    float* y = nullptr;         // (rows, channels); the forward's
    const float* dy = nullptr;  // (rows, channels); the backward's
    float* dh = nullptr;        // (rows, 2 * channels); the backward's
};

// y[row] = (x[row] - mean) / sqrt(variance + eps) * weight + bias (Ba et al., arXiv 1607.06450).
struct LayerNorm {
    const float* x = nullptr;
    std::int64_t rows = 0, channels = 0;
    double eps = 1e-5;
    const float* weight = nullptr;
    const float* bias = nullptr;
    float* y = nullptr;
};

// Gradients of LayerNorm.
struct LayerNormGradient {
    const float* dy = nullptr;
    float* dx = nullptr;
    float* sums =
        nullptr;  // (2, channels): dL/dweight and dL/dbias by the rows of one call; or null
};

// C = softmax(scale Q K^T) V of one head, a block of keys at a time, so that no matrix of rows x
// keys is ever written (Dao et al., arXiv 2205.14135, algorithm 1). A row of q is `head_size`
// floats, and rows are `..._row` floats apart; likewise of k, v and c.
struct Attention {
    const float *q = nullptr, *k = nullptr, *v = nullptr;
    std::int64_t q_row = 0, k_row = 0, v_row = 0, c_row = 0;
    std::int64_t rows = 0, keys = 0, head_size = 0;
    float scale = 1;
    // Packed by pack_attention; room for packed_size(panel_width, keys, head_size) floats, and
    // packed_size(panel_width, head_size, keys), each with its last number in whole depth units. In
    // bfloat16 head_size is even.
    float* packed_k = nullptr;
    float* packed_v = nullptr;
    float* c = nullptr;
};

// A 3x3 weight for Winograd's convolution: (outs, 9, ins).
struct WinogradShape {
    std::int64_t outs = 0, ins = 0;
    bool transposed =
        false;  // for the gradient of the input: taps reversed, outs and ins exchanged
    std::int64_t columns() const { return transposed ? ins : outs; }
    std::int64_t depth() const { return transposed ? outs : ins; }
};

// C = 3x3 convolution of x with stride 1, by tiles of 2x2 pixels (Lavin & Gray, arXiv 1509.09308).
struct Winograd {
    const float* x = nullptr;                       // (batch, height + 2, width + 2, channels)
    std::int64_t batch = 1, height = 0, width = 0;  // of C, even
    std::int64_t channels = 0, columns = 0;
    const void* panels = nullptr;  // by pack_winograd
    const float* bias = nullptr;
    const float* group_bias = nullptr;  // these three as in Product
    std::int64_t rows_per_group = 1;
    const float* residual = nullptr;
    float* c = nullptr;  // (batch, height, width, columns)
    std::int64_t tiles() const { return batch * (height / 2) * (width / 2); }
};

// The part of a product that one call computes.
struct Part {
    std::int64_t row_begin = 0, row_end = 0, panel_begin = 0, panel_end = 0;
};

// A set of kernels for one kind of processor. Each runs on the calling thread, over a part of
// the work.
struct Kernels {
    const char* name;          // "avx2", "avx512", "avx512_bf16", "amx_bf16"
    Arithmetic arithmetic;     // of products
    std::int64_t panel_width;  // columns of a packed panel
    std::int64_t tile_rows;    // rows that a product takes at once: other numbers cost more
    std::int64_t depth_unit;   // numbers of K that it takes at once, likewise
    // Products by registers of whole matrices: they take a convolution where its pictures lie,
    // which is quicker than Winograd's.
    bool in_tiles;
    // (columns, K) row-major -> panels of B.
    void (*pack)(StoredWeight weights, std::int64_t columns, std::int64_t depth, void* panels,
                 std::int64_t begin, std::int64_t end);
    // (2 * columns / 2, K), values then gates -> panels with both of a pair in one panel.
    void (*pack_pairs)(StoredWeight weights, std::int64_t columns, std::int64_t depth, void* panels,
                       std::int64_t begin, std::int64_t end);
    // For the gradient of A: weights (outs, taps, ins) -> panels of B with `ins` columns and depth
    // taps * outs, the taps in reverse order.
    void (*pack_transposed)(StoredWeight weights, std::int64_t outs, std::int64_t taps,
                            std::int64_t ins, void* panels, std::int64_t begin, std::int64_t end);
    // scratch: product_scratch() floats.
    void (*product)(const Product& product, const Part& part, float* scratch);
    std::int64_t (*product_scratch)(const Product& product, const Part& part);
    // Outs [begin, end). scratch: weight_gradient_scratch() floats for so many outs.
    void (*weight_gradient)(const WeightGradient& job, std::int64_t begin, std::int64_t end,
                            float* scratch);
    std::int64_t (*weight_gradient_scratch)(std::int64_t outs);
    // Of pixels [begin, end) of one picture, by channel: the sum of x - s and of its square, s
    // being the picture's first pixel, so that a mean far from zero costs no accuracy. sums: (2,
    // channels).
    void (*group_norm_moments)(const GroupNorm& norm, std::int64_t picture, std::int64_t begin,
                               std::int64_t end, float* sums);
    // y, from them. Rows with their border [begin, end) of batch * (height + 2 border).
    void (*group_norm)(const GroupNorm& norm, std::int64_t begin, std::int64_t end);
    void (*group_norm_gradient)(const GroupNorm& norm, const GroupNormGradient& gradient,
                                std::int64_t begin, std::int64_t end);
    // Rows of a picture with its border: [begin, end) of batch * (scale * height + 2 * border).
    void (*pad)(const Pad& pad, std::int64_t begin, std::int64_t end);
    void (*geglu)(const Geglu& job, std::int64_t begin, std::int64_t end);
    void (*geglu_gradient)(const Geglu& job, std::int64_t begin, std::int64_t end);
    void (*layer_norm)(const LayerNorm& job, std::int64_t begin, std::int64_t end);
    void (*layer_norm_gradient)(const LayerNorm& job, const LayerNormGradient& gradient,
                                std::int64_t begin, std::int64_t end);
    // k and v of panels of keys [begin, end), which attention() then reads.
    void (*pack_attention)(const Attention& job, std::int64_t begin, std::int64_t end);
    // Rows [begin, end); begin is a multiple of attention_rows.
    void (*attention)(const Attention& job, std::int64_t begin, std::int64_t end, float* scratch);
    std::int64_t attention_rows;                                // that go through the keys together
    std::int64_t (*attention_scratch)(std::int64_t head_size);  // floats
    // Panels [begin, end); all of them take 16 * packed_size(panel_width, columns, depth).
    void (*pack_winograd)(StoredWeight weights, const WinogradShape& shape, void* panels,
                          std::int64_t begin, std::int64_t end);
    // Tiles [begin, end) of panels [panel_begin, panel_end).
    void (*winograd)(const Winograd& job, std::int64_t begin, std::int64_t end,
                     std::int64_t panel_begin, std::int64_t panel_end, float* scratch);
    std::int64_t (*winograd_scratch)(std::int64_t tiles, std::int64_t channels);  // floats
};

// Each null where this build has none.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
const Kernels* avx512_bf16_kernels();
const Kernels* amx_bf16_kernels();
// Those that this processor runs, and where it has to be asked the system lets run: float32's
// first and of them the widest last, then bfloat16's likewise.
std::vector<const Kernels*> usable_kernels();
// The widest of float32, or null. The environment variable KEEPSAKE_KERNELS (none, avx2, avx512,
// avx512_bf16) asks for less.
const Kernels* best_kernels();
// Likewise for an arithmetic; null with it where the processor or KEEPSAKE_KERNELS has none.
const Kernels* kernels_for(Arithmetic arithmetic);

// Channels that one part of a group norm takes: whole groups, whole vectors. 0: this number of
// channels does not divide so, and the kernel is not for it.
std::int64_t norm_block(std::int64_t channels, std::int64_t groups);

// Calls part(0) ... part(parts - 1) on up to `threads` threads of OpenMP's pool, which is
// LibTorch's too. A thread that is done takes the next part.
void share(std::int64_t parts, int threads, const std::function<void(std::int64_t)>& part);

std::int64_t packed_size(std::int64_t panel_width, std::int64_t columns, std::int64_t depth);
// `depth` in whole depth units.
std::int64_t in_units(const Kernels& kernels, std::int64_t depth);

}  // namespace keepsake::pipeline::kernels
