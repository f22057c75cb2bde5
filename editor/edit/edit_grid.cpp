#include "editor/edit/edit_grid.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "editor/edit/edit_recipe.h"
#include "editor/edit/render.h"
#include "editor/photo/contact_sheet.h"
#include "editor/photo/image_file.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/number_text.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// A photo of a phone would make a sheet that nobody can open.
constexpr int most_side = 384;

Pixels thumbnail_of(const fs::path& file) {
    Pixels pixels = load_photo(file).pixels;
    const int side = std::max(pixels.width, pixels.height);
    if (side <= most_side) return pixels;
    const double scale = double(most_side) / side;
    const auto scaled = [&](int length) {
        return std::max(1, static_cast<int>(std::lround(length * scale)));
    };
    return resize(pixels, scaled(pixels.width), scaled(pixels.height));
}

// One row of the sheet.
struct Variant {
    std::size_t text = 0;  // counted from 0
    std::optional<double> guidance;
};

std::vector<Variant> variants_of(std::size_t texts, const std::vector<double>& guidances) {
    std::vector<Variant> variants;
    for (std::size_t text = 0; text < texts; ++text) {
        if (guidances.empty()) variants.push_back({text, std::nullopt});
        for (const double guidance : guidances) variants.push_back({text, guidance});
    }
    return variants;
}

// "text-2-guidance-3"; of what there is one of nothing is said, and of all that "all".
std::string name_of(const Variant& variant, std::size_t texts) {
    std::string name = texts > 1 ? "text-" + std::to_string(variant.text + 1) : "";
    if (variant.guidance)
        name += (name.empty() ? "guidance-" : "-guidance-") + number_text(*variant.guidance);
    return name.empty() ? "all" : name;
}

RenderRequest for_variant(RenderRequest request, const Variant& variant, std::size_t texts) {
    if (!request.eta) request.eta = words_strip;
    if (variant.guidance) request.sample.guidance_scale = variant.guidance;
    request.out.path = own_folder(request.out.path, name_of(variant, texts));
    return request;
}

// Adds the images of a row, and the names of the columns where they are not there yet.
void add_row(Grid& sheet, const Variant& variant, const std::vector<std::string>& texts,
             const std::vector<RenderedImage>& images) {
    Grid::Row row;
    if (texts.size() > 1) row.label = texts[variant.text];
    if (variant.guidance)
        row.label +=
            (row.label.empty() ? "guidance " : "\nguidance ") + number_text(*variant.guidance);
    const bool names = sheet.columns.empty();
    const bool one_seed = std::ranges::all_of(
        images, [&](const RenderedImage& image) { return image.seed == images.front().seed; });
    for (const RenderedImage& image : images) {
        row.pixels.push_back(thumbnail_of(image.file));
        if (names)
            sheet.columns.push_back("eta " + number_text(image.eta.value_or(0)) +
                                    (one_seed ? "" : ", seed " + std::to_string(image.seed)));
    }
    sheet.rows.push_back(std::move(row));
}

void append(EditResult& all, EditResult part) {
    if (all.images.empty()) {
        all = std::move(part);
        return;
    }
    all.images.insert(all.images.end(), part.images.begin(), part.images.end());
}

void finish(EditResult& result, const Grid& sheet, const fs::path& file) {
    write_image(file, draw_grid(sheet), {.source = PictureSource::edited_by_model});
    result.sheet = file;
}

// The sheet may lie in the folder of the pictures, which is made first.
void check_places(const Destination& out, const fs::path& sheet) {
    prepare_destination(out);
    prepare_destination({sheet, true});
    check_can_write(sheet);
}

}  // namespace

EditResult edit_grid(const EditRequest& request, const EditGrid& grid,
                     const EditControls& controls) {
    check_places(request.render.out, grid.file);
    std::vector<std::string> texts = {request.prompt};
    texts.insert(texts.end(), grid.more_texts.begin(), grid.more_texts.end());
    const pipeline::Model model = load_session_model(request.render, nullptr);
    EditResult result;
    Grid sheet{texts.size() > 1 ? std::string() : request.prompt,
               request.photo.filename().string(),
               {},
               {}};
    for (const Variant& variant : variants_of(texts.size(), grid.guidances)) {
        EditRequest one = request;
        one.prompt = texts[variant.text];
        one.render = for_variant(request.render, variant, texts.size());
        if (variant.text > 0) {
            one.session = request.session.parent_path() / request.session.stem();
            one.session +=
                "-text-" + std::to_string(variant.text + 1) + request.session.extension().string();
            const bool fast = request.mode.value_or(Mode::fast) == Mode::fast;
            if (fast && !request.as_word && !is_session(one.session)) one.from = request.session;
        }
        // What was tuned for the guidance before is there.
        one.restart = request.restart &&
                      (grid.guidances.empty() || variant.guidance == grid.guidances.front());
        EditResult part = edit(one, controls, model);
        add_row(sheet, variant, texts, part.images);
        append(result, std::move(part));
    }
    finish(result, sheet, grid.file);
    return result;
}

EditResult render_grid(const fs::path& session, const RenderRequest& request, const EditGrid& grid,
                       const EditControls& controls) {
    check_places(request.out, grid.file);
    const std::string text = load_recipe(session / "recipe.json").prompt;
    EditResult result;
    Grid sheet{text, session.filename().string(), {}, {}};
    for (const Variant& variant : variants_of(1, grid.guidances)) {
        EditResult part = render_session(session, for_variant(request, variant, 1), controls);
        add_row(sheet, variant, {text}, part.images);
        append(result, std::move(part));
    }
    finish(result, sheet, grid.file);
    return result;
}

}  // namespace keepsake::editor
