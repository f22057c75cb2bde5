#include "editor/workbench/light_table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "editor/photo/pixel_mats.h"
#include "editor/session/session_region.h"
#include "editor/transfer/finished_picture.h"
#include "editor/workbench/detail.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

constexpr std::size_t most_undo = 32;
// Tiles that were looked at a moment ago and may be again: some 2 MB each.
constexpr std::size_t most_unseen_tiles = 24;
// An automatic mask is coarse; its overlay follows the strengths, which are not.
constexpr int automatic_overlay_side = 512;
// Of live pictures: some 3 MB each, of which a slider has 13; and the most that are kept.
constexpr int live_side = 1280;
constexpr std::size_t most_live = 24;

using SharedDocument = std::shared_ptr<const Document>;

// A change of the Document that `from` led to, unless another photo or session came in between.
void publish(LightTable& table, const Document& from, const std::function<void(Document&)>& edit) {
    table.board.change([&](Document& now) {
        if (now.photo == from.photo && now.session == from.session) edit(now);
    });
}

// Leaves another session's strokes behind, saved.
void follow_session(LightTable& table, const Document& document) {
    if (table.session == document.session && table.photo == document.photo) return;
    table.undo.clear();
    table.redo.clear();
    table.painting = false;
    table.overlay.reset();
    table.compared = {};
    table.compared_region.reset();
    table.on_view = table.on_photo = {};
    table.live = table.live_previews = {};
    table.session = document.session;
    table.photo = document.photo;
    save(table);
}

void set_painted(LightTable& table, const Document& document, const PaintedState& state) {
    RegionSettings settings = document.region.settings;
    settings.mode = state.mode;
    table.unsaved[table.session] = {settings, state.painted};
    publish(table, document, [&](Document& now) {
        now.region.painted = state.painted;
        now.region.settings = settings;
        now.region.can_undo = !table.undo.empty();
        now.region.can_redo = !table.redo.empty();
    });
}

void set_painted(LightTable& table, const Document& document, Mask mask) {
    set_painted(table, document,
                {RegionMode::painted, std::make_shared<const Mask>(std::move(mask))});
}

// Before a change that can be undone.
void remember(LightTable& table, const Document& document) {
    table.undo.push_back({document.region.settings.mode, document.region.painted});
    if (table.undo.size() > most_undo) table.undo.erase(table.undo.begin());
    table.redo.clear();
}

// One step from the end of `from`, what is there now to the end of `to`.
void step(LightTable& table, const Document& document, std::vector<PaintedState>& from,
          std::vector<PaintedState>& to) {
    if (from.empty()) return;
    to.push_back({document.region.settings.mode, document.region.painted});
    const PaintedState state = from.back();
    from.pop_back();
    set_painted(table, document, state);
}

// What a stroke, or the painted mode where nothing was painted, begins with: what is chosen. Where
// that is the whole square, what is painted becomes inside, or what is erased outside.
Mask painting_ground(const Document& document, bool erases) {
    const RegionView& region = document.region;
    const Size size = painted_size(document.tuned_draft.tuning.crop);
    if (const SharedMask mask = chosen_mask(region)) return resized(*mask, size);
    return plain_mask(size, erases ? 255 : 0);
}

struct Take {
    LightTable& table;
    const Document& document;

    void operator()(const RegionRequest& request) const {
        const RegionView& region = document.region;
        if (request.settings == region.settings) return;
        SharedMask painted = region.painted;
        if (request.settings.mode == RegionMode::painted && !painted) {
            painted = std::make_shared<const Mask>(painting_ground(document, false));
            table.unsaved[table.session].mask = painted;
        }
        table.unsaved[table.session].settings = request.settings;
        publish(table, document, [&](Document& now) {
            now.region.settings = request.settings;
            now.region.painted = painted;
        });
    }

    void operator()(const StrokeRequest& request) const {
        if (!request.begins && !table.painting) return;  // its session is left
        if (request.begins) remember(table, document);
        table.painting = !request.ends;
        Mask mask = painting_ground(document, request.line.erases);
        paint(mask, request.line);
        set_painted(table, document, std::move(mask));
    }

    void operator()(const MaskRequest& request) const {
        using Kind = MaskRequest::Kind;
        if (request.kind == Kind::undo) return step(table, document, table.undo, table.redo);
        if (request.kind == Kind::redo) return step(table, document, table.redo, table.undo);
        if (request.kind == Kind::automatic && !document.region.automatic) return;
        remember(table, document);
        set_painted(table, document, whole_mask(request.kind));
    }

    void operator()(const DetailRequest& request) const { table.visible = request.visible; }

    Mask whole_mask(MaskRequest::Kind kind) const {
        const Size size = painted_size(document.tuned_draft.tuning.crop);
        if (kind == MaskRequest::Kind::fill) return plain_mask(size, 255);
        if (kind == MaskRequest::Kind::invert) return inverted(painting_ground(document, true));
        if (kind == MaskRequest::Kind::automatic) return resized(*document.region.automatic, size);
        return plain_mask(size, 0);
    }
};

