// The settings that one seldom needs, each with what moving it does to the picture.
#include <imgui.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

// A label at the left, a field at the right of it in the same line.
void label(Frame& frame, const char* text) {
    ImGui::AlignTextToFramePadding();
    ImGui::PushFont(frame.fonts.small);
    ImGui::TextUnformatted(text);
    ImGui::PopFont();
    ImGui::SameLine(frame.px(148));
    ImGui::SetNextItemWidth(-1);
}

void explained(Frame& frame, const char* name, const char* text) {
    mark(frame, name);
    tooltip(frame, text);
}

void whole_number(Frame& frame, const char* name, std::int64_t& value, const char* text) {
    label(frame, name);
    const std::string id = std::string("##") + name;
    ImGui::InputScalar(id.c_str(), ImGuiDataType_S64, &value, nullptr, nullptr, "%lld");
    value = std::max<std::int64_t>(value, 0);
    explained(frame, name, text);
}

void seed_number(Frame& frame, const char* name, std::uint64_t& value, const char* text) {
    label(frame, name);
    const std::string id = std::string("##") + name;
    ImGui::InputScalar(id.c_str(), ImGuiDataType_U64, &value, nullptr, nullptr, "%llu");
    explained(frame, name, text);
}

void rate(Frame& frame, const char* name, double& value, const char* text) {
    label(frame, name);
    const std::string id = std::string("##") + name;
    ImGui::InputDouble(id.c_str(), &value, 0, 0, "%.3g");
    value = std::max(value, 0.0);
    explained(frame, name, text);
}

void choice(Frame& frame, const char* name, const std::vector<std::string>& choices,
            std::string& value, const char* text) {
    label(frame, name);
    const std::string id = std::string("##") + name;
    const auto shown = [](const std::string& item) {
        return item.empty() ? "the model's own" : item.c_str();
    };
    if (ImGui::BeginCombo(id.c_str(), shown(value))) {
        for (const std::string& item : choices) {
            if (ImGui::Selectable(shown(item), item == value)) value = item;
            mark(frame, std::string(name) + " " + item);
        }
        ImGui::EndCombo();
    }
    explained(frame, name, text);
}

void mode(Frame& frame) {
    editor::EditDraft& draft = frame.state.draft;
    std::string name = draft.tuning.mode;
    choice(
        frame, "Mode", frame.document.model->modes, name,
        "How the photo is learned. paper: as the Imagic paper does it, every weight of the "
        "network. fast: a small addition to the network, quicker, a little less exact. quick: not "
        "at all; a first look at once, which keeps less of the photo. inpaint: not at all; what "
        "you paint in the mask is drawn anew, and nothing else changes.");
    if (name == draft.tuning.mode) return;
    const auto of = [&](const std::string& wanted) {
        return std::ranges::find(frame.document.defaults, wanted,
                                 [](const editor::EditDraft& each) { return each.tuning.mode; });
    };
    const auto before = of(draft.tuning.mode), after = of(name);
    if (after == frame.document.defaults.end()) return;
    const editor::Crop crop = draft.tuning.crop;
    draft.tuning = after->tuning;
    draft.tuning.crop = crop;
    draft.sample.noise_share = after->sample.noise_share;
    // A guidance that somebody chose stays.
    if (before != frame.document.defaults.end() && draft.sample.guidance == before->sample.guidance)
        draft.sample.guidance = after->sample.guidance;
}

