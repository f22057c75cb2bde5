#include "editor/commands/run_options.h"

#include <ATen/Parallel.h>

#include <cstdio>
#include <string_view>

#include "editor/commands/option_values.h"
#include "editor/commands/progress.h"
#include "editor/edit/device.h"
#include "editor/session/files_root.h"
#include "editor/session/recipe.h"
#include "pipeline/files/printable_text.h"
#include "pipeline/model/threads.h"

namespace keepsake::editor {
namespace {

std::optional<pipeline::PredictionType> prediction(const RunArguments& arguments) {
    if (!arguments.prediction) return std::nullopt;
    try {
        return pipeline::parse_prediction(*arguments.prediction);
    } catch (const Error&) {
        throw UsageError("--prediction", "'" + checked_utf8(*arguments.prediction) +
                                             "' is none of epsilon, v_prediction, sample");
    }
}

// "FILE", "FILE:NAME" or several, "FILE,FILE"; a file may have such signs in its own name.
std::vector<WordSource> parse_words(const std::string& text) {
    if (const auto whole = find_file(FileKind::embedding, text)) return {{*whole, {}}};
    std::vector<WordSource> words;
    std::string_view rest(text);
    while (true) {
        const std::string item(rest.substr(0, rest.find(',')));
        require(!item.empty(), "--embedding", "'" + checked_utf8(text) + "' has no file in it");
        const auto file = find_file(FileKind::embedding, item);
        const std::size_t colon = item.rfind(':');
        if (file || colon == item.npos) {
            words.push_back({file.value_or(item), {}});
        } else {
            const std::string path = item.substr(0, colon);
            const std::string name = checked_text("--embedding", item.substr(colon + 1));
            words.push_back({find_file(FileKind::embedding, path).value_or(path), name});
        }
        if (item.size() == rest.size()) return words;
        rest.remove_prefix(item.size() + 1);
    }
}

// What add_model_options declares.
void set_model_options(const RunArguments& arguments, Compute& compute) {
    for (const std::string& text : arguments.lora) {
        try {
            pipeline::AdapterFile adapter = pipeline::parse_adapter(text);
            adapter.path = find_file(FileKind::lora, adapter.path.string()).value_or(adapter.path);
            compute.adapters.push_back(std::move(adapter));
        } catch (const Error& error) {
            throw UsageError("--lora", error.what());
        }
    }
    for (const std::string& text : arguments.embedding)
        for (WordSource& word : parse_words(text)) compute.words.push_back(std::move(word));
    require(!arguments.vae || !arguments.vae->empty(), "--vae", "is empty");
    if (arguments.vae)
        compute.vae = find_file(FileKind::vae, *arguments.vae).value_or(*arguments.vae);
    require(arguments.clip_skip.value_or(1) >= 1 && arguments.clip_skip.value_or(1) <= 24,
            "--clip-skip", "is not between 1 and 24");
    compute.clip_skip = arguments.clip_skip.value_or(0);
}

}  // namespace

void add_word_options(CLI::App& command, RunArguments& arguments) {
    command
        .add_option("--embedding", arguments.embedding,
                    "FILE[:NAME][,FILE...], as often as needed: words of textual inversion, for "
                    "the texts; NAME: what to call it instead of the file's own")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false);
}

void add_model_options(CLI::App& command, RunArguments& arguments) {
    add_word_options(command, arguments);
    command
        .add_option("--lora", arguments.lora,
                    "FILE[:WEIGHT], as often as needed: a LoRA or a relative of it (LoCon, LoHa, "
                    "LoKr, DoRA) of kohya's scripts, diffusers or peft; WEIGHT: how much of it, "
                    "default 1")
        ->type_name("FILE")
        ->take_all()
        ->allow_extra_args(false);
    command
        .add_option("--vae", arguments.vae,
                    "A VAE in place of the model's own: a folder or a .safetensors file; default: "
                    "<checkpoint's stem>.vae.safetensors beside it, else its own")
        ->type_name("PATH");
    command.add_option("--clip-skip", arguments.clip_skip,
                       "Which layer of the text encoder, counted from the last: 1 the last, 2 the "
                       "one before it; default: as the model says");
}

void add_run_options(CLI::App& command, RunArguments& arguments) {
    command
        .add_option("--model", arguments.model,
                    "A diffusers folder or a single .safetensors checkpoint; default: "
                    "$KEEPSAKE_MODEL, else the bundled model")
        ->type_name("PATH");
    command
        .add_option("--prediction", arguments.prediction,
                    "What the model predicts; default: what its files say")
        ->type_name("epsilon|v_prediction|sample");
    command.add_option("--device", arguments.device, "cpu, cuda or auto (the default)")
        ->type_name("cpu|cuda|auto");
    command
        .add_option("--precision", arguments.precision,
                    "float32 (the default), bfloat16, or auto: bfloat16 where the processor is "
                    "fast at it. Pictures differ a little between the two")
        ->type_name("float32|bfloat16|auto");
    command.add_option("--threads", arguments.threads,
                       "Processor threads; default: measured, at most one a CPU that is usable");
    command.add_flag("--quiet", arguments.quiet, "No progress on stderr");
}

Compute start_run(const RunArguments& arguments) {
    if (arguments.threads) {
        require(*arguments.threads >= 1 && *arguments.threads <= 1024, "--threads",
                std::to_string(*arguments.threads) + " is not between 1 and 1024");
    }
    // Until a model is loaded with which to measure.
    at::set_num_threads(arguments.threads.value_or(pipeline::default_threads()));
    const std::string& device = arguments.device;
    require(device == "cpu" || device == "cuda" || device == "auto", "--device",
            "'" + device + "' is none of cpu, cuda, auto");
    const std::string& precision = arguments.precision;
    require(precision == "float32" || precision == "bfloat16" || precision == "auto", "--precision",
            "'" + checked_utf8(precision) + "' is none of float32, bfloat16, auto");
    const at::Device found = find_device(device, "--device cuda");
    Compute compute{found, find_arithmetic(precision, found, "--precision bfloat16"),
                    arguments.threads, prediction(arguments)};
    set_model_options(arguments, compute);
    return compute;
}

std::optional<std::filesystem::path> model_path(const RunArguments& arguments) {
    if (!arguments.model) return std::nullopt;
    require(!arguments.model->empty(), "--model", "is empty");
    return find_file(FileKind::checkpoint, *arguments.model).value_or(*arguments.model);
}

Monitor terminal_monitor(const RunArguments& arguments, const Interrupt& interrupt) {
    return Monitor(progress_report(progress_style(arguments.quiet)), interrupt.token());
}

void print_warning(const std::string& text) {
    std::fprintf(stderr, "keepsake: warning: %s\n", printable(text, 4000).c_str());
}

}  // namespace keepsake::editor