bool refresh_overlay(LightTable& table, const Document& document) {
    const RegionKey key = region_key(document.region);
    if (table.overlay == key) return false;
    table.overlay = key;
    SharedMask weights;
    if (key.mask) {
        const Mask& mask = *key.mask;
        const double scale = std::max(1.0, double(automatic_overlay_side) / mask.width);
        weights = std::make_shared<const Mask>(region_weights(
            edit_region(document.region), static_cast<int>(std::lround(mask.width * scale)),
            static_cast<int>(std::lround(mask.height * scale))));
    }
    const bool nothing = weights && std::ranges::all_of(weights->values, [](std::uint8_t value) {
                             return value == 0;
                         });
    publish(table, document, [&](Document& now) {
        now.region.weights = weights;
        now.region.reaches_nothing = nothing;
    });
    return true;
}

// The renders that are to be compared; empty when there are none.
RenderPair wanted_pair(const Document& document) {
    const Render* zero = exact_render(document, 0);
    const Render* edit = exact_render(document, document.eta);
    if (document.tuned != Tuned::fully || !zero || !edit) return {};
    return {zero->square, edit->square};
}

// Brings `placed` up to date for a picture of the photo.
void place(PlacedEdit& placed, const Pixels& picture, const Document& document,
           const RenderPair& renders) {
    const Crop crop =
        scaled_crop(document.tuned_draft.tuning.crop, document.photo->file->pixels, picture);
    if (placed.renders != renders) {
        check_areas({crop, *renders.reconstruction, *renders.edit});
        const cv::Mat mat(picture.height, picture.width, CV_8UC3,
                          const_cast<std::uint8_t*>(picture.rgb.data()));
        placed.fitted =
            fit_edit(mat, {crop, unit_mat(*renders.reconstruction), unit_mat(*renders.edit)});
        placed.renders = renders;
    }
    const RegionKey region = region_key(document.region);
    if (placed.region != region) {
        placed.strength.emplace(edit_region(document.region), crop, picture.width, picture.height);
        placed.region = region;
    }
}

bool refresh_comparison(LightTable& table, const Document& document) {
    const RenderPair wanted = wanted_pair(document);
    if (!wanted.edit) return false;
    const RegionKey region = region_key(document.region);
    const bool same = table.compared == wanted && table.compared_region == region;
    if (same) return false;
    table.compared = wanted;
    table.compared_region = region;
    const Picture view = document.photo->view;
    place(table.on_view, *view, document, wanted);
    Pixels after = *view;
    cv::Mat mat(after.height, after.width, CV_8UC3, after.rgb.data());
    apply_fitted(mat, {0, 0}, table.on_view.fitted, *table.on_view.strength);
    Comparison shown{document.eta, document.seed, view, nullptr, nullptr, region};
    shown.difference = std::make_shared<const Pixels>(difference_of(*view, after));
    shown.after = std::make_shared<const Pixels>(std::move(after));
    publish(table, document, [&](Document& now) { now.shown = shown; });
    return true;
}

// The tiles of `detail` that stay: those that are seen, and the newest of the others.
void drop_unseen(Detail& detail, const Crop& visible) {
    std::size_t unseen = 0;
    for (std::size_t i = detail.tiles.size(); i-- > 0;) {
        if (overlaps(detail.tiles[i]->core, visible) || ++unseen <= most_unseen_tiles) continue;
        detail.tiles.erase(detail.tiles.begin() + static_cast<std::ptrdiff_t>(i));
    }
}

void put_tile(Detail& detail, const DetailTile& tile, const Picture& of, const Crop& visible) {
    if (detail.of != of) {
        for (auto& other : detail.tiles) {
            other = std::make_shared<const DetailTile>(
                DetailTile{other->core, other->place, other->before, nullptr, nullptr});
        }
        detail.of = of;
    }
    std::erase_if(detail.tiles, [&](const auto& other) { return other->core == tile.core; });
    detail.tiles.push_back(std::make_shared<const DetailTile>(tile));
    drop_unseen(detail, visible);
}

bool refresh_detail(LightTable& table, const Document& document) {
    const Pixels& photo = document.photo->file->pixels;
    if (document.photo->view->width == photo.width) return false;  // it shows every pixel
    const bool edited = document.shown.after && table.compared == wanted_pair(document);
    const Picture of = edited ? document.shown.after : nullptr;
    const Detail& detail = document.detail;
    for (const Crop& core : tile_cores(table.visible, photo)) {
        const auto made = std::ranges::find_if(
            detail.tiles, [&](const auto& other) { return other->core == core; });
        const bool there = made != detail.tiles.end();
        if (there && (!edited || (detail.of == of && (*made)->after))) continue;
        DetailTile tile = there ? **made : photo_tile(core, photo);
        if (edited) {
            place(table.on_photo, photo, document, table.compared);
            add_edit(tile, table.on_photo.fitted, *table.on_photo.strength);
        }
        publish(table, document,
                [&](Document& now) { put_tile(now.detail, tile, of, table.visible); });
        return true;
    }
    return false;
}

