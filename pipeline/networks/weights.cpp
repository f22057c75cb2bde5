#include "pipeline/networks/weights.h"

#include <cmath>
#include <utility>

#include "pipeline/compute/kernels.h"
#include "pipeline/error.h"

namespace keepsake::pipeline {

namespace {

std::string shape_text(at::IntArrayRef shape) {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i)
        text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + ")";
}

// Adds "<count> <what>: a, b, c" to a list of complaints.
void append_complaint(std::string& complaints, std::string_view what,
                      const std::vector<std::string>& names) {
    if (names.empty()) return;
    if (!complaints.empty()) complaints += "; ";
    complaints += std::to_string(names.size()) + " " + std::string(what) + ": ";
    for (std::size_t i = 0; i < names.size(); ++i) complaints += (i ? ", " : "") + names[i];
}

// Whether every value is finite. aminmax propagates NaN and, unlike isfinite, needs no memory of
// the tensor's size, which would count against a load's peak.
bool all_finite(const Tensor& tensor) {
    if (tensor.numel() == 0 || tensor.is_meta() || !tensor.is_floating_point()) return true;
    const auto [lowest, highest] = at::aminmax(tensor);
    return std::isfinite(lowest.item<double>()) && std::isfinite(highest.item<double>());
}

bool is_pointwise_convolution_of(at::IntArrayRef found, at::IntArrayRef asked) {
    return asked.size() == 2 && found.size() == 4 && found[2] == 1 && found[3] == 1 &&
           found.slice(0, 2) == asked;
}

}  // namespace

Weights::Weights(std::map<std::string, Source> sources, std::string component)
    : sources_(std::move(sources)), component_(std::move(component)) {}

Weights Weights::from_tensors(TensorMap tensors, std::string component) {
    std::map<std::string, Source> sources;
    for (auto& [name, tensor] : tensors)
        sources[name] = {tensor.sizes().vec(), tensor.scalar_type(),
                         [tensor](at::ScalarType as) { return tensor.to(as); }};
    return Weights(std::move(sources), std::move(component));
}

Weights Weights::fresh(Maker make, std::string component) {
    Weights weights({}, std::move(component));
    weights.make_ = std::move(make);
    return weights;
}

void Weights::set_target(at::ScalarType dtype, at::Device device) {
    dtype_ = dtype;
    device_ = device;
}

void Weights::rename(const std::function<std::string(const std::string&)>& new_name) {
    std::map<std::string, Source> renamed;
    std::map<std::string, std::string> names_in_file;
    for (auto& [name, source] : sources_) {
        const std::string given = new_name(name);
        if (!renamed.emplace(given, std::move(source)).second)
            throw Error(component_, "holds " + given + " twice, once as " + name_in_file(name));
        if (given != name_in_file(name)) names_in_file[given] = name_in_file(name);
    }
    sources_ = std::move(renamed);
    names_in_file_ = std::move(names_in_file);
}

const std::string& Weights::name_in_file(const std::string& name) const {
    const auto found = names_in_file_.find(name);
    return found == names_in_file_.end() ? name : found->second;
}

bool Weights::contains(const std::string& name) const {
    return sources_.contains(name);
}

std::vector<std::int64_t> Weights::shape(const std::string& name) const {
    const auto found = sources_.find(name);
    return found == sources_.end() ? std::vector<std::int64_t>{} : found->second.shape;
}

std::vector<std::string> Weights::names() const {
    std::vector<std::string> names;
    for (const auto& [name, source] : sources_) names.push_back(name);
    return names;
}

void Weights::set_loras(std::map<std::string, Lora> loras) {
    loras_ = std::move(loras);
}

std::shared_ptr<const Lora> Weights::lora(const std::string& layer) const {
    const auto found = loras_.find(layer);
    return found == loras_.end() ? nullptr : std::make_shared<const Lora>(found->second);
}

std::shared_ptr<LoraPass> Weights::lora_pass() const {
    return loras_.empty() ? nullptr : loras_.begin()->second.dropout.pass;
}

bool Weights::is_large() const {
    constexpr std::int64_t most = 1 << 26;  // 256 MiB in float32; Stable Diffusion's VAE has more
    std::int64_t count = 0;
    for (const auto& [name, source] : sources_) count += c10::multiply_integers(source.shape);
    return count > most;
}

std::shared_ptr<PackedWeights> Weights::packed() const {
    return is_large() ? nullptr : std::make_shared<PackedWeights>();
}

void Weights::keep_stored_precision() {
    keeps_stored_ = kernels::best_kernels() && is_large();
}

at::ScalarType Weights::dtype_of(const Source& source) const {
    const bool eighth = source.stored == at::kFloat8_e4m3fn || source.stored == at::kFloat8_e5m2;
    const bool half = eighth || source.stored == at::kHalf || source.stored == at::kBFloat16;
    const bool keeps = keeps_stored_ && half && dtype_ == at::kFloat && device_.is_cpu();
    // float16 holds every number of both kinds of eight bits.
    const at::ScalarType kept = eighth ? at::kHalf : source.stored;
    // Small ones (norms, biases, the first and last convolution) are not worth it.
    constexpr std::int64_t small = 1 << 16;
    return keeps && source.shape.size() >= 2 && c10::multiply_integers(source.shape) >= small
               ? kept
               : dtype_;
}

Tensor Weights::take(const std::string& name, at::IntArrayRef shape) {
    if (make_ && !sources_.contains(name))
        sources_[name] = {
            shape.vec(), at::kFloat,
            [make = make_, name, made = shape.vec()](at::ScalarType) { return make(name, made); }};
    const auto found = sources_.find(name);
    const bool missing = found == sources_.end();
    const bool pointwise = !missing && is_pointwise_convolution_of(found->second.shape, shape);
    const bool fits = !missing && (pointwise || found->second.shape == shape);
    if (missing)
        missing_.push_back(name + " " + shape_text(shape));
    else if (!fits)
        misshapen_.push_back(name_in_file(name) + " is " + shape_text(found->second.shape) +
                             ", should be " + shape_text(shape));
    if (!fits) {
        Tensor placeholder = at::empty(shape, at::device(at::kMeta).dtype(dtype_));
        taken_[name] = placeholder;
        return placeholder;
    }
    const at::ScalarType dtype = dtype_of(found->second);
    Tensor tensor = found->second.read(dtype).detach();
    if (pointwise) tensor = tensor.reshape(shape);
    if (!all_finite(tensor)) not_finite_.push_back(name_in_file(name));
    tensor = tensor.to(device_, dtype);
    if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
    taken_[name] = tensor;
    return tensor;
}

void Weights::finish(const std::function<bool(const std::string&)>& ignore) const {
    std::vector<std::string> surplus;
    for (const auto& [name, source] : sources_)
        if (!taken_.contains(name) && !(ignore && ignore(name)))
            surplus.push_back(name_in_file(name));
    std::string complaints;
    append_complaint(complaints, "missing", missing_);
    append_complaint(complaints, "of another shape", misshapen_);
    append_complaint(complaints, "not part of this model", surplus);
    append_complaint(complaints, "with values that are not finite", not_finite_);
    if (!complaints.empty()) throw Error(component_, "tensors do not fit: " + complaints);
}

}  // namespace keepsake::pipeline
