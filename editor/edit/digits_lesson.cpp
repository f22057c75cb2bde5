#include "editor/edit/digits_lesson.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "editor/edit/clock.h"
#include "editor/edit/digits_page.h"
#include "editor/session/bundled_model.h"
#include "editor/session/digits_file.h"
#include "optimize/scratch/pixel_gradients.h"
#include "optimize/training/draws.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

using at::Tensor;
using optimize::DigitDenoiser;
using optimize::DigitNetwork;
using optimize::Digits;

// Who draws (optimize/training/draws.h).
constexpr auto lesson_stream = static_cast<optimize::Stream>(68);

at::Generator draws(const DigitsLesson& lesson, std::int64_t which) {
    return optimize::step_generator(lesson.seed, lesson_stream, which);
}

Tensor noise(at::IntArrayRef shape, const at::Generator& generator) {
    return at::randn(shape, generator, at::TensorOptions().dtype(at::kFloat));
}

double number(const Tensor& one) {
    return one.item<double>();
}

// The digits to learn from, and every sixth for judging the reader.
void split(const Digits& all, DigitsLesson& lesson) {
    const Tensor order = at::arange(all.size());
    const auto take = [&](const Tensor& which) {
        const Tensor index = order.index({which});
        return Digits{all.pictures.index_select(0, index), all.labels.index_select(0, index)};
    };
    lesson.digits = take(order % 6 != 5);
    lesson.held_out = take(order % 6 == 5);
}

// The first digit of a class.
Tensor example(const Digits& digits, std::int64_t label) {
    return digits.pictures.index({digits.labels == label}).slice(0, 0, 1);
}

double relative(const Tensor& gradient, const Tensor& exact) {
    return number((gradient.to(at::kDouble) - exact).abs().max() / exact.abs().max());
}

void show_judge(const DigitNetwork& judge, DigitsLesson& lesson) {
    const at::NoGradGuard no_grad;
    const Tensor digit = example(lesson.digits, 3);
    const Tensor at_random = noise(digit.sizes(), draws(lesson, 0));
    std::vector<Tensor> pictures;
    for (const double strength : {0.0, 0.2, 0.4, 0.7, 1.2, 2.0}) {
        lesson.judged_strengths.push_back(strength);
        pictures.push_back(digit + strength * at_random);
        lesson.judged_probabilities.push_back(number(at::sigmoid(judge(pictures.back()))));
    }
    lesson.judged = at::cat(pictures);
}

void find_gradients(const DigitNetwork& judge, DigitsLesson& lesson) {
    GradientFigures& figures = lesson.gradient;
    const DigitNetwork exactly = judge.to(at::kDouble);
    const Tensor digit = example(lesson.digits, 3);
    figures.picture =
        (digit + 0.5 * noise(digit.sizes(), draws(lesson, 1))).to(at::kDouble).contiguous();
    constexpr double h = 1e-5;
    figures.probability = number(at::sigmoid(exactly(figures.picture)));
    gradient_by_autograd(exactly, figures.picture);  // so that neither pays for the first call
    Clock::time_point begin = Clock::now();
    figures.differences = gradient_by_differences(exactly, figures.picture, h);
    figures.differences_seconds = seconds_since(begin);
    begin = Clock::now();
    figures.exact = gradient_by_autograd(exactly, figures.picture);
    figures.autograd_seconds = seconds_since(begin);
    figures.disagreement = relative(figures.differences, figures.exact);
    const Tensor single = figures.picture.to(at::kFloat);
    for (int power = -1; power >= -9; --power) {
        const double step = std::pow(10.0, power);
        figures.steps.push_back(
            {step, relative(gradient_by_differences(exactly, figures.picture, step), figures.exact),
             relative(gradient_by_differences(judge, single, step), figures.exact)});
    }
}

ClimbFigures climb_figures(const std::string& start, const std::vector<Tensor>& way,
                           const optimize::PictureScore& score, const DigitNetwork& reader) {
    const at::NoGradGuard no_grad;
    ClimbFigures figures;
    figures.start = start;
    for (const std::size_t step : {0, 2, 5, 10, 20, 50, 200}) {
        figures.steps.push_back(static_cast<std::int64_t>(step));
        figures.pictures.push_back(way.at(step));
        figures.scores.push_back(number(score(way[step])));
    }
    const auto [classes, confidence] = read_digits(reader, way.back());
    figures.read_as = classes.item<std::int64_t>();
    figures.confidence = number(confidence);
    return figures;
}

