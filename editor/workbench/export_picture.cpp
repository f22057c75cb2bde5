#include "editor/workbench/export_picture.h"

#include "editor/photo/contact_sheet.h"
#include "editor/photo/image_file.h"
#include "editor/session/recipe.h"
#include "editor/session/session_region.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/number_text.h"

namespace keepsake::editor {
namespace {

std::string how_text(const Document& document) {
    const SampleDraft& sample = document.draft.sample;
    return document.photo->name + " \u00b7 " + sample.sampler + ", " +
           std::to_string(sample.steps) + " steps, guidance " + number_text(sample.guidance) +
           ", seed " + std::to_string(document.seed);
}

LabelledPixels labelled(const Render& render) {
    return {render.eta == 0 ? "reconstruction" : "eta " + number_text(render.eta), *render.square};
}

ContactSheet sheet_of(const Document& document) {
    ContactSheet sheet{document.tuned_draft.prompt, how_text(document), {}};
    sheet.rows.push_back({{"photo", *document.working_square}});
    return sheet;
}

Pixels strip_of(const Document& document) {
    ContactSheet sheet = sheet_of(document);
    for (const Render& render : document.renders) sheet.rows[0].push_back(labelled(render));
    return draw_contact_sheet(sheet);
}

const Render& reconstruction(const Document& document) {
    const Render* render = exact_render(document, 0);
    if (!render) throw Error("export", "the reconstruction is not rendered yet");
    return *render;
}

// Throws Error while the mask that is chosen is not found.
EditRegion region_of(const Document& document) {
    const RegionView& region = document.region;
    const bool needs_mask = region.settings.mode == RegionMode::automatic ||
                            region.settings.mode == RegionMode::painted;
    if (needs_mask && !chosen_mask(region)) {
        throw Error("export", "the mask is not found yet; wait a moment, or choose another");
    }
    return edit_region(region);
}

// The edit of the square, kept to the mask where there is one.
Pixels before_after(const Document& document, const Render& render) {
    ContactSheet sheet = sheet_of(document);
    LabelledPixels after = labelled(render);
    const EditRegion region = region_of(document);
    if (region.mask) {
        const Pixels& square = *document.working_square;
        after.pixels = full_resolution(
            square,
            {{0, 0, square.width, square.height}, *reconstruction(document).square, *render.square},
            region);
    }
    sheet.rows[0].push_back(std::move(after));
    return draw_contact_sheet(sheet);
}

std::string recipe_text(const Render& render, const FullRender& full) {
    return to_chunk(EditRender{*render.recipe, render.eta, render.seed, full});
}

void export_whole(const Document& document, const Render& render, const ExportRequest& request) {
    const AreaEdit edit{document.tuned_draft.tuning.crop, *reconstruction(document).square,
                        *render.square};
    const std::string recipe = recipe_text(render, noted_region(document.region.settings));
    export_photo(request.path, *document.photo->file, edit, region_of(document),
                 {request.strip_gps, request.quality, recipe});
}

void check_unchanged(const std::filesystem::path& path, const Photo& photo) {
    if (read_file(path) == photo.bytes) return;
    throw Error(path.string(),
                "was changed by another program since it was opened here, and is left as it is; "
                "Export (Ctrl+E) writes the edit under another name");
}

}  // namespace

bool export_picture(const Document& document, const ExportRequest& request) {
    const Render* render = exact_render(document, document.eta);
    if (!render || !document.photo || !document.working_square) {
        throw Error("export", "there is no finished edit yet");
    }
    if (!has_photo_extension(request.path)) {
        throw Error(request.path.string(),
                    "is no image file name; end it in .png, .jpg, .webp or "
                    ".tif");
    }
    std::error_code code;
    if (std::filesystem::is_directory(request.path, code)) {
        throw Error(request.path.string(), "is a folder; add a file name");
    }
    if (request.in_place)
        check_unchanged(request.path, *document.photo->file);
    else if (std::filesystem::exists(request.path, code) && !request.overwrite)
        return false;
    switch (request.kind) {
        case ExportKind::photo:
            export_whole(document, *render, request);
            break;
        case ExportKind::square:
            write_image(
                request.path, *render->square,
                {recipe_text(*render, {}), request.quality, PictureSource::edited_by_model});
            break;
        case ExportKind::strip:
            write_image(request.path, strip_of(document),
                        {{}, request.quality, PictureSource::edited_by_model});
            break;
        case ExportKind::before_after:
            write_image(request.path, before_after(document, *render),
                        {{}, request.quality, PictureSource::edited_by_model});
            break;
    }
    return true;
}

ExportProof compare_export(const Document& document, const ExportRequest& request) {
    try {
        return prove_export(
            *document.photo->file, request.path,
            {region_of(document), document.tuned_draft.tuning.crop, request.strip_gps});
    } catch (const std::exception& error) {
        // It may have been moved away meanwhile: that makes no failed export of it.
        ExportProof none;
        none.file = request.path.filename().string();
        none.fault = error.what();
        return none;
    }
}

}  // namespace keepsake::editor
