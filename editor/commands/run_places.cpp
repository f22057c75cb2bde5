#include "editor/commands/run_places.h"

namespace keepsake::editor {

RunPlaces run_places(const std::vector<std::string>& pictures,
                     const std::optional<std::string>& name, const std::string& usual,
                     const std::optional<std::string>& out) {
    RunPlaces places;
    for (const std::string& picture : pictures) {
        require(!picture.empty(), "pictures", "a path is empty");
        places.pictures.emplace_back(picture);
    }
    places.name = name ? checked_text("--name", *name) : usual;
    require(places.name.find('/') == std::string::npos && !places.name.starts_with("."), "--name",
            "'" + places.name + "' is no plain file name");
    places.out = out.value_or(places.name + ".run");
    require(!places.out.empty(), "--out", "is empty");
    return places;
}

Compute start_learning(const RunArguments& arguments) {
    require(arguments.precision != "bfloat16", "--precision",
            "bfloat16 is for drawing alone; what learns is computed in float32");
    return start_run(arguments);
}

optimize::Ranks join_ranks(optimize::MessagePassing& processes, const Interrupt& interrupt) {
    return processes.join([&] { return interrupt.token(); });
}

Monitor rank_monitor(const RunArguments& arguments, const Interrupt& interrupt,
                     const optimize::Ranks& ranks) {
    return is_first(ranks) ? terminal_monitor(arguments, interrupt) : Monitor();
}

std::function<void(const std::string& text)> rank_warning(const optimize::Ranks& ranks) {
    if (is_first(ranks)) return print_warning;
    return [](const std::string&) {};
}

std::int64_t checked_every(std::int64_t every) {
    require(every >= 0, "--every", "is negative");
    return every;
}

}  // namespace keepsake::editor
