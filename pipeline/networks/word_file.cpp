#include "pipeline/networks/word_file.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <string_view>
#include <utility>

#include "pipeline/error.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/pickle.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_vectors = 1024;  // more than any text has room for
constexpr std::size_t most_words = 1000;
// Names that are no words: then the file's stem is.
constexpr std::array<std::string_view, 5> stand_ins = {"emb_params", "emp_params", "*",
                                                       "string_to_param.*", "clip_l"};
// OneTrainer's vectors behind the text encoder: nobody else reads them.
constexpr std::string_view output_vectors = "emp_params_out";
constexpr std::string_view bundle_prefix = "bundle_emb.";
constexpr std::string_view bundle_suffix = ".string_to_param.*";

bool is_stand_in(std::string_view key) {
    return std::find(stand_ins.begin(), stand_ins.end(), key) != stand_ins.end();
}

bool is_bundled(std::string_view key) {
    return key.starts_with(bundle_prefix) && key.ends_with(bundle_suffix) &&
           key.size() > bundle_prefix.size() + bundle_suffix.size();
}

// Vectors, by their shape: (n, D) or (D).
bool holds_vectors(const TensorInfo& info) {
    const std::size_t dims = info.shape.size();
    return at::isFloatingType(info.dtype) && (dims == 1 || dims == 2) && info.shape.back() > 0 &&
           info.shape[0] > 0 && (dims == 1 || info.shape[0] <= most_vectors);
}

bool is_sdxl(const SafetensorsFile& file) {
    return file.tensors().contains("clip_g") ||
           std::any_of(file.tensors().begin(), file.tensors().end(), [](const auto& tensor) {
               return tensor.first.starts_with(bundle_prefix) && tensor.first.ends_with(".clip_g");
           });
}

// The tensors that are words, and how they are found.
struct Layout {
    std::vector<std::string> keys;
    std::string text;
};

Layout layout_of(const SafetensorsFile& file) {
    Layout bundle{{}, "ComfyUI's bundle"}, words{{}, ""};
    std::size_t others = 0;
    for (const auto& [key, info] : file.tensors()) {
        if (is_bundled(key) && holds_vectors(info)) bundle.keys.push_back(key);
        if (is_stand_in(key) && holds_vectors(info))
            return {{key}, key + ", found by the file's name"};
        if (key == output_vectors) continue;
        if (holds_vectors(info))
            words.keys.push_back(key);
        else
            ++others;
    }
    if (!bundle.keys.empty()) return bundle;
    if (others > 0 || words.keys.size() > most_words) return {};
    const auto width = [&](const std::string& key) { return file.tensors().at(key).shape.back(); };
    // Several tensors are words where they are as wide as one another and no network's.
    for (const std::string& key : words.keys)
        if (width(key) != width(words.keys[0]) ||
            (words.keys.size() > 1 && key.find('.') != key.npos))
            return {};
    words.text = "by its word, as diffusers writes it";
    return words;
}

std::string word_of(const fs::path& path, const std::string& key) {
    std::string name = key;
    if (is_bundled(key))
        name = key.substr(bundle_prefix.size(),
                          key.size() - bundle_prefix.size() - bundle_suffix.size());
    else if (is_stand_in(key))
        name = path.stem().string();
    return to_utf8(from_utf8(name));  // malformed bytes as U+FFFD
}

[[noreturn]] void refuse_pickle(const fs::path& path) {
    fs::path converted = path;
    converted.replace_extension(".safetensors");
    const std::string from = path.string(), to = converted.string();
    throw Error(from,
                "is a pickle; loading one can run any program hidden in it, so it is refused. "
                "Convert it where you trust it: python -c \"import torch; from safetensors.torch "
                "import save_file; m = torch.load('" +
                    from +
                    "', map_location='cpu', weights_only=True); m = m.get('string_to_param', m); "
                    "save_file({('emb_params' if k == '*' else k): v.detach().clone().contiguous() "
                    "for k, v in m.items()}, '" +
                    to + "')\"");
}

void check_no_pickle(const fs::path& path) {
    std::array<char, 9> bytes{};
    std::ifstream stream(path, std::ios::binary);
    stream.read(bytes.data(), bytes.size());
    const auto count = static_cast<std::size_t>(stream.gcount());
    if (count > 0 && is_pickle(path, {bytes.data(), count})) refuse_pickle(path);
}

void check_width(const fs::path& path, const std::string& name, std::int64_t width,
                 std::int64_t wanted) {
    if (width == wanted) return;
    throw Error(path.string(), "'" + name + "' is for " + family_of_width(width) +
                                   "; this model has text of width " + std::to_string(wanted) +
                                   " (" + family_of_width(wanted) + ")");
}

