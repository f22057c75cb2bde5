#include "editor/export_picture.h"

#include <cstdio>

#include "editor/contact_sheet.h"
#include "editor/export_photo.h"
#include "editor/image_file.h"
#include "pipeline/error.h"

namespace keepsake::editor {
namespace {

std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

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

Pixels before_after(const Document& document, const Render& render) {
    ContactSheet sheet = sheet_of(document);
    sheet.rows[0].push_back(labelled(render));
    return draw_contact_sheet(sheet);
}

void export_whole(const Document& document, const Render& render, const ExportRequest& request) {
    const Render* reconstruction = exact_render(document, 0);
    if (!reconstruction) throw Error("export", "the reconstruction is not rendered yet");
    const SquareEdit edit{document.tuned_draft.tuning.crop, *reconstruction->square,
                          *render.square};
    export_photo(request.path, *document.photo->file, edit, {},
                 {request.strip_gps, request.quality, render.photo_recipe});
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
    if (std::filesystem::exists(request.path, code) && !request.overwrite) return false;
    switch (request.kind) {
        case ExportKind::photo:
            export_whole(document, *render, request);
            break;
        case ExportKind::square:
            write_image(request.path, *render->square, render->recipe, request.quality);
            break;
        case ExportKind::strip:
            write_image(request.path, strip_of(document), {}, request.quality);
            break;
        case ExportKind::before_after:
            write_image(request.path, before_after(document, *render), {}, request.quality);
            break;
    }
    return true;
}

}  // namespace keepsake::editor