Tensor distances(const Tensor& a, const Tensor& b) {
    return (a - b).square().mean({1, 2, 3}).sqrt();
}

void climb_judge(const DigitNetwork& judge, const DigitNetwork& reader, DigitsLesson& lesson) {
    const auto probability = [&](const Tensor& x) { return at::sigmoid(judge(x)); };
    const auto from = [&](const std::string& start, const Tensor& picture) {
        const auto way = optimize::climb(judge, picture.clamp(-1, 1), {});
        lesson.climbs.push_back(climb_figures(start, way, probability, reader));
    };
    const Tensor digit = example(lesson.digits, 3);
    from("a 3 with noise of strength 0.7", digit + 0.7 * noise(digit.sizes(), draws(lesson, 2)));
    from("noise alone", noise(digit.sizes(), draws(lesson, 3)));
    lesson.ends_apart = number(
        distances(lesson.climbs[0].pictures.back(), lesson.climbs[1].pictures.back()).mean());

    const Tensor were = lesson.held_out.pictures.slice(0, 0, 100);
    const Tensor noisy = were + 0.7 * noise(were.sizes(), draws(lesson, 7));
    for (const Tensor& pictures : optimize::climb(judge, noisy.clamp(-1, 1), {60}))
        lesson.climb_distances.push_back(number(distances(pictures, were).mean()));
}

// The mean RMS distance of two of these pictures.
double apart(const Tensor& pictures) {
    return number(at::pdist(pictures.flatten(1)).mean()) / optimize::digit_side;
}

void show_amount(const DigitNetwork& amount, const DigitNetwork& reader, DigitsLesson& lesson) {
    const at::NoGradGuard no_grad;
    constexpr std::int64_t count = 200;
    const Tensor strength = at::linspace(optimize::least_strength, optimize::most_strength, count);
    const Tensor pictures = lesson.held_out.pictures.slice(0, 0, count);
    const Tensor noisy =
        pictures + strength.view({-1, 1, 1, 1}) * noise(pictures.sizes(), draws(lesson, 4));
    const Tensor said = amount(noisy).squeeze(1);
    for (std::int64_t i = 0; i < count; ++i) {
        lesson.true_amounts.push_back(number(strength[i]));
        lesson.said_amounts.push_back(number(said[i]));
    }
    lesson.amount_error = number((said - strength).abs().mean());
    // Downhill, many at once for a mean and the first for the eye.
    const Tensor start =
        noise({64, 1, optimize::digit_side, optimize::digit_side}, draws(lesson, 5));
    const auto way =
        optimize::climb(amount, start.clamp(-1, 1), {200, -optimize::ClimbOptions{}.length});
    lesson.descents_apart_before = apart(way.front());
    lesson.descents_apart = apart(way.back());
    std::vector<Tensor> first;
    for (const Tensor& pictures_then : way) first.push_back(pictures_then.slice(0, 0, 1));
    lesson.descent = climb_figures("noise alone", first, amount, reader);
}

void show_noise(const DigitDenoiser& denoiser, DigitsLesson& lesson) {
    const at::NoGradGuard no_grad;
    lesson.levels = {100, 300, 500, 700, 900};
    const auto count = static_cast<std::int64_t>(lesson.levels.size());
    const Tensor timesteps = at::tensor(lesson.levels);
    const Tensor digit = example(lesson.held_out, 3).expand({count, -1, -1, -1});
    lesson.true_noise = noise(digit.sizes(), draws(lesson, 6));
    lesson.noisy = denoiser.schedule.add_noise(digit, lesson.true_noise, timesteps);
    lesson.said_noise = denoiser.unet(lesson.noisy, timesteps, optimize::no_class_embedding(count));
    const Tensor kept =
        denoiser.schedule.alphas_cumprod.index_select(0, timesteps).view({-1, 1, 1, 1});
    lesson.left = (lesson.noisy - (1 - kept).sqrt() * lesson.said_noise) / kept.sqrt();
}

// RMS over the pixels, of each picture to the nearest of `others`; and which that is.
std::pair<Tensor, Tensor> nearest_of(const Tensor& pictures, const Tensor& others) {
    const Tensor distance =
        at::cdist(pictures.flatten(1), others.flatten(1)) / optimize::digit_side;
    const auto [least, which] = distance.min(1);
    return {least, which};
}

