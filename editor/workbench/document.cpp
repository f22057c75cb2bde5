#include "editor/workbench/document.h"

#include <cmath>

namespace keepsake::editor {

const Render* nearest_render(const Document& document, double eta) {
    const Render* nearest = nullptr;
    for (const Render& render : document.renders) {
        if (!nearest || std::abs(render.eta - eta) < std::abs(nearest->eta - eta)) {
            nearest = &render;
        }
    }
    return nearest;
}

const Render* exact_render(const Document& document, double eta) {
    const Render* render = nearest_render(document, eta);
    return render && render->eta == eta ? render : nullptr;
}

}  // namespace keepsake::editor
