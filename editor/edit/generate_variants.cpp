#include "editor/edit/generate_variants.h"

#include "pipeline/files/number_text.h"

namespace keepsake::editor {

std::vector<GenerateRequest> variants_of(const GenerateRequest& request) {
    std::vector<std::string> prompts = {request.prompt};
    prompts.insert(prompts.end(), request.more_prompts.begin(), request.more_prompts.end());
    std::vector<GenerateRequest> variants;
    GenerateRequest variant = request;
    variant.more_prompts.clear();
    for (const std::string& prompt : prompts) {
        variant.prompt = prompt;
        if (request.guidances.empty()) variants.push_back(variant);
        for (const double guidance : request.guidances) {
            variant.guidances = {guidance};
            variants.push_back(variant);
        }
    }
    return variants;
}

Grid grid_of(const GenerateRequest& request, const std::vector<GenerateRequest>& variants,
             const pipeline::SampleOptions& sample, const std::vector<Pixels>& pixels) {
    const std::size_t columns = pixels.size() / variants.size();
    Grid grid;
    for (std::size_t i = 0; i < columns; ++i)
        grid.columns.push_back(request.latents_in ? "picture " + std::to_string(i + 1)
                                                  : "seed " + std::to_string(request.seeds[i]));
    const bool texts = !request.more_prompts.empty(), guidances = request.guidances.size() > 1;
    for (std::size_t i = 0; i < variants.size(); ++i) {
        Grid::Row row;
        if (texts) row.label = variants[i].prompt;
        if (guidances)
            row.label +=
                (texts ? "\nguidance " : "guidance ") + number_text(variants[i].guidances[0]);
        const auto first = pixels.begin() + static_cast<std::ptrdiff_t>(i * columns);
        row.pixels.assign(first, first + static_cast<std::ptrdiff_t>(columns));
        grid.rows.push_back(std::move(row));
    }
    if (!texts) grid.title = request.prompt;
    grid.subtitle = std::string(pipeline::sampler_name(sample.sampler)) + ", " +
                    std::to_string(sample.steps) + " steps";
    if (!guidances) grid.subtitle += ", guidance " + number_text(sample.guidance_scale);
    return grid;
}

}  // namespace keepsake::editor
