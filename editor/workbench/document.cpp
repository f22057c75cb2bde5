#include "editor/workbench/document.h"

#include <algorithm>
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

namespace {

std::optional<LiveMix> mix_of(const Document& document, const std::vector<Render>& renders,
                              double eta) {
    const Render *low = nullptr, *high = nullptr;
    Picture under, over;
    for (const Render& render : renders) {
        const auto laid = std::ranges::find(document.live, render.square, &LivePicture::square);
        if (laid == document.live.end()) continue;
        if (render.eta <= eta) {
            low = &render;
            under = laid->after;
        }
        if (render.eta >= eta && !high) {
            high = &render;
            over = laid->after;
        }
    }
    if (!low || !high) return std::nullopt;
    const double gap = high->eta - low->eta;
    return LiveMix{low->eta, high->eta, under, over, gap > 0 ? (eta - low->eta) / gap : 0.0};
}

}  // namespace

std::optional<LiveMix> live_mix(const Document& document, double eta) {
    const std::optional<LiveMix> mix = mix_of(document, document.renders, eta);
    return mix ? mix : mix_of(document, document.previews, eta);
}

}  // namespace keepsake::editor
