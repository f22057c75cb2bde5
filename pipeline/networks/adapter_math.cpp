// What each kind of adapter adds to a weight.
#include <ATen/core/grad_mode.h>

#include <cmath>

#include "pipeline/error.h"
#include "pipeline/networks/adapter.h"

namespace keepsake::pipeline {
namespace {

// A change's tensors, read as they are needed.
class Parts {
  public:
    explicit Parts(const LayerChange& change) : change_(change) {}
    bool has(const char* part) const { return change_.parts.contains(part); }
    Tensor read(const char* part) const {
        return change_.file->read(change_.parts.at(part), at::kFloat);
    }
    // As a matrix: convolutions of 1 x 1 are matrices, and so is one of k x k over all it reads.
    Tensor matrix(const char* part) const {
        const Tensor tensor = read(part);
        return tensor.dim() < 2 ? tensor : tensor.flatten(1);
    }
    // alpha / rank.
    double scale(std::int64_t rank) const {
        double alpha = change_.alpha;
        if (alpha == 0 && has("alpha"))
            alpha = read("alpha").sum().item<double>();
        else if (alpha == 0)
            return 1;
        const auto n = static_cast<double>(rank);
        return alpha / (change_.rank_stabilised ? std::sqrt(n) : n);
    }
    const LayerChange& change() const { return change_; }

  private:
    const LayerChange& change_;
};

// T(i, j, k, l) A(i, p) B(j, r) -> (p, r, k, l): Tucker's decomposition as LyCORIS has it.
Tensor tucker(const Tensor& core, const Tensor& a, const Tensor& b) {
    return at::einsum("ijkl,ip,jr->prkl", {core, a, b});
}

// up x down, with the core between them where there is one. Adds it where that needs no copy.
Tensor lora_change(const Parts& parts) {
    Tensor up = parts.matrix("lora_up"), down = parts.matrix("lora_down");
    const double scale = parts.scale(down.size(0));
    if (!parts.has("lora_mid")) return (up * scale).mm(down);
    // up (o, r), core (r, s, k, l), down (s, i).
    return tucker(parts.read("lora_mid"), up.t() * scale, down);
}

Tensor loha_change(const Parts& parts) {
    const Tensor b1 = parts.matrix("hada_w1_b"), b2 = parts.matrix("hada_w2_b");
    const Tensor a1 = parts.matrix("hada_w1_a"), a2 = parts.matrix("hada_w2_a");
    const double scale = parts.scale(b1.size(0));
    if (parts.has("hada_t1"))
        return tucker(parts.read("hada_t1"), a1, b1) * tucker(parts.read("hada_t2"), a2, b2) *
               scale;
    return a1.mm(b1) * a2.mm(b2) * scale;
}

Tensor lokr_change(const Parts& parts) {
    std::int64_t rank = 0;
    const auto factor = [&](const std::string& name) {
        const std::string a = name + "_a", b = name + "_b";
        if (parts.has(name.c_str())) return parts.read(name.c_str());
        const Tensor right = parts.matrix(b.c_str());
        rank = right.size(0);
        if (name == "lokr_w2" && parts.has("lokr_t2"))
            return tucker(parts.read("lokr_t2"), parts.matrix(a.c_str()), right);
        return parts.matrix(a.c_str()).mm(right);
    };
    Tensor w1 = factor("lokr_w1");
    const Tensor w2 = factor("lokr_w2");
    if (w2.dim() == 4) w1 = w1.unsqueeze(2).unsqueeze(2);
    // Two whole factors have no rank, and then alpha says nothing.
    return at::kron(w1.contiguous(), w2.contiguous()) * (rank > 0 ? parts.scale(rank) : 1.0);
}

// (IA)^3: each output, or each input, by a factor of its own; the file has what is above 1.
Tensor ia3_change(const Parts& parts, const Tensor& weight) {
    const Tensor factors = parts.read("weight").flatten();
    const bool inputs = parts.read("on_input").sum().item<double>() != 0;
    std::vector<std::int64_t> shape(static_cast<std::size_t>(weight.dim()), 1);
    shape[inputs ? 1 : 0] = factors.numel();
    return weight * factors.reshape(shape);
}

Tensor change_of(const Parts& parts, const Tensor& weight) {
    if (parts.has("lora_up")) return lora_change(parts);
    if (parts.has("hada_w1_a")) return loha_change(parts);
    if (parts.has("lokr_w2") || parts.has("lokr_w2_a")) return lokr_change(parts);
    if (parts.has("on_input")) return ia3_change(parts, weight);
    for (const char* part : {"diff", "diff_b", "w_norm", "b_norm"})
        if (parts.has(part)) return parts.read(part);
    throw Error(parts.change().file->path().string(), "holds a change of no known kind");
}

// DoRA, equation 5: direction V = W + change at unit length, times a learned magnitude of each
// output, or (LyCORIS' other way) of each input.
Tensor decomposed(const Parts& parts, const Tensor& direction) {
    const bool peft = parts.has("magnitude");
    Tensor magnitude = parts.read(peft ? "magnitude" : "dora_scale");
    const bool inputs = !peft && magnitude.dim() >= 2 && magnitude.size(0) == 1 &&
                        magnitude.numel() == direction.size(1) && direction.size(0) != 1;
    std::vector<std::int64_t> others;
    for (std::int64_t i = 0; i < direction.dim(); ++i)
        if (i != (inputs ? 1 : 0)) others.push_back(i);
    const Tensor norm = at::linalg_vector_norm(direction, 2, others, /*keepdim=*/true);
    return direction * (magnitude.flatten().reshape(norm.sizes()) / norm);
}

}  // namespace

Tensor changed(Tensor weight, const std::vector<LayerChange>& changes) {
    const at::NoGradGuard no_grad;
    for (const LayerChange& change : changes) {
        const Parts parts(change);
        const bool plain = parts.has("lora_up") && !parts.has("lora_mid") &&
                           !parts.has("dora_scale") && !parts.has("magnitude");
        if (plain) {
            const Tensor up = parts.matrix("lora_up"), down = parts.matrix("lora_down");
            weight.flatten(1).addmm_(up, down, 1, parts.scale(down.size(0)) * change.strength);
        } else {
            const Tensor delta = change_of(parts, weight).reshape(weight.sizes());
            const bool dora = parts.has("dora_scale") || parts.has("magnitude");
            if (dora)
                weight.lerp_(decomposed(parts, weight + delta), change.strength);
            else
                weight.add_(delta, change.strength);
        }
        if (!at::isfinite(weight.sum()).item<bool>())
            throw Error(change.file->path().string(),
                        change.parts.begin()->second + " makes weights that are not finite");
    }
    return weight;
}

}  // namespace keepsake::pipeline