void picture_settings(Frame& frame) {
    editor::SampleDraft& sample = frame.state.draft.sample;
    const editor::SampleDraft before = sample;
    const std::uint64_t seed = frame.state.seed;
    ImGui::TextUnformatted("Not in the picture");
    ImGui::SetNextItemWidth(-1);
    word_field(frame, "Negative text", "blurry, dark", sample.negative);
    tooltip(frame, "What the picture should not show. The edit is pushed away from these words.");
    ImGui::SetNextItemWidth(-1);
    ImGui::SliderScalar("##guidance", ImGuiDataType_Double, &sample.guidance,
                        std::array{1.0}.data(), std::array{15.0}.data(), "guidance %.1f");
    explained(frame, "Guidance",
              "How strictly the words are followed. More: stronger colours and a clearer subject, "
              "but harsh. 1: words count least, softest picture.");
    ImGui::SetNextItemWidth(-1);
    ImGui::SliderScalar("##noise", ImGuiDataType_Double, &sample.noise_share,
                        std::array{0.0}.data(), std::array{1.0}.data(), "fresh noise %.2f");
    explained(frame, "Fresh noise",
              "How far the drawing starts from your photo. 0: from the photo alone, every seed the "
              "same picture; 1: from noise alone, freest and least like the photo.");
    choice(frame, "Sampler", frame.document.model->samplers, sample.sampler,
           "The method that draws the picture. They differ in small details; dpmpp_2m needs the "
           "fewest steps.");
    const std::vector<std::string> schedules = editor::offered_schedules(sample.sampler);
    if (std::ranges::find(schedules, sample.schedule) == schedules.end()) sample.schedule.clear();
    choice(frame, "Schedule", schedules, sample.schedule,
           "How the steps are laid out between noise and picture. karras and exponential take more "
           "of them near the picture, where detail comes; samplers without noise levels of their "
           "own (ddim, pndm, lcm, tcd) have fewer choices.");
    std::int64_t steps = sample.steps;
    whole_number(frame, "Drawing steps", steps,
                 "More steps: finer detail, slower. Beyond 30 little changes.");
    sample.steps = static_cast<int>(std::clamp<std::int64_t>(steps, 1, 1000));
    seed_number(frame, "Seed", frame.state.seed,
                "Another number gives another picture of the same edit. Variations shows several "
                "at once.");
    // A change here needs no learning: it is rendered once the field rests.
    if (!(before == sample) || seed != frame.state.seed) frame.state.look_since = frame.now + 0.4;
}

void tuning_settings(Frame& frame) {
    editor::TuningDraft& tuning = frame.state.draft.tuning;
    ImGui::TextUnformatted("How the photo is learned");
    if (frame.state.room == Room::edit) faint_text(frame, "These need Apply again.");
    mode(frame);
    whole_number(frame, "Word steps", tuning.embedding_steps,
                 "First stage: fits the words to your photo. More: the edit keeps more of the "
                 "photo, but follows the words less freely.");
    rate(frame, "Word rate", tuning.embedding_rate,
         "How far each word step goes. Larger learns quicker; too large and the picture falls "
         "apart.");
    whole_number(frame, "Photo steps", tuning.finetune_steps,
                 "Second stage: learns the photo's details. More: closer to your photo, but "
                 "harder to change.");
    rate(frame, "Photo rate", tuning.finetune_rate,
         "How far each photo step goes. Larger learns quicker; too large gives noise. 0: the rate "
         "that suits the model is found by trying, which takes about as long again.");
    std::int64_t size = tuning.size;
    whole_number(frame, "Working size", size,
                 "How many pixels the model works on: as a square of this side has. Its own size "
                 "gives the best picture; larger is slower and can double things.");
    tuning.size = static_cast<int>(std::min<std::int64_t>(size, 2048));
    seed_number(frame, "Learning seed", tuning.seed,
                "Another number learns in another random order; the result differs slightly.");
}

}  // namespace

void draw_advanced(Frame& frame) {
    ImGui::SetNextItemOpen(frame.state.advanced);
    frame.state.advanced = ImGui::CollapsingHeader("Advanced");
    // Its lists are of what lies in the folder now.
    if (frame.state.advanced && !frame.state.advanced_drawn) frame.send(editor::FileNamesRequest{});
    frame.state.advanced_drawn = frame.state.advanced;
    mark(frame, "Advanced");
    tooltip(frame, "Negative text, steps, rates, guidance, sampler, seed, model (Ctrl+D)");
    if (!frame.state.advanced || !frame.document.model) return;
    ImGui::Dummy({0, frame.px(2)});
    picture_settings(frame);
    ImGui::Separator();
    tuning_settings(frame);
    ImGui::Separator();
    draw_model_fields(frame);
}

}  // namespace keepsake::gui