void draw_without_class(const DigitDenoiser& denoiser, const DigitNetwork& reader,
                        DigitsLesson& lesson, Monitor& monitor) {
    optimize::DrawingOptions options;
    options.seed = lesson.seed;
    options.monitor = &monitor;
    options.on_step = [&](std::size_t index, const Tensor& pictures) {
        if (index % 4 != 0 && index + 1 != static_cast<std::size_t>(options.steps)) return;
        lesson.way.push_back(pictures.slice(0, 0, 8).clone());
        lesson.way_timesteps.push_back(static_cast<double>(index + 1));
    };
    const Tensor drawn = optimize::draw_any_digits(denoiser, 60, options);
    lesson.any = drawn;
    lesson.noise_confidence = number(read_digits(reader, drawn).confidence.mean());
    const auto [distance, which] = nearest_of(drawn, lesson.digits.pictures);
    lesson.nearest_distance = number(distance.mean());
    lesson.some = drawn.slice(0, 0, 10);
    lesson.nearest = lesson.digits.pictures.index_select(0, which.slice(0, 0, 10));
    lesson.real_distance =
        number(nearest_of(lesson.held_out.pictures, lesson.digits.pictures).first.mean());
}

// The mean RMS distance of two pictures of one class.
double spread(const Tensor& pictures, const Tensor& labels) {
    double sum = 0;
    for (std::int64_t label = 0; label < optimize::digit_classes; ++label) {
        sum += apart(pictures.index({labels == label}));
    }
    return sum / optimize::digit_classes;
}

void draw_with_class(const DigitDenoiser& denoiser, const DigitNetwork& reader,
                     DigitsLesson& lesson, Monitor& monitor) {
    constexpr std::int64_t of_each = 10;
    const Tensor labels = at::arange(optimize::digit_classes).repeat_interleave(of_each);
    const double real = spread(lesson.digits.pictures, lesson.digits.labels);
    for (const double guidance : {0.0, 1.0, 2.0, lesson_guidance, 6.0, 12.0}) {
        optimize::DrawingOptions options;
        options.seed = lesson.seed + 1;
        options.guidance = guidance;
        options.monitor = &monitor;
        DrawnFigures figures{guidance, optimize::draw_digits(denoiser, labels, options), labels};
        figures.recognised = share_read(reader, {figures.pictures, labels});
        figures.diversity = spread(figures.pictures.clamp(-1, 1), labels) / real;
        lesson.guided.push_back(std::move(figures));
    }
}

}  // namespace

const DrawnFigures& guided_figures(const DigitsLesson& lesson) {
    return *std::ranges::find(lesson.guided, lesson_guidance, &DrawnFigures::guidance);
}

DigitsLesson run_digits_lesson(const DigitsRequest& request, Monitor& monitor) {
    check_can_write(request.out);
    const std::filesystem::path folder = request.out.parent_path();
    if (!folder.empty() && type_at(folder) != std::filesystem::file_type::directory)
        throw Error(request.out.string(), "its folder is not there");
    const Clock::time_point begin = Clock::now();
    DigitsLesson lesson;
    lesson.seed = request.seed;
    lesson.threads = at::get_num_threads();
    split(read_digits(bundled_digits()), lesson);
    const optimize::DigitTask task{lesson.digits, request.seed, &monitor};

    const auto reader = optimize::train_reader(task, optimize::reader_options());
    lesson.reader_accuracy = share_read(reader.network, lesson.held_out);

    const auto judge = optimize::train_judge(task, optimize::judge_options());
    lesson.judge_losses = judge.losses.training;
    show_judge(judge.network, lesson);
    find_gradients(judge.network, lesson);
    climb_judge(judge.network, reader.network, lesson);

    const auto amount = optimize::train_amount(task, optimize::amount_options());
    lesson.amount_losses = amount.losses.training;
    show_amount(amount.network, reader.network, lesson);

    DigitDenoiser denoiser = optimize::fresh_denoiser(request.seed);
    optimize::StageOptions options = optimize::denoiser_options();
    options.steps = request.steps;
    const optimize::DenoiserTask noise_task{lesson.digits, request.seed, &monitor};
    lesson.noise_losses =
        train_denoiser(noise_task, optimize::ClassLesson::hidden, options, denoiser).training;
    show_noise(denoiser, lesson);
    draw_without_class(denoiser, reader.network, lesson, monitor);
    lesson.class_losses =
        train_denoiser(noise_task, optimize::ClassLesson::told, options, denoiser).training;
    draw_with_class(denoiser, reader.network, lesson, monitor);

    lesson.seconds = seconds_since(begin);
    write_file_atomically(request.out, digits_page(lesson));
    return lesson;
}

}  // namespace keepsake::editor
