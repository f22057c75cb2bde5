#include "editor/edit/learning_model.h"

#include <algorithm>

#include "editor/edit/edit_recipe.h"

namespace keepsake::editor {

pipeline::Model load_learning_model(const std::optional<std::filesystem::path>& model,
                                    const Compute& compute) {
    RenderRequest where;
    where.model = model;
    where.compute = compute;
    where.compute.arithmetic = pipeline::Arithmetic::float32;
    pipeline::Model loaded = load_session_model(where, nullptr);
    refuse_other_purposes(loaded, Mode::fast);
    return loaded;
}

void tell(const std::vector<std::string>& remarks,
          const std::function<void(const std::string& text)>& warn) {
    constexpr std::size_t most = 20;
    if (!warn) return;
    for (std::size_t i = 0; i < std::min(most, remarks.size()); ++i) warn(remarks[i]);
    if (remarks.size() > most)
        warn("and " + std::to_string(remarks.size() - most) + " more of these");
}

}  // namespace keepsake::editor
