// Settings that an opened or dropped picture carries: offered, taken over, taken back.
#include <imgui.h>

#include <algorithm>
#include <string>

#include "gui/panels.h"

namespace keepsake::gui {
namespace {

constexpr const char* title = "The picture carries settings";

// The offer that is still to be answered; null: none.
const editor::PictureOffer* open_offer(const Frame& frame) {
    const auto& offer = frame.document.offer;
    return offer && offer->number > frame.state.offer.answered ? offer.get() : nullptr;
}

void answer(Frame& frame, const editor::PictureOffer& offer) {
    frame.state.offer.answered = offer.number;
    close_notice(frame);
}

void use(Frame& frame, const editor::PictureOffer& offer) {
    answer(frame, offer);
    frame.send(editor::TakeOfferRequest{});
}

// What it says, in some lines of the panel's width.
void summary(Frame& frame, const editor::PictureOffer& offer) {
    constexpr float lines = 4;
    const float width = ImGui::GetContentRegionAvail().x;
    ImGui::PushFont(frame.fonts.small);
    const std::string text = shortened(editor::offer_text(offer.settings), lines * width);
    ImGui::PopFont();
    faint_text(frame, text);
}

void of_open_photo(Frame& frame, const editor::PictureOffer& offer) {
    ImGui::TextWrapped("This picture carries settings of %s", offer.settings.written_by.c_str());
    summary(frame, offer);
    if (ImGui::Button("Use its settings")) use(frame, offer);
    mark(frame, "offer use");
    tooltip(frame,
            "Sets the text and the fields under Advanced as they were for this picture, as far as "
            "they mean something here. You can take it back.");
    ImGui::SameLine();
    if (ImGui::Button("No##offer")) answer(frame, offer);
    mark(frame, "offer no");
    ImGui::Separator();
}

void take_back(Frame& frame) {
    WindowState& state = frame.state;
    OfferPanel& panel = state.offer;
    panel.told = false;
    close_notice(frame);
    if (frame.document.model && frame.document.model->choice != panel.model_before) {
        frame.send(editor::ModelRequest{panel.model_before, false,
                                        editor::change_to(panel.draft_before, panel.seed_before)});
        return;
    }
    state.draft = panel.draft_before;
    state.seed = panel.seed_before;
    state.look_since = frame.now;
}

void of_taken(Frame& frame, const editor::TakenOffer& taken) {
    ImGui::TextWrapped("Settings of %s", taken.path.filename().string().c_str());
    faint_text(frame, "Used: " + (taken.used.empty() ? "nothing" : taken.used));
    if (!taken.left.empty()) faint_text(frame, "Not used: " + taken.left);
    if (ImGui::Button("Take back")) take_back(frame);
    mark(frame, "offer take back");
    tooltip(frame, "The text and the fields as they were before");
    ImGui::SameLine();
    if (ImGui::Button("OK##offer")) frame.state.offer.told = false;
    mark(frame, "offer ok");
    ImGui::Separator();
}

void choices(Frame& frame, const editor::PictureOffer& offer) {
    const bool escaped = ImGui::IsKeyPressed(ImGui::GetKeyIndex(ImGuiKey_Escape));
    const std::string name = shortened(frame.document.photo->name, frame.px(200));
    bool done = false;
    if (primary_button(("Use its settings for " + name).c_str(), {0, 0}, true)) {
        use(frame, offer);
        done = true;
    }
    mark(frame, "dropped use");
    ImGui::SameLine();
    if (ImGui::Button("Open it")) {
        answer(frame, offer);
        open_file(frame, offer.path);
        done = true;
    }
    mark(frame, "dropped open");
    ImGui::SameLine();
    if (ImGui::Button("Cancel") || escaped) {
        answer(frame, offer);
        done = true;
    }
    mark(frame, "dropped cancel");
    if (done) ImGui::CloseCurrentPopup();
}

}  // namespace

void take_over_offer(Frame& frame) {
    WindowState& state = frame.state;
    OfferPanel& panel = state.offer;
    const auto& taken = frame.document.taken_offer;
    if (!taken) panel.told = false;
    if (!taken || taken->number <= panel.taken || !frame.document.model) return;
    panel.taken = taken->number;
    panel.told = true;
    panel.draft_before = state.draft;
    panel.seed_before = state.seed;
    panel.model_before = frame.document.model->choice;
    state.draft = editor::changed(state.draft, taken->change);
    state.seed = taken->change.seed.value_or(state.seed);
    if (taken->choice == panel.model_before)
        state.look_since = frame.now;
    else
        frame.send(editor::ModelRequest{taken->choice, false, taken->change});
}

void draw_offer(Frame& frame) {
    const editor::PictureOffer* offer = open_offer(frame);
    const auto& taken = frame.document.taken_offer;
    if (offer && !offer->asks)
        of_open_photo(frame, *offer);
    else if (taken && frame.state.offer.told)
        of_taken(frame, *taken);
}

void draw_dropped_offer(Frame& frame) {
    const editor::PictureOffer* offer = open_offer(frame);
    const bool asks = offer && offer->asks && frame.document.photo;
    if (asks && !frame.state.offer.asking) ImGui::OpenPopup(title);
    frame.state.offer.asking = asks;
    const ImVec2 display = ImGui::GetIO().DisplaySize;
    ImGui::SetNextWindowSize({frame.px(560), 0});
    ImGui::SetNextWindowPos({display.x / 2, display.y / 2}, 0, {0.5F, 0.5F});
    if (!ImGui::BeginPopupModal(title, nullptr,
                                ImGuiWindowFlags_NoResize | ImGuiWindowFlags_NoMove))
        return;
    if (asks) {
        ImGui::TextWrapped("%s was made by %s:", offer->path.filename().string().c_str(),
                           offer->settings.written_by.c_str());
        summary(frame, *offer);
        ImGui::Dummy({0, frame.px(4)});
        choices(frame, *offer);
    } else {
        ImGui::CloseCurrentPopup();
    }
    ImGui::EndPopup();
}

}  // namespace keepsake::gui