Tensor read_vectors(const SafetensorsFile& file, const std::string& key) {
    Tensor vectors = file.read(key, at::kFloat);
    if (vectors.dim() == 1) vectors = vectors.unsqueeze(0);
    if (!at::isfinite(vectors).all().item<bool>())
        throw Error(file.path().string(), "the vectors of " + key + " are not finite");
    return vectors.contiguous();
}

[[noreturn]] void refuse_other(const SafetensorsFile& file) {
    const bool lora = std::any_of(file.tensors().begin(), file.tensors().end(), [](const auto& t) {
        return t.first.find("lora") != std::string::npos;
    });
    throw Error(file.path().string(), lora ? "is a LoRA, not a file of textual inversion"
                                           : "is no file of textual inversion: none of its " +
                                                 std::to_string(file.tensors().size()) +
                                                 " tensors is a word's vectors");
}

}  // namespace

std::string family_of_width(std::int64_t width) {
    if (width == 768) return "Stable Diffusion 1.x";
    if (width == 1024) return "Stable Diffusion 2.x";
    if (width == 1280) return "SDXL";
    return "text of width " + std::to_string(width);
}

bool is_word_file(const SafetensorsFile& file) {
    return is_sdxl(file) || !layout_of(file).keys.empty();
}

WordFile read_word_file(const fs::path& path, const WordFileRequest& request) {
    check_no_pickle(path);
    const SafetensorsFile file(path);
    if (is_sdxl(file))
        throw Error(path.string(),
                    "is a word for SDXL, which has two text encoders (clip_l and clip_g); words "
                    "for Stable Diffusion 1.x and 2.x are read");
    const Layout layout = layout_of(file);
    if (layout.keys.empty()) refuse_other(file);
    if (request.name && layout.keys.size() > 1)
        throw Error(path.string(), "holds " + std::to_string(layout.keys.size()) +
                                       " words, which cannot all be called '" + *request.name +
                                       "'");
    WordFile result;
    result.layout = layout.text;
    for (const std::string& key : layout.keys) {
        LearnedWord word{request.name.value_or(word_of(path, key)), read_vectors(file, key),
                         path.string()};
        if (request.width) check_width(path, word.name, word.vectors.size(1), *request.width);
        result.words.push_back(std::move(word));
    }
    if (const std::size_t more = file.tensors().size() - layout.keys.size(); more > 0)
        result.left_alone = std::to_string(more) + (more == 1 ? " other tensor" : " other tensors");
    return result;
}

std::string describe_word_file(const fs::path& path) {
    const WordFile file = read_word_file(path);
    std::string text = "textual inversion (" + file.layout + ")\n";
    for (const LearnedWord& word : file.words) {
        const std::int64_t n = word.vectors.size(0), width = word.vectors.size(1);
        std::array<char, 64> norm{};
        std::snprintf(norm.data(), norm.size(), "%.3g",
                      word.vectors.norm(2, {1}).mean().item<double>());
        text += "word '" + word.name + "': " + std::to_string(n) +
                (n == 1 ? " vector" : " vectors") + " of width " + std::to_string(width);
        const std::string family = family_of_width(width);
        if (family.starts_with("S")) text += ", for " + family;
        text += "; norm " + std::string(norm.data()) + "; fingerprint " +
                fingerprint_of_word(word) + "\n";
    }
    if (!file.left_alone.empty()) text += "left alone    " + file.left_alone + "\n";
    return text;
}

void write_word_file(const fs::path& path, const LearnedWord& word, WordLayout layout,
                     std::map<std::string, std::string> metadata) {
    if (layout == WordLayout::by_stem && path.stem().string() != word.name)
        throw Error(path.string(), "has to be called " + word.name + path.extension().string() +
                                       ": the word of such a file is its name");
    metadata["format"] = "pt";
    const std::string key = layout == WordLayout::by_stem ? "emb_params" : word.name;
    write_safetensors(path, {{key, word.vectors.to(at::kFloat).contiguous()}}, metadata);
}

std::string fingerprint_of_word(const LearnedWord& word) {
    const Tensor vectors = word.vectors.to(at::kCPU, at::kFloat).contiguous();
    Fingerprint fingerprint;
    for (const std::int64_t size : vectors.sizes()) {
        fingerprint.add(std::to_string(size));
        fingerprint.end_part();
    }
    fingerprint.add({static_cast<const char*>(vectors.const_data_ptr()), vectors.nbytes()});
    return fingerprint.text();
}

}  // namespace keepsake::pipeline
