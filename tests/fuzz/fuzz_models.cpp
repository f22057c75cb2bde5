// What reads the files of models, for the fuzzer; see fuzz_loaders.cpp.
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "editor/session/option_overrides.h"
#include "pipeline/error.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/safetensors.h"
#include "pipeline/model/model.h"
#include "pipeline/model/model_files.h"
#include "pipeline/networks/lora.h"
#include "pipeline/sampling/samplers.h"
#include "pipeline/text/tokenizer.h"
#include "tests/fuzz/fuzz_files.h"

namespace keepsake::fuzz {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Weights without content: what a mutated header may ask for at most.
constexpr std::uint64_t most_data = std::uint64_t{64} << 20;

const fs::path& bundled_model() {
    static const fs::path path = KEEPSAKE_ASSETS "/models/flowers";
    return path;
}

// Links to the bundled model's files.
const fs::path& model_folder() {
    static const fs::path folder = [] {
        const fs::path path = input_folder("model");
        for (const auto& entry : fs::recursive_directory_iterator(bundled_model())) {
            const fs::path target = path / fs::relative(entry.path(), bundled_model());
            if (entry.is_directory())
                fs::create_directories(target);
            else if (!fs::exists(target))
                fs::create_symlink(fs::absolute(entry.path()), target);
        }
        return path;
    }();
    return folder;
}

// A clear Error of one way to read an input leaves the others to be tried.
template <typename Read>
void tried(Read&& read) {
    try {
        read();
    } catch (const Error&) {
    }
}

// The model with `bytes` in place of its file `name`; the tokenizer has a target of its own.
void open_with(const std::string& name, const std::string& bytes) {
    const fs::path file = model_folder() / name;
    fs::remove(file);
    write_bytes(file, bytes);
    tried([&] {
        pipeline::ModelFiles files = pipeline::open_diffusers_folder(model_folder());
        files.tokenizer.clear();
        pipeline::check_loads(files);
    });
    fs::remove(file);
    fs::create_symlink(fs::absolute(bundled_model() / name), file);
}

void make_schedule(const json& content) {
    const pipeline::Schedule schedule(pipeline::ScheduleConfig::from_json(content));
    for (const pipeline::Sampler sampler : pipeline::all_samplers())
        tried([&] { pipeline::make_timetable(sampler, schedule, 20); });
}

}  // namespace

void feed_config(const std::string& bytes) {
    json content;
    tried([&] { content = parse_json(bytes, "config.json"); });
    if (content.is_object()) {
        tried([&] {
            pipeline::TextEncoderConfig::from_json(content);
            open_with("text_encoder/config.json", bytes);
        });
        tried([&] {
            pipeline::VaeConfig::from_json(content);
            open_with("vae/config.json", bytes);
        });
        tried([&] {
            pipeline::UNetConfig::from_json(content);
            open_with("unet/config.json", bytes);
        });
        tried([&] { make_schedule(content); });
        if (content.contains("unet")) open_with("model_index.json", bytes);
    }
    const fs::path folder = input_folder("defaults");
    write_bytes(folder / "keepsake.json", bytes);
    tried([&] { editor::load_model_defaults(folder); });
    const fs::path index = model_folder() / "vae/model.safetensors.index.json";
    if (!content.is_object() || !content.contains("weight_map")) return;
    const fs::path weights = model_folder() / "vae/diffusion_pytorch_model.safetensors";
    const fs::path shard = model_folder() / "vae/shard.safetensors";
    fs::rename(weights, shard);
    write_bytes(index, bytes);
    tried([&] { pipeline::open_diffusers_folder(model_folder()); });
    fs::remove(index);
    fs::rename(shard, weights);
}

void feed_tokenizer(const std::string& bytes) {
    constexpr std::array names = {"vocab.json",        "merges.txt",
                                  "tokenizer.json",    "tokenizer_config.json",
                                  "added_tokens.json", "special_tokens_map.json"};
    const fs::path folder = input_folder("tokenizer");
    std::size_t begin = 0;
    for (const char* name : names) {
        const std::size_t end = std::min(bytes.find('\0', begin), bytes.size());
        fs::remove(folder / name);
        if (end > begin) write_bytes(folder / name, bytes.substr(begin, end - begin));
        begin = std::min(end + 1, bytes.size());
    }
    const std::string text = bytes.substr(begin);
    const pipeline::Tokenizer tokenizer(folder);
    const pipeline::Tokenized tokenized = tokenizer(text);
    require(tokenized.ids.size() == tokenizer.max_length(), "not as many ids as positions");
    tokenizer.decode(tokenizer.encode(text));
    tokenizer("A photo, don't   you\xff think? \xf0\x9f\x8c\xbc <|endoftext|>");
}

void feed_lora(const std::string& bytes) {
    static const pipeline::Model model = pipeline::load_model(bundled_model());
    write_bytes(input_file(), bytes);
    pipeline::is_lora(pipeline::SafetensorsFile(input_file()));
    pipeline::with_loras(model.unet, pipeline::load_loras(input_file(), model.unet));
}

void feed_checkpoint(const std::string& bytes) {
    std::uint64_t data = 0;
    const json header = parse_json(bytes, "header");
    if (!header.is_object()) return;
    for (const auto& [name, entry] : header.items()) {
        const json offsets = entry.is_object() ? entry.value("data_offsets", json()) : json();
        if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned())
            data = std::max(data, offsets[1].get<std::uint64_t>());
    }
    if (data > most_data) return;
    const std::uint64_t length = bytes.size();
    std::string file(reinterpret_cast<const char*>(&length), sizeof length);
    const fs::path path = input_folder("checkpoint") / "model.safetensors";
    write_bytes(path, file += bytes);
    fs::resize_file(path, file.size() + data);  // a hole: no memory
    pipeline::check_loads(pipeline::open_single_file(path, {}));
}

}  // namespace keepsake::fuzz
