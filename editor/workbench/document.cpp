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

// picture_of: of a render; null where there is none. renders: by rising eta.
template <class PictureOf>
std::optional<LiveMix> mix_of(const std::vector<Render>& renders, double eta,
                              const PictureOf& picture_of) {
    const Render *low = nullptr, *high = nullptr;
    Picture under, over;
    for (const Render& render : renders) {
        const Picture picture = picture_of(render);
        if (!picture) continue;
        if (render.eta <= eta) {
            low = &render;
            under = picture;
        }
        if (render.eta >= eta && !high) {
            high = &render;
            over = picture;
        }
    }
    if (!low || !high) return std::nullopt;
    const double gap = high->eta - low->eta;
    return LiveMix{low->eta, high->eta, under, over, gap > 0 ? (eta - low->eta) / gap : 0.0};
}

}  // namespace

std::optional<LiveMix> live_mix(const Document& document, double eta) {
    const auto laid = [&](const Render& render) {
        const auto found = std::ranges::find(document.live, render.square, &LivePicture::square);
        return found == document.live.end() ? nullptr : found->after;
    };
    const std::optional<LiveMix> mix = mix_of(document.renders, eta, laid);
    return mix ? mix : mix_of(document.previews, eta, laid);
}

std::optional<LiveMix> preview_mix(const Document& document, double eta) {
    return mix_of(document.previews, eta, [](const Render& render) { return render.square; });
}

}  // namespace keepsake::editor
