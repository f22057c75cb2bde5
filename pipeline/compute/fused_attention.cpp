#include "pipeline/compute/fused_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "pipeline/compute/kernels.h"

namespace keepsake::pipeline {

namespace {

Tensor empty(std::int64_t count) {
    return at::empty({count}, at::TensorOptions().dtype(at::kFloat));
}

// Rows of channels one after the other; between pictures there may be more.
Tensor in_token_rows(const Tensor& t) {
    return t.stride(2) == 1 ? t : t.contiguous();
}

}  // namespace

Tensor fused_attention(const Tensor& q_, const Tensor& k_, const Tensor& v_, std::int64_t heads,
                       Arithmetic arithmetic) {
    const bool odd = q_.size(2) / heads % 2 != 0;
    const kernels::Kernels* asked = odd ? nullptr : kernels::kernels_for(arithmetic);
    const kernels::Kernels& kernels = asked ? *asked : *kernels::best_kernels();
    const Tensor q = in_token_rows(q_), k = in_token_rows(k_), v = in_token_rows(v_);
    const std::int64_t batch = q.size(0), channels = q.size(2), size = channels / heads;
    const Tensor c = at::empty({batch, q.size(1), channels}, q.options());

    kernels::Attention head;
    head.q_row = q.stride(1);
    head.k_row = k.stride(1);
    head.v_row = v.stride(1);
    head.c_row = channels;
    head.rows = q.size(1);
    head.keys = k.size(1);
    head.head_size = size;
    head.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
    const std::int64_t k_size =
        kernels::packed_size(kernels.panel_width, head.keys, in_units(kernels, size));
    const std::int64_t v_size =
        kernels::packed_size(kernels.panel_width, size, in_units(kernels, head.keys));
    const Tensor packed_k = empty(batch * heads * k_size), packed_v = empty(batch * heads * v_size);
    const auto head_of = [&](std::int64_t i) {
        kernels::Attention job = head;
        const std::int64_t picture = i / heads, first = i % heads * size;
        job.q = q.const_data_ptr<float>() + picture * q.stride(0) + first;
        job.k = k.const_data_ptr<float>() + picture * k.stride(0) + first;
        job.v = v.const_data_ptr<float>() + picture * v.stride(0) + first;
        job.c = c.mutable_data_ptr<float>() + picture * c.stride(0) + first;
        job.packed_k = packed_k.mutable_data_ptr<float>() + i * k_size;
        job.packed_v = packed_v.mutable_data_ptr<float>() + i * v_size;
        return job;
    };

    const int threads = at::get_num_threads();
    const auto runs_of = [](std::int64_t count, std::int64_t run) {
        return (count + run - 1) / run;
    };
    const std::int64_t panels = runs_of(head.keys, kernels.panel_width);
    const std::int64_t run = kernels.attention_rows, runs = runs_of(head.rows, run);
    const auto attend = [&](const kernels::Attention& job, std::int64_t begin, std::int64_t end) {
        const Tensor scratch = empty(kernels.attention_scratch(size));
        kernels.attention(job, begin, end, scratch.mutable_data_ptr<float>());
    };
    if (runs <= 2) {
        // A small picture: a part is a head, which packs its own keys.
        kernels::share(batch * heads, threads, [&](std::int64_t i) {
            const kernels::Attention job = head_of(i);
            kernels.pack_attention(job, 0, panels);
            attend(job, 0, head.rows);
        });
        return c;
    }
    constexpr std::int64_t panels_a_part = 8;
    const std::int64_t packs = runs_of(panels, panels_a_part);
    kernels::share(batch * heads * packs, threads, [&](std::int64_t i) {
        const std::int64_t begin = i % packs * panels_a_part;
        kernels.pack_attention(head_of(i / packs), begin, std::min(begin + panels_a_part, panels));
    });
    kernels::share(batch * heads * runs, threads, [&](std::int64_t i) {
        const std::int64_t begin = i % runs * run;
        attend(head_of(i / runs), begin, std::min(begin + run, head.rows));
    });
    return c;
}

}  // namespace keepsake::pipeline
