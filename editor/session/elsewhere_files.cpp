#include "editor/session/elsewhere_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/networks/word_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr const char* elsewhere_folder = "elsewhere";
constexpr const char* usage_file = "how-to-use.txt";

// As JSON and Python write it.
std::string quoted(const std::string& text) {
    return nlohmann::json(text).dump();
}

std::string usage(const Recipe& recipe) {
    const std::string& word = recipe.as_word;
    const std::string target = quoted(recipe.prompt), own = quoted(word);
    return "The photo is the word " + word + ", and the edit lies between it and the text " +
           target +
           ",\nby the strength E that Keepsake calls eta: 0 is the photo, 1 the text. The LoRA has "
           "weight 1.\nThe pictures are those of `keepsake render --way line --noise-share 1` with "
           "the same\nseed, sampler, steps and guidance.\n\n"
           "diffusers:\n"
           "  pipe.load_textual_inversion(" +
           quoted(word + ".safetensors") + ", token=" + own +
           ")\n"
           "  pipe.load_lora_weights(" +
           quoted(word + "-lora.safetensors") +
           ")\n"
           "  text, _ = pipe.encode_prompt(" +
           target +
           ", pipe.device, 1, False)\n"
           "  photo, _ = pipe.encode_prompt(" +
           own +
           ", pipe.device, 1, False)\n"
           "  pipe(prompt_embeds=E * text + (1 - E) * photo, negative_prompt=\"\", ...)\n\n"
           "ComfyUI: the word goes to models/embeddings, the LoRA to models/loras.\n"
           "  CLIP Text Encode of " +
           target + " into conditioning_to, of " + quoted("embedding:" + word) +
           " into conditioning_from\n"
           "  of ConditioningAverage with strength E.\n\n"
           "AUTOMATIC1111's interface mixes no texts, so this only comes near: the word goes to\n"
           "embeddings, the LoRA to models/Lora, and the prompt is\n"
           "  [" +
           word + ":" + recipe.prompt + ":0.4] <lora:" + word +
           "-lora:1>\n"
           "with more of the text for a smaller number.\n";
}

}  // namespace

void check_word_as_file(const std::string& name) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    if (name.empty() || name.size() > 64 || !std::ranges::all_of(name, allowed))
        throw Error("--as-word", "'" + checked_utf8(name) +
                                     "' is no name of a file in every program: 1 to 64 of the "
                                     "letters a to z, digits, - and _ are");
}

bool has_elsewhere_files(const Session& session) {
    // Written last.
    return is_there(session.folder / elsewhere_folder / usage_file);
}

void remove_elsewhere_files(const fs::path& session) {
    std::error_code code;
    fs::remove_all(session / elsewhere_folder, code);  // of a link, the link
    if (code)
        throw Error((session / elsewhere_folder).string(), "cannot be removed: " + code.message());
}

void write_elsewhere_files(const Session& session, const optimize::Tuning& tuning) {
    const Recipe& recipe = session.recipe;
    const fs::path folder = own_folder(session.folder, elsewhere_folder);
    const pipeline::LearnedWord word{recipe.as_word,
                                     tuning.word.detach().to(at::kCPU, at::kFloat).contiguous()};
    pipeline::write_word_file(own_file(folder, recipe.as_word + ".safetensors"), word,
                              pipeline::WordLayout::by_stem);
    pipeline::save_loras(own_file(folder, recipe.as_word + "-lora.safetensors"), tuning.loras, {});
    write_file_atomically(own_file(folder, usage_file), usage(recipe));
}

}  // namespace keepsake::editor
