#include "editor/edit/digits_page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include "editor/edit/page_parts.h"
#include "optimize/training/stage_losses.h"

namespace keepsake::editor {
namespace {

using at::Tensor;

constexpr const char* head = R"(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'"/>
<title>From noise to digits</title>
<style>
body { font: 17px/1.55 Georgia, "DejaVu Serif", serif; color: #222; background: #fbfaf7; margin: 0; }
main { max-width: 46rem; margin: 0 auto; padding: 2rem 1.2rem 5rem; }
h1 { font-size: 2.1rem; line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid #ccc; padding-top: 1.2rem; }
h3 { margin-top: 2rem; }
img { max-width: 100%; height: auto; image-rendering: pixelated; vertical-align: top; }
.row { display: flex; flex-wrap: wrap; gap: .7rem; margin: 1rem 0; } figure { margin: 0; }
figcaption { font: 12px/1.3 "DejaVu Sans", sans-serif; color: #555; max-width: 7rem; margin-top: .2rem; }
svg { max-width: 100%; display: block; margin: .8rem 0; font: 12px "DejaVu Sans", sans-serif; }
.axes line { stroke: #ddd; } .axes text { fill: #666; }
table { border-collapse: collapse; margin: 1rem 0; font: 14px "DejaVu Sans", sans-serif; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid #ddd; text-align: right; }
code { font: 14px "DejaVu Sans Mono", monospace; background: #f0ede4; padding: 0 .2em; }
.note { color: #555; font-size: 15px; border-left: 3px solid #d8d2c0; padding-left: .9rem; }
</style>
</head>
<body>
<main>
)";

std::string paragraph(const std::string& html) {
    return "<p>" + html + "</p>\n";
}

std::string note(const std::string& html) {
    return "<p class=\"note\">" + html + "</p>\n";
}

std::string percent(double share) {
    return figure_text(100 * share, 3) + " %";
}

std::string probability_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.4f", value);
    return text;
}

// "0.21 ms"
std::string time_text(double seconds) {
    return seconds < 0.1 ? figure_text(1000 * seconds) + " ms" : figure_text(seconds) + " s";
}

// A training's losses, each point the mean of some steps.
ChartLine loss_line(const std::string& name, const std::vector<double>& losses) {
    ChartLine line{name, {}};
    const std::size_t part = std::max<std::size_t>(1, losses.size() / 60);
    for (std::size_t i = 0; i + part <= losses.size(); i += part) {
        double sum = 0;
        for (std::size_t j = i; j < i + part; ++j) sum += losses[j];
        line.points.emplace_back(static_cast<double>(i + part), sum / static_cast<double>(part));
    }
    return line;
}

double last_loss(const std::vector<double>& losses) {
    optimize::StageLosses all;
    all.training = losses;
    return all.average();
}

Tensor one(const Tensor& pictures, std::int64_t index) {
    return pictures.slice(0, index, index + 1);
}

std::string beginning(const DigitsLesson& lesson) {
    return "<h1>From noise to digits</h1>\n" +
           paragraph(
               "How does a program draw a picture that nobody has drawn? This page goes "
               "through the whole of it with pictures so small that every step can be "
               "seen, in three attempts, each of which fails in a way that asks for the "
               "next. Everything on it, each figure and each picture, was computed by the "
               "run that wrote it: on " +
               std::to_string(lesson.threads) + (lesson.threads == 1 ? " thread" : " threads") +
               " of a processor, in " + figure_text(lesson.seconds, 3) +
               " seconds, with the seed " + std::to_string(lesson.seed) +
               ". Another seed gives another page.") +
           "<h3>The pictures</h3>\n" +
           grid_html(lesson.digits.pictures.slice(0, 0, 100),
                     {.columns = 20, .alt = "A hundred handwritten digits"}) +
           paragraph(
               "Digits that people wrote by hand, 8 by 8 pixels each. A pixel is a number "
               "from -1 (paper) to 1 (ink), so a picture is a point in a space of 64 "
               "dimensions. Nearly every point of that space is noise, and digits are "
               "somewhere in it. <em>To draw one is to find a way from some point to a "
               "point where digits are.</em> " +
               std::to_string(lesson.digits.size()) + " digits are learned from; " +
               std::to_string(lesson.held_out.size()) + " are kept apart.") +
           paragraph(
               "To have a judge that does not care about us, a network was trained apart, "
               "on real digits alone, to read them: the <em>reader</em>. Of the " +
               std::to_string(lesson.held_out.size()) + " digits that it has never seen it reads " +
               percent(lesson.reader_accuracy) + " right. Nothing below learns from it.") +
           note(
               "The digits: \"Optical Recognition of Handwritten Digits\", E. Alpaydin and C. "
               "Kaynak (1998), UCI Machine Learning Repository, CC BY 4.0; the set's 1,797 "
               "digits for testing.");
}

std::string judge_chapter(const DigitsLesson& lesson) {
    std::vector<Captioned> row;
    for (std::size_t i = 0; i < lesson.judged_strengths.size(); ++i)
        row.push_back({one(lesson.judged, static_cast<std::int64_t>(i)),
                       "noise " + figure_text(lesson.judged_strengths[i]) + ": " +
                           probability_text(lesson.judged_probabilities[i])});
    return "<h2>1. How likely is this a digit?</h2>\n" +
           paragraph(
               "Suppose somebody gave us a function that takes a picture and says how "
               "likely it is a handwritten digit. Then we could change the pixels so that "
               "its answer grows, and would end with a digit. So let us make that function: "
               "a small network, the <em>judge</em>, that is shown digits and the same "
               "digits under noise, and learns to tell them apart.") +
           chart_html(
               {"steps of learning", "loss of the judge", {loss_line("", lesson.judge_losses)}}) +
           paragraph("A 3 under more and more noise, and what the judge says:") + row_html(row) +
           note(
               "The loss is the cross-entropy of its answer. The best possible judge of this kind "
               "answers with the odds p(digit) / p(noisy picture), so the direction in which "
               "its answer grows is the direction in which digits become likelier.");
}

std::string gradient_chapter(const DigitsLesson& lesson) {
    const GradientFigures& figures = lesson.gradient;
    ChartLine in64{"64-bit numbers", {}}, in32{"32-bit numbers", {}};
    for (const GradientFigures::Step& step : figures.steps) {
        in64.points.emplace_back(step.h, step.error64);
        in32.points.emplace_back(step.h, step.error32);
    }
    return "<h3>Which way is up?</h3>\n" +
           paragraph(
               "For each of the 64 pixels we ask: does the answer grow if this pixel gets a "
               "little darker, and how fast? These 64 numbers are the <em>gradient</em>. The "
               "honest way to find one is to try: add a small <code>h</code> to the pixel, "
               "ask, take it off, ask again, and divide: <code>(score(x + h) - score(x - h)) "
               "/ 2h</code>. That is 128 questions for one gradient. The other way follows "
               "the chain rule backwards through the network and finds all 64 in one pass; "
               "programs for learning do that by themselves (<em>autograd</em>).") +
           row_html(
               {{figures.picture, "the picture; judge: " + probability_text(figures.probability)},
                {figures.differences, "by trying: " + time_text(figures.differences_seconds),
                 Colours::signed_values},
                {figures.exact, "by autograd: " + time_text(figures.autograd_seconds),
                 Colours::signed_values}},
               16) +
           paragraph(
               "Red: darker is likelier. Blue: lighter is. The two agree to " +
               figure_text(figures.disagreement) +
               " of the largest of the 64 numbers, and autograd was " +
               figure_text(figures.differences_seconds / figures.autograd_seconds, 2) +
               " times as fast. A network of Stable Diffusion's size starts from "
               "16,384 numbers and not from 64: there, trying is out of the question, and that "
               "is why everything below is built so that autograd can go through it.") +
           chart_html({"h", "error of trying, relative", {in64, in32}, true, true}) +
           paragraph(
               "How small should <code>h</code> be? Too large, and the curve bends between "
               "the two points: the error falls with the square of h. Too small, and the "
               "difference of two almost equal answers drowns in their rounding: the error "
               "grows again. Between the two lies the best h, and with 32-bit numbers, in "
               "which networks are trained, even that one is poor.");
}

std::string climb_row(const ClimbFigures& climb, const std::function<std::string(double)>& text) {
    std::vector<Captioned> row;
    for (std::size_t i = 0; i < climb.pictures.size(); ++i)
        row.push_back({climb.pictures[i],
                       (i == 0 ? std::string("start") : "step " + std::to_string(climb.steps[i])) +
                           ": " + text(climb.scores[i])});
    return row_html(row);
}

std::string climb_chapter(const DigitsLesson& lesson) {
    std::string html =
        "<h3>Climbing</h3>\n" +
        paragraph(
            "Now change all pixels a little in that direction, find the gradient of the new "
            "picture, and again. Below each picture is what the judge says of it:");
    for (const ClimbFigures& climb : lesson.climbs)
        html += paragraph("From " + climb.start + ":") + climb_row(climb, probability_text);
    const std::vector<double>& distances = lesson.climb_distances;
    const auto best = std::ranges::min_element(distances);
    ChartLine line;
    for (std::size_t i = 0; i < distances.size(); ++i)
        line.points.emplace_back(static_cast<double>(i), distances[i]);
    return html +
           paragraph(
               "Does it help? A hundred digits that no network here has seen, with noise of "
               "strength 0.7: how far are they, step by step, from the digits that they were?") +
           chart_html({"steps of climbing", "distance from the digit (root mean square)", {line}}) +
           paragraph(
               "From " + figure_text(distances.front(), 2) + " it goes to " +
               figure_text(*best, 2) + " at step " + std::to_string(best - distances.begin()) +
               ", and ends at " + figure_text(distances.back(), 2) +
               ". So there is something in it: <em>a gradient can turn a worse picture into a "
               "better one.</em> But the judge is pleased long before the picture is good, "
               "and then leads on to what it likes even better and is no digit, by "
               "whatever it begins with: the two climbs above end " +
               figure_text(lesson.ends_apart, 2) +
               " apart. The reader takes the last picture of the one for a " +
               std::to_string(lesson.climbs[0].read_as) + " (" +
               percent(lesson.climbs[0].confidence) + " sure), of the other for a " +
               std::to_string(lesson.climbs[1].read_as) + " (" +
               percent(lesson.climbs[1].confidence) + ").") +
           paragraph(
               "What went wrong? The judge was only ever asked whether a picture is a digit or "
               "not. Far from digits its answer is nearly 0 in every direction, and what it "
               "has never seen, a picture made by its own gradient, it may like for no "
               "reason.");
}

std::string amount_chapter(const DigitsLesson& lesson) {
    ChartLine said{"", {}, true}, truth{"as it was", {}};
    for (std::size_t i = 0; i < lesson.true_amounts.size(); ++i)
        said.points.emplace_back(lesson.true_amounts[i], lesson.said_amounts[i]);
    truth.points = {{lesson.true_amounts.front(), lesson.true_amounts.front()},
                    {lesson.true_amounts.back(), lesson.true_amounts.back()}};
    return "<h2>2. Predict the noise</h2>\n"
           "<h3>First attempt: how much noise?</h3>\n" +
           paragraph(
               "A better question than \"digit or not\" has an answer everywhere: <em>how "
               "much noise is in this picture?</em> A network learns to say it, of digits "
               "under noise of every strength. It becomes good at it: on digits that it "
               "has not seen it is off by " +
               figure_text(lesson.amount_error, 2) + " on average.") +
           chart_html({"noise that was added", "noise, as the network says", {said, truth}}) +
           paragraph(
               "Then drawing is going downhill: change the pixels so that the amount of noise "
               "becomes less.") +
           climb_row(lesson.descent, [](double amount) { return figure_text(amount, 2); }) +
           paragraph("Of 64 such descents two are, on average, " +
                     figure_text(lesson.descents_apart_before, 2) + " apart at the start, and " +
                     figure_text(lesson.descents_apart, 2) +
                     " at the end (root mean square): from wherever they come, they go to the "
                     "same place. The amount is one "
                     "number, and to "
                     "tell it a network need not know what a digit looks like: how much "
                     "neighbouring pixels differ is enough. So its gradient need not know either. "
                     "It says <em>that</em> there is noise, not <em>where</em>.");
}

std::string noise_chapter(const DigitsLesson& lesson) {
    std::vector<Captioned> noisy, truth, said, left;
    for (std::size_t i = 0; i < lesson.levels.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const std::string level = "step " + std::to_string(lesson.levels[i]);
        noisy.push_back({one(lesson.noisy, at), level});
        truth.push_back({one(lesson.true_noise, at) / 3, "noise that was added"});
        said.push_back({one(lesson.said_noise, at) / 3, "noise, as it says"});
        left.push_back({one(lesson.left, at), "what is left"});
    }
    return "<h3>The noise itself</h3>\n" +
           paragraph(
               "So let the network say all of it: for every pixel, what was added to it. "
               "That is 64 answers a picture in place of one, each of them right or wrong by "
               "itself, and none can be given without knowing what was there before. A "
               "picture goes in, a picture comes out. The network for that is a "
               "<em>U-Net</em>: it looks at the picture at 8x8 and at 4x4 and hands what it "
               "saw on each size over to the way back. This one has the very code of Stable "
               "Diffusion's, with " +
               std::to_string(optimize::digit_unet_config().block_out_channels[0]) + " and " +
               std::to_string(optimize::digit_unet_config().block_out_channels[1]) + " channels.") +
           paragraph(
               "How noisy the pictures are goes by a <em>schedule</em> of 1,000 steps from "
               "the digit to noise alone: at step t the picture is <code>sqrt(a) digit + "
               "sqrt(1 - a) noise</code>, with a falling from 1 to almost 0. The network is "
               "told t, and its loss is the mean squared error of the noise.") +
           chart_html(
               {"steps of learning", "loss of the noise", {loss_line("", lesson.noise_losses)}}) +
           paragraph(
               "A 3 that it has never seen, at five steps of the schedule; below, the noise "
               "that was added, the noise that the network saw, and the picture less that "
               "noise:") +
           row_html(noisy) + row_html(truth) + row_html(said) + row_html(left) +
           paragraph(
               "Early on it finds the digit in one stroke. Out of almost nothing but noise it "
               "cannot: what is left is a grey mixture of all digits that it might have been. "
               "But the mixture is a better place than the noise was. So one goes "
               "<em>a little</em> in that direction, to a picture that is a little less "
               "noisy, and asks again.") +
           "<h3>Drawing</h3>\n" +
           paragraph(
               "Begin with noise that no digit was ever under, and go from step 1,000 to 0 in "
               "twenty-five strides (DDIM's). Eight pictures on their way, top to bottom:") +
           grid_html(at::cat(lesson.way).clamp(-1, 1),
                     {.columns = 8,
                      .scale = 6,
                      .alt = "Eight pictures on their way from noise to digits"}) +
           paragraph("And sixty that nobody wrote:") +
           grid_html(lesson.any.clamp(-1, 1),
                     {.columns = 20, .alt = "Sixty digits that were drawn"}) +
           paragraph(
               "The reader is on average " + percent(lesson.noise_confidence) +
               " sure of them. Are they copies? Ten of them, and below each the real digit that is "
               "nearest to it:") +
           grid_html(
               at::cat({lesson.some.clamp(-1, 1), lesson.nearest}),
               {.columns = 10, .scale = 6, .alt = "Ten drawn digits, and the nearest real ones"}) +
           paragraph("A drawn digit is " + figure_text(lesson.nearest_distance, 2) +
                     " a pixel away from the nearest one of the set (root mean square). A real "
                     "digit that was kept apart is " +
                     figure_text(lesson.real_distance, 2) + " away.");
}

std::string class_chapter(const DigitsLesson& lesson) {
    std::vector<std::vector<std::string>> table = {
        {"w", "read as what was asked for", "variety, real digits 100 %"}};
    std::string grids;
    for (const DrawnFigures& drawn : lesson.guided) {
        const std::string w = figure_text(drawn.guidance);
        table.push_back({w + (drawn.guidance == 0 ? " (not told)" : ""), percent(drawn.recognised),
                         percent(drawn.diversity)});
        if (drawn.guidance != 0 && drawn.guidance != 1 && drawn.guidance != lesson_guidance)
            continue;
        // Of the ten of each class the first eight, a row each.
        const Tensor shown =
            drawn.pictures
                .view({optimize::digit_classes, -1, 1, optimize::digit_side, optimize::digit_side})
                .slice(1, 0, 8)
                .flatten(0, 1);
        grids +=
            "<figure>" +
            grid_html(shown.clamp(-1, 1), {.columns = 8, .alt = "Digits drawn with w = " + w}) +
            "<figcaption>w = " + w + (drawn.guidance == 0 ? ": not told which" : "") +
            "</figcaption></figure>";
    }
    const DrawnFigures& chosen = guided_figures(lesson);
    return "<h2>3. Say what to draw</h2>\n" +
           paragraph(
               "The digits above come as they like. To ask for a 7, the network must be told "
               "while it learns. It gets the class as ten numbers, nine of them 0 and one of "
               "them 1 (<em>one-hot</em>), where Stable Diffusion's gets a text. The same "
               "network goes on learning, and for one digit in five all ten numbers are 0: "
               "it keeps being able to draw without being told.") +
           chart_html({"steps of learning",
                       "loss of the noise",
                       {loss_line("not told", lesson.noise_losses),
                        loss_line("told", lesson.class_losses)}}) +
           paragraph("Knowing the class, the noise is easier to tell: the loss ends at " +
                     figure_text(last_loss(lesson.class_losses)) + ", without it at " +
                     figure_text(last_loss(lesson.noise_losses)) + ".") +
           "<h3>Guidance</h3>\n" +
           paragraph(
               "The network can now be asked twice: what is the noise, if this is a 7? And if "
               "you are told nothing? The difference is what \"7\" changes, and one may go "
               "further in that direction than the network would: <code>noise = without + w "
               "(with - without)</code>. w = 0 is not told, w = 1 is as it learned, and more "
               "than that insists. Rows: 0 to 9, the same noise in the same place of all "
               "three.") +
           "<div class=\"row\">" + grids + "</div>\n" +
           paragraph(
               "Ten of each class, " + std::to_string(chosen.pictures.size(0)) +
               " digits for each w. The reader says how many are what was asked for, and how "
               "different those of one class are from each other is compared with real ones:") +
           table_html(table) +
           paragraph(
               "With w = " + figure_text(lesson_guidance) + ", " + percent(chosen.recognised) +
               " are read as the class that was asked for. More guidance is more like what was "
               "asked for and less like anything else: less variety, and at last stiff "
               "pictures of too much ink. That is the trade behind the <code>--guidance</code> "
               "of every picture program.");
}

std::string ending() {
    return "<h2>And then?</h2>\n" +
           paragraph(
               "Nothing is missing. Stable Diffusion is this, with three things larger: "
               "pictures are first made small by an autoencoder, which "
               "learns to bring them back (the U-Net then works on 64x64 places of 4 numbers, not "
               "on "
               "512x512 pixels); the ten numbers are the words of a text, as a text encoder "
               "reads them; and the U-Net has 860 million weights where this one has a "
               "quarter of a million. Keepsake edits a photo by bending such a network towards "
               "that one photo, and asking it for other words.") +
           "</main>\n</body>\n</html>\n";
}

}  // namespace

std::string digits_page(const DigitsLesson& lesson) {
    return head + beginning(lesson) + judge_chapter(lesson) + gradient_chapter(lesson) +
           climb_chapter(lesson) + amount_chapter(lesson) + noise_chapter(lesson) +
           class_chapter(lesson) + ending();
}

}  // namespace keepsake::editor
