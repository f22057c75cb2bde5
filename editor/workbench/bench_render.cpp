// Rendering: the exact picture, the film strip around it, variations.
#include <algorithm>
#include <cmath>
#include <utility>

#include "editor/edit/edit_recipe.h"
#include "editor/edit/preview.h"
#include "editor/workbench/bench.h"
#include "editor/workbench/bench_region.h"
#include "pipeline/compute/drawing_arithmetic.h"

namespace keepsake::editor {
namespace {

constexpr int strip_last = 12;  // tenths

bool has_render(const Bench& bench, double eta) {
    return exact_render(*bench.board.latest(), eta) != nullptr;
}

Render cached(Bench& bench, double eta, std::uint64_t seed) {
    const Recipe recipe = sampled_recipe(bench, bench.look.sample);
    const std::string key = bench_key(bench, recipe, {seed, eta});
    const Picture square = bench.cache.find(bench.session->folder, key);
    return {eta, seed, square, std::make_shared<const Recipe>(recipe),
            measured_direction(bench, key, square)};
}

void insert_render(std::vector<Render>& renders, const Render& render) {
    const auto at = std::lower_bound(renders.begin(), renders.end(), render.eta,
                                     [](const Render& a, double eta) { return a.eta < eta; });
    if (at != renders.end() && at->eta == render.eta) return;
    renders.insert(at, render);
}

optimize::Tuning load_finished(const Bench& bench) {
    try {
        return load_tuning(*bench.session, *bench.model);
    } catch (const Error& error) {
        throw Error(error.what(),
                    "remove that file and open the session again: what it held can then be "
                    "learned anew");
    }
}

// What the renders of the tuning share, sampled as `recipe` says.
Conditions conditions_of(Bench& bench, const Recipe& recipe, Monitor& monitor) {
    if (!bench.tuning) bench.tuning.emplace(load_finished(bench));
    if (bench.conditions)
        return with_sampling(*bench.conditions, *bench.model, *bench.tuning, recipe, monitor);
    const std::optional<FoundWords>& found = bench.found_words;
    const bool known = found && found->square == bench.square &&
                       at::equal(found->target, bench.tuning->target_embedding);
    Conditions conditions = encode_conditions(*bench.model, *bench.tuning, recipe, *bench.square,
                                              monitor, known ? &found->words : nullptr);
    if (conditions.words) keep_words_region(bench, *conditions.words);
    if (recipe.mode == Mode::inpaint)
        take_mask(conditions, *bench.model, *bench.square, bench.drawn);
    return conditions;
}

// Renders what the cache does not have.
std::vector<Render> rendered(Bench& bench, const std::vector<PictureKey>& keys, Monitor& monitor) {
    std::vector<Render> renders;
    std::vector<std::size_t> missing;
    for (const PictureKey& key : keys) {
        renders.push_back(cached(bench, key.eta, key.seed));
        if (!renders.back().square) missing.push_back(renders.size() - 1);
    }
    if (missing.empty()) return renders;
    const Recipe recipe = sampled_recipe(bench, bench.look.sample);
    prepare_renders(bench, monitor);
    const PictureJob job{*bench.model, *bench.tuning, recipe, *bench.conditions};
    for (const ImageBatch& batch :
         image_batches(missing.size(), pictures_at_once(*bench.model, recipe))) {
        std::vector<PictureKey> together;
        for (std::size_t i = 0; i < batch.count; ++i)
            together.push_back(keys[missing[batch.first + i]]);
        std::vector<Pixels> pictures = render_pictures(job, together, monitor);
        for (std::size_t i = 0; i < batch.count; ++i) {
            Render& render = renders[missing[batch.first + i]];
            render.square = std::make_shared<const Pixels>(std::move(pictures[i]));
            const std::string key = bench_key(bench, recipe, {render.seed, render.eta});
            bench.cache.add(bench.session->folder, key, render.square);
            render.direction = measured_direction(bench, key, render.square);
        }
    }
    return renders;
}

void note_in_history(Bench& bench, const Render& render) {
    EditDraft draft = draft_of(bench.session->recipe);
    draft.sample = bench.look.sample;
    bench.history.show(
        {draft, render.eta, render.seed, bench.session->folder, render.square, std::nullopt});
    try {
        save_history(bench.session->folder, bench.history);
    } catch (const Error& error) {
        // The result is there and is shown; the next one's saving has all of them in it.
        bench.board.tell(Notice::Kind::fault,
                         std::string("The history is not saved: ") + error.what());
    }
}

// The exact render is there: it is what the light table compares, and a step of the history.
void finish_look(Bench& bench, const Render& render) {
    const Render zero = cached(bench, 0, render.seed);
    note_in_history(bench, render);
    bench.wants_exact = bench.wants_preview = false;
    bench.board.change([&](Document& document) {
        insert_render(document.renders, zero);
        insert_render(document.renders, render);
    });
    show_session(bench);
}

// Together with eta 0, which the edit is compared with: neither is shown without the other.
void render_exact(Bench& bench, Monitor& monitor) {
    std::vector<PictureKey> keys = {{bench.look.seed, 0}};
    if (bench.look.eta != 0) keys.push_back({bench.look.seed, bench.look.eta});
    finish_look(bench, rendered(bench, keys, monitor).back());
}

// The strengths of which there are previews: of small pictures as many as fill the strip by their
// mixtures (docs/few-steps.md), and the one looked at.
std::vector<double> preview_etas(const Bench& bench, const Recipe& recipe) {
    std::vector<double> etas = {0};
    if (pictures_at_once(*bench.model, recipe) > 1)
        for (int tenth = 3; tenth <= strip_last; tenth += 3) etas.push_back(tenth / 10.0);
    const double eta = bench.look.eta;
    if (std::ranges::find(etas, eta) == etas.end())
        etas.insert(std::ranges::upper_bound(etas, eta), eta);
    return etas;
}

// Whether the slider has something on both sides of what is looked at.
bool lies_between(const std::vector<Render>& renders, double eta) {
    return !renders.empty() && renders.front().eta <= eta && renders.back().eta >= eta;
}

bool wants_preview(const Bench& bench) {
    const Recipe recipe = sampled_recipe(bench, bench.look.sample);
    const int steps = preview_sampling(recipe.sample, bench.defaults).steps;
    const auto document = bench.board.latest();
    const double eta = bench.look.eta;
    return 2 * steps < recipe.sample.steps && !lies_between(document->renders, eta) &&
           !lies_between(document->previews, eta);
}

// As many as one batch takes: they are there to be compared, so that the last one counts.
void render_variations(Bench& bench, Monitor& monitor) {
    const Recipe recipe = sampled_recipe(bench, bench.look.sample);
    const double eta = bench.board.latest()->variations_eta;
    const ImageBatch batch =
        image_batches(bench.wants_seeds.size(), pictures_at_once(*bench.model, recipe)).front();
    std::vector<PictureKey> keys;
    for (std::size_t i = 0; i < batch.count; ++i) keys.push_back({bench.wants_seeds[i], eta});
    const std::vector<Render> renders = rendered(bench, keys, monitor);
    bench.wants_seeds.erase(bench.wants_seeds.begin(),
                            bench.wants_seeds.begin() + static_cast<std::ptrdiff_t>(batch.count));
    bench.board.change([&](Document& document) {
        for (Variation& variation : document.variations) {
            for (const Render& render : renders) {
                if (variation.seed == render.seed) variation.square = render.square;
            }
        }
    });
}

// One by one: each makes the slider finer at once, and whoever moves it again, which stops the
// render under way, finds all but that one.
void render_strip(Bench& bench, Monitor& monitor) {
    for (const double eta : strip_etas(first_eta())) {
        if (has_render(bench, eta)) continue;
        const Render render = rendered(bench, {{bench.look.seed, eta}}, monitor).front();
        bench.board.change([&](Document& document) { insert_render(document.renders, render); });
        return;
    }
    bench.wants_strip = false;
}

// What is chosen now is what is drawn anew from here on. False where that is nothing.
bool take_region(Bench& bench) {
    bench.drawn = edit_region(bench.board.latest()->region);
    const std::string before = std::exchange(bench.drawn_tag, mask_tag(bench.drawn));
    if (bench.drawn_tag != before) {
        bench.conditions.reset();
        bench.board.change([](Document& document) {
            document.renders.clear();
            document.previews.clear();
            document.variations.clear();
        });
    }
    const double least = bench.drawn.threshold * 255;
    return bench.drawn.mask &&
           std::ranges::any_of(bench.drawn.mask->values,
                               [&](std::uint8_t value) { return value > least; });
}

// Whether there is something to render by. Of the mode inpaint there is when a mask is.
bool can_render(Bench& bench) {
    if (!bench.session || next_stage(*bench.session) != Stage::done) return false;
    if (bench.session->recipe.mode != Mode::inpaint) return true;
    if (take_region(bench)) return true;
    const RegionView region = bench.board.latest()->region;
    if (region.settings.mode != RegionMode::automatic || region.automatic)
        bench.board.tell(Notice::Kind::note,
                         "Paint over what shall be drawn anew (M), then press Draw it.");
    return false;
}

}  // namespace

void prepare_renders(Bench& bench, Monitor& monitor) {
    if (!bench.tuning) bench.tuning.emplace(load_finished(bench));
    if (bench.conditions) return;
    bench.conditions = conditions_of(bench, sampled_recipe(bench, bench.look.sample), monitor);
}

std::optional<pipeline::Arithmetic> preview_arithmetic(const Bench& bench, const Recipe& recipe) {
    const bool quicker = bench.model->device.is_cpu() &&
                         pictures_at_once(*bench.model, recipe) > 1 &&
                         pipeline::has_fast_bfloat16();
    if (!quicker) return std::nullopt;
    return pipeline::Arithmetic::bfloat16;
}

// A fifth of an exact render's time, so that whoever waits for that sees something.
void render_previews(Bench& bench, Monitor& monitor) {
    bench.wants_preview = false;
    if (!wants_preview(bench)) return;
    Recipe recipe = sampled_recipe(bench, bench.look.sample);
    const pipeline::SampleOptions exact = recipe.sample;
    recipe.sample = preview_sampling(recipe.sample, bench.defaults);
    Conditions conditions = conditions_of(bench, recipe, monitor);
    std::vector<PictureKey> keys;
    for (const double eta : preview_etas(bench, recipe)) keys.push_back({bench.look.seed, eta});
    std::vector<Pixels> pictures;
    {
        const pipeline::DrawIn quicker(preview_arithmetic(bench, recipe));
        const PictureJob job{*bench.model, *bench.tuning, recipe, conditions};
        pictures = render_pictures(job, keys, monitor);
    }
    std::vector<Render> previews;
    const auto how = std::make_shared<const Recipe>(recipe);
    for (std::size_t i = 0; i < keys.size(); ++i)
        previews.push_back({keys[i].eta, keys[i].seed,
                            std::make_shared<const Pixels>(std::move(pictures[i])), how,
                            std::nullopt});
    bench.board.change([&](Document& document) { document.previews = previews; });
    if (bench.conditions) return;
    // The rest of what the exact ones need.
    recipe.sample = exact;
    bench.conditions =
        with_sampling(std::move(conditions), *bench.model, *bench.tuning, recipe, monitor);
}

std::string bench_key(const Bench& bench, const Recipe& recipe, const PictureKey& picture) {
    return render_key(recipe, picture.eta, picture.seed, bench.drawn_tag);
}

std::vector<double> strip_etas(double middle) {
    std::vector<int> order;
    const auto distance = [&](int tenth) {
        int nearest = 2 * strip_last;
        for (const int done : order) nearest = std::min(nearest, std::abs(done - tenth));
        return nearest;
    };
    order.push_back(0);  // the reconstruction, which every comparison needs
    while (order.size() <= strip_last) {
        int best = 0;
        for (int tenth = 1; tenth <= strip_last; ++tenth) {
            const int gain = distance(tenth) - distance(best);
            const bool nearer = std::abs(tenth - middle * 10) < std::abs(best - middle * 10);
            if (gain > 0 || (gain == 0 && nearer)) best = tenth;
        }
        order.push_back(best);
    }
    std::vector<double> etas;
    for (const int tenth : order) etas.push_back(tenth / 10.0);
    return etas;
}

Recipe sampled_recipe(const Bench& bench, const SampleDraft& sample) {
    Recipe recipe = bench.session->recipe;
    EditDraft draft = draft_of(recipe);
    draft.sample = sample;
    apply(request_of(draft).render.sample, recipe.sample);
    return recipe;
}

void look_at(Bench& bench, const LookRequest& request) {
    if (bench.session) sampled_recipe(bench, request.sample);  // throws what is out of range
    if (!(bench.look.sample == request.sample)) bench.conditions.reset();
    bench.look = request;
    const bool tuned = can_render(bench);
    show_look(bench);
    bench.wants_exact = bench.wants_strip = tuned;
    bench.wants_preview = tuned && wants_preview(bench);
    if (!tuned) return;
    const Render render = cached(bench, request.eta, request.seed);
    if (render.square && cached(bench, 0, request.seed).square) finish_look(bench, render);
}

void show_look(Bench& bench) {
    std::vector<Render> renders;
    if (bench.session && next_stage(*bench.session) == Stage::done) {
        for (const double eta : strip_etas(first_eta())) {
            const Render render = cached(bench, eta, bench.look.seed);
            if (render.square) insert_render(renders, render);
        }
    }
    bench.board.change([&](Document& document) {
        const bool same =
            document.seed == bench.look.seed && document.tuned_draft.sample == bench.look.sample;
        if (same) {
            for (const Render& render : document.renders) {
                if (render.seed == bench.look.seed) insert_render(renders, render);
            }
        }
        document.renders = renders;
        if (!same) document.previews.clear();
        document.eta = bench.look.eta;
        document.seed = bench.look.seed;
        document.draft.sample = bench.look.sample;
        document.tuned_draft.sample = bench.look.sample;
    });
}

void begin_variations(Bench& bench, const VariationsRequest& request) {
    if (!bench.session || next_stage(*bench.session) != Stage::done) return;
    if (!(bench.look.sample == request.sample)) {
        look_at(bench, {request.sample, request.eta, bench.look.seed});
    }
    std::vector<Variation> variations;
    bench.wants_seeds.clear();
    for (const std::uint64_t seed : request.seeds) {
        variations.push_back({seed, cached(bench, request.eta, seed).square});
        if (!variations.back().square) bench.wants_seeds.push_back(seed);
    }
    bench.board.change([&](Document& document) {
        document.variations = variations;
        document.variations_eta = request.eta;
    });
}

void want_nothing(Bench& bench) {
    bench.wants_tuning = bench.wants_preview = bench.wants_exact = bench.wants_strip = false;
    bench.wants_seeds.clear();
    if (!bench.wants_mask) return;
    bench.wants_mask = false;
    bench.board.change([](Document& document) {
        RegionView& region = document.region;
        region.finding = false;
        if (region.settings.mode == RegionMode::automatic) {
            region.settings.mode = RegionSettings{}.mode;
        }
    });
}

bool wants_render(const Bench& bench) {
    return bench.wants_exact || can_find_mask(bench) || !bench.wants_seeds.empty() ||
           bench.wants_strip;
}

void render_next(Bench& bench, Monitor& monitor) {
    if (bench.wants_preview) {
        try {
            render_previews(bench, monitor);
        } catch (const Error&) {
            // The exact render says what is wrong, if it is so there.
        }
    } else if (bench.wants_exact) {
        render_exact(bench, monitor);
    } else if (can_find_mask(bench)) {
        find_mask(bench, monitor);
    } else if (!bench.wants_seeds.empty()) {
        render_variations(bench, monitor);
    } else {
        render_strip(bench, monitor);
    }
}

}  // namespace keepsake::editor
