// Whether renders changed as the words say.
#include "editor/workbench/bench.h"

namespace keepsake::editor {

const EditDirection* direction_of(Bench& bench) {
    if (!bench.direction.known && bench.model) {
        bench.direction.known = true;
        try {
            bench.direction.of =
                edit_direction(bench.model->path, *bench.square, bench.session->recipe.prompt);
        } catch (const Error& error) {
            bench.board.tell(Notice::Kind::fault, error.what());
        }
        const std::optional<EditDirection>& of = bench.direction.of;
        bench.board.change([&](Document& document) {
            document.measured = of ? DirectionNote{of->clip->name, of->source} : DirectionNote{};
        });
    }
    return bench.direction.of ? &*bench.direction.of : nullptr;
}

std::optional<double> measured_direction(Bench& bench, const std::string& key,
                                         const Picture& square) {
    if (!square) return std::nullopt;
    const EditDirection* direction = direction_of(bench);
    if (direction == nullptr) return std::nullopt;
    std::map<std::string, double>& found = bench.direction.found;
    if (!found.contains(key)) found[key] = directional_similarity(*direction, *square);
    return found[key];
}

}  // namespace keepsake::editor
