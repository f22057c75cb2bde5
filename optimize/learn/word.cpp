#include "optimize/learn/word.h"

#include <ATen/core/grad_mode.h>

#include "pipeline/error.h"

namespace keepsake::optimize {

namespace {

constexpr const char* table_name = "embeddings.token_embedding.weight";

// "a photo of a clean {}", ... of the parts that the lists are made of.
std::vector<std::string> joined(const std::vector<std::string>& beginnings,
                                const std::string& end) {
    std::vector<std::string> texts;
    for (const std::string& beginning : beginnings) texts.push_back(beginning + " " + end);
    return texts;
}

}  // namespace

Tensor word_start(const pipeline::TextEncoder& encoder, const std::vector<std::int64_t>& ids,
                  std::int64_t vectors) {
    const at::NoGradGuard no_grad;
    std::vector<std::int64_t> row_ids;
    for (std::int64_t i = 0; i < vectors; ++i) {
        const std::int64_t id = ids.at(static_cast<std::size_t>(i) % ids.size());
        if (id < 0 || id >= encoder.vocabulary_size())
            throw Error("initial words", "token " + std::to_string(id) +
                                             " is none of the vocabulary's " +
                                             std::to_string(encoder.vocabulary_size()));
        row_ids.push_back(id);
    }
    const Tensor& table = encoder.parameters().at(table_name);
    const Tensor rows = encoder.embed(
        at::tensor(row_ids, at::TensorOptions().dtype(at::kLong)).unsqueeze(0).to(table.device()));
    return rows[0].to(at::kFloat).clone().contiguous();
}

Tensor word_norms(const pipeline::TextEncoder& encoder, const Tensor& start, WordNorm norm) {
    const at::NoGradGuard no_grad;
    if (norm == WordNorm::free) return {};
    const Tensor lengths = start.norm(2, {1});
    if (norm == WordNorm::start) return lengths;
    const Tensor& table = encoder.parameters().at(table_name);
    return table.to(at::kFloat).norm(2, {1}).median().expand_as(lengths).contiguous();
}

void keep_norms(const Tensor& vectors, const Tensor& norms) {
    const at::NoGradGuard no_grad;
    // Of a vector of zeros there is no direction to keep.
    const Tensor lengths = vectors.norm(2, {1}).clamp_min(1e-12);
    vectors.mul_((norms / lengths).unsqueeze(1));
}

const std::vector<std::string>& word_templates(bool style) {
    static const std::vector<std::string> objects =
        joined({"a photo of a",           "a rendering of a",
                "a cropped photo of the", "the photo of a",
                "a photo of a clean",     "a photo of a dirty",
                "a dark photo of the",    "a photo of my",
                "a photo of the cool",    "a close-up photo of a",
                "a bright photo of the",  "a cropped photo of a",
                "a photo of the",         "a good photo of the",
                "a photo of one",         "a close-up photo of the",
                "a rendition of the",     "a photo of the clean",
                "a rendition of a",       "a photo of a nice",
                "a good photo of a",      "a photo of the nice",
                "a photo of the small",   "a photo of the weird",
                "a photo of the large",   "a photo of a cool",
                "a photo of a small"},
               "{}");
    static const std::vector<std::string> styles =
        joined({"a painting", "a rendering", "a cropped painting", "the painting",
                "a clean painting", "a dirty painting", "a dark painting", "a picture",
                "a cool painting", "a close-up painting", "a bright painting", "a cropped painting",
                "a good painting", "a close-up painting", "a rendition", "a nice painting",
                "a small painting", "a weird painting", "a large painting"},
               "in the style of {}");
    return style ? styles : objects;
}

std::string fill_template(std::string_view text, std::string_view word) {
    std::string result;
    bool found = false;
    while (!text.empty()) {
        const std::string_view place = text.starts_with("{}")       ? "{}"
                                       : text.starts_with("[name]") ? "[name]"
                                                                    : "";
        result += place.empty() ? text.substr(0, 1) : word;
        text.remove_prefix(place.empty() ? 1 : place.size());
        found = found || !place.empty();
    }
    if (!found) throw Error("template '" + result + "'", "has no {} where the word should stand");
    return result;
}

}  // namespace keepsake::optimize
