#include "editor/workbench/bench_region.h"

#include "editor/session/session_region.h"
#include "editor/transfer/auto_mask.h"

namespace keepsake::editor {
namespace {

// A mask as a picture of the cache, and back.
Picture grey_picture(const Mask& mask) {
    Pixels grey{mask.width, mask.height, {}};
    for (const std::uint8_t value : mask.values) grey.rgb.insert(grey.rgb.end(), 3, value);
    return std::make_shared<const Pixels>(std::move(grey));
}

SharedMask mask_of(const Picture& grey) {
    if (!grey) return nullptr;
    Mask mask{grey->width, grey->height, {}};
    for (std::size_t i = 0; i < grey->rgb.size(); i += 3) mask.values.push_back(grey->rgb[i]);
    return std::make_shared<const Mask>(std::move(mask));
}

std::string mask_key(const Recipe& recipe) {
    return R"({"mask":"auto","tuning":")" + tuning_tag(recipe) + "\"}";
}

std::string words_key(const Recipe& recipe) {
    return R"({"mask":"words","tuning":")" + tuning_tag(recipe) + "\"}";
}

}  // namespace

void keep_words_region(Bench& bench, const WordsPull& words) {
    if (!words.region) return;
    bench.cache.add(bench.session->folder, words_key(bench.session->recipe),
                    grey_picture(*words.region));
    bench.board.change([&](Document& document) {
        document.region.words = std::make_shared<const Mask>(*words.region);
    });
}

bool can_find_mask(const Bench& bench) {
    return bench.wants_mask && bench.session && next_stage(*bench.session) == Stage::done;
}

void find_mask(Bench& bench, Monitor& monitor) {
    if (!bench.tuning) bench.tuning.emplace(load_tuning(*bench.session, *bench.model));
    const Mask mask = auto_mask(*bench.model, *bench.tuning, *bench.square, {}, monitor);
    bench.cache.add(bench.session->folder, mask_key(bench.session->recipe), grey_picture(mask));
    bench.wants_mask = false;
    bench.board.change([&](Document& document) {
        document.region.automatic = std::make_shared<const Mask>(mask);
        document.region.finding = false;
    });
}

void show_region(Bench& bench) {
    const Recipe& recipe = bench.session->recipe;
    SavedRegion saved = load_region(bench.session->folder, *bench.photo->file, recipe.crop);
    RegionView region;
    region.settings = saved.settings;
    region.painted = saved.painted;
    region.automatic = mask_of(bench.cache.find(bench.session->folder, mask_key(recipe)));
    if (recipe.way == Way::words) {
        region.words = mask_of(bench.cache.find(bench.session->folder, words_key(recipe)));
    }
    bench.board.change([&](Document& document) { document.region = region; });
    if (region.settings.mode == RegionMode::automatic) want_mask(bench);
    if (!saved.fault.empty()) bench.board.tell(Notice::Kind::fault, saved.fault);
}

void want_mask(Bench& bench) {
    const RegionView region = bench.board.latest()->region;
    bench.wants_mask = bench.session && !region.automatic;
    if (!bench.wants_mask || region.finding) return;
    bench.board.change([](Document& document) { document.region.finding = true; });
}

}  // namespace keepsake::editor