Picture live_ground(const Picture& view) {
    const int side = std::max(view->width, view->height);
    if (side <= live_side) return view;
    const double scale = double(live_side) / side;
    return std::make_shared<const Pixels>(
        resize(*view, std::max(1, int(std::lround(view->width * scale))),
               std::max(1, int(std::lround(view->height * scale)))));
}

Crop live_crop(const Document& document, const LiveTable& live) {
    return scaled_crop(document.tuned_draft.tuning.crop, document.photo->file->pixels,
                       *live.ground);
}

// Drops what does not belong to what is shown now.
void follow_renders(LiveTable& live, const Document& document, const std::vector<Render>& renders,
                    const Picture& reconstruction) {
    if (live.reconstruction != reconstruction) {
        live = {reconstruction, live_ground(document.photo->view), {}, {}, {}, {}};
    }
    const RegionKey region = region_key(document.region);
    if (live.region != region) {
        live.after.clear();
        live.region = region;
        live.strength.emplace(edit_region(document.region), live_crop(document, live),
                              live.ground->width, live.ground->height);
    }
    const auto is_gone = [&](const auto& made) {
        return std::ranges::find(renders, made.first, &Render::square) == renders.end();
    };
    std::erase_if(live.fitted, is_gone);
    std::erase_if(live.after, is_gone);
}

// The render nearest to what is looked at that is not laid yet; null when all are.
const Render* next_live(const LiveTable& live, const std::vector<Render>& renders, double eta) {
    const Render* next = nullptr;
    const auto distance = [&](const Render& render) { return std::abs(render.eta - eta); };
    for (const Render& render : renders) {
        if (live.after.contains(render.square)) continue;
        if (!next || distance(render) < distance(*next)) next = &render;
    }
    return next;
}

Picture laid_onto_photo(LiveTable& live, const Document& document, const Picture& square) {
    if (square == live.reconstruction) return live.ground;
    const Crop crop = live_crop(document, live);
    Pixels after = *live.ground;
    cv::Mat mat(after.height, after.width, CV_8UC3, after.rgb.data());
    if (!live.fitted.contains(square)) {
        check_areas({crop, *live.reconstruction, *square});
        live.fitted[square] =
            fit_edit(mat, {crop, unit_mat(*live.reconstruction), unit_mat(*square)});
    }
    apply_fitted(mat, {0, 0}, live.fitted.at(square), *live.strength);
    return std::make_shared<const Pixels>(std::move(after));
}

// Lays one more of `renders` onto the photo. Returns false where there is none.
bool lay_next(LiveTable& live, const Document& document, const std::vector<Render>& renders) {
    const auto zero = std::ranges::find(renders, 0.0, &Render::eta);
    if (zero == renders.end()) return false;
    follow_renders(live, document, renders, zero->square);
    if (live.after.size() >= most_live) return false;
    const Render* next = next_live(live, renders, document.eta);
    if (!next) return false;
    live.after[next->square] = laid_onto_photo(live, document, next->square);
    return true;
}

bool refresh_live(LightTable& table, const Document& document) {
    if (document.tuned != Tuned::fully) return false;
    if (!lay_next(table.live_previews, document, document.previews) &&
        !lay_next(table.live, document, document.renders))
        return false;
    std::vector<LivePicture> pictures;
    for (const LiveTable* live : {&table.live, &table.live_previews})
        for (const auto& [square, after] : live->after) pictures.push_back({square, after});
    publish(table, document, [&](Document& now) { now.live = pictures; });
    return true;
}

}  // namespace

void take(LightTable& table, const LightTableRequest& request) {
    const SharedDocument document = table.board.latest();
    follow_session(table, *document);
    const bool of_region = !std::holds_alternative<DetailRequest>(request);
    if (of_region && (!document->photo || document->tuned != Tuned::fully)) return;
    std::visit(Take{table, *document}, request);
}

bool work(LightTable& table) {
    const SharedDocument document = table.board.latest();
    follow_session(table, *document);
    if (!document->photo) return false;
    if (refresh_overlay(table, *document)) return true;
    if (table.painting) return false;  // the picture follows when the stroke has ended
    if (refresh_comparison(table, *document)) return true;
    if (!table.unsaved.empty() && std::chrono::steady_clock::now() >= table.save_again) {
        save(table);
        return true;
    }
    if (refresh_detail(table, *document)) return true;
    return refresh_live(table, *document);
}

void save(LightTable& table) {
    std::string fault;
    for (auto next = table.unsaved.begin(); next != table.unsaved.end();) {
        const auto& [session, region] = *next;
        try {
            // The mask first: settings that name it find it.
            if (region.mask) save_painted_mask(session, *region.mask);
            if (region.settings) save_region_settings(session, *region.settings);
            next = table.unsaved.erase(next);
        } catch (const Error& error) {
            fault = error.what();
            ++next;
        }
    }
    table.save_again = std::chrono::steady_clock::now();
    if (!fault.empty()) table.save_again += save_pause;
    if (fault == std::exchange(table.save_fault, fault) || fault.empty()) return;
    throw Error(fault, "the mask is kept and saved as soon as that is mended");
}

}  // namespace keepsake::editor
