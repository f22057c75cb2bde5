// The table of kernels for one vector width, for the files that are compiled for one processor.
#pragma once

#include "pipeline/compute/kernels_attention.h"
#include "pipeline/compute/kernels_norm.h"
#include "pipeline/compute/kernels_product.h"
#include "pipeline/compute/kernels_weight_gradient.h"
#include "pipeline/compute/kernels_winograd.h"

namespace keepsake::pipeline::kernels {
namespace {

template <int Width, int Rows, class Numbers = Float32Products<Width>>
constexpr Kernels table(const char* name) {
    using P = Products<Width, Rows, Numbers>;
    using N = Norms<Width>;
    using A = Attentions<Width, Rows, Numbers>;
    using G = WeightGradients<Width, Rows, Numbers>;
    using W = Winograds<Width, Rows, Numbers>;
    return {name,
            Numbers::arithmetic,
            P::panel,
            P::tile_rows,
            Numbers::depth_unit,
            Numbers::in_tiles,
            P::pack,
            P::pack_pairs,
            P::pack_transposed,
            P::product,
            P::product_scratch,
            G::gradient,
            G::scratch,
            N::group_norm_moments,
            N::group_norm,
            N::group_norm_gradient,
            N::pad,
            N::geglu,
            N::geglu_gradient,
            N::layer_norm,
            N::layer_norm_gradient,
            A::pack,
            A::attention,
            A::block_rows,
            A::scratch,
            W::pack,
            W::convolve,
            W::scratch};
}

}  // namespace
}  // namespace keepsake::pipeline::kernels
