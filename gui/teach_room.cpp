// The room Teach: its layout, and the panel at the right.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <array>
#include <string>

#include "gui/pane.h"
#include "gui/panels.h"

namespace keepsake::gui {
namespace {

using editor::LearnKind;
using State = editor::TeachBoard::State;

struct KindButton {
    LearnKind kind;
    const char *label, *about;
};
constexpr std::array kinds = {
    KindButton{LearnKind::word, "A word",
               "A new word for what your photos show: three to five of them suffice, and nothing "
               "else of the model changes."},
    KindButton{LearnKind::subject, "A subject",
               "One thing or person from a few photos: closer than by a word. It is a file beside "
               "the model (a LoRA)."},
    KindButton{LearnKind::captions, "Captioned photos",
               "The look of photos that have captions, by a word that stands in these."}};

// Several, each for its kind.
void kind_switch(Frame& frame) {
    LearnKind& chosen = frame.state.teach.draft.kind;
    const char* about = "";
    for (const KindButton& button : kinds) {
        const bool is = button.kind == chosen;
        if (is) about = button.about;
        ImGui::PushStyleColor(ImGuiCol_Button, is ? colour::accent_faint : colour::canvas);
        if (ImGui::Button(button.label)) chosen = button.kind;
        ImGui::PopStyleColor();
        mark(frame, std::string("kind ") + button.label);
        ImGui::SameLine(0, frame.px(4));
    }
    ImGui::NewLine();
    faint_text(frame, about);
}

void labelled(Frame& frame, const char* label) {
    ImGui::Dummy({0, frame.px(1)});
    ImGui::TextUnformatted(label);
    ImGui::SetNextItemWidth(-1);
}

void token_field(Frame& frame) {
    editor::TeachDraft& draft = frame.state.teach.draft;
    const bool word = draft.kind == LearnKind::word, subject = draft.kind == LearnKind::subject;
    labelled(frame, word      ? "The word"
                    : subject ? "The words that will call it"
                              : "The word in the captions that calls the look");
    const char* hint = word ? "<my-rose>" : subject ? "sks flower" : "sepia";
    ImGui::InputTextWithHint("##token", hint, &draft.token);
    mark(frame, "token");
    tooltip(frame, word ? "What you will write in a text for it. Put it in <> and it is free."
                        : "What you will write in a text for it.");
    if (draft.token.empty() || is_run_of_fields(frame) || !frame.document.model) return;
    const std::string fault = teach_faults(frame).token;
    if (fault.empty()) return;
    faint_text(frame, fault, colour::fault);
    mark(frame, "token fault");
}

void word_fields(Frame& frame) {
    editor::TeachDraft& draft = frame.state.teach.draft;
    labelled(frame, "About what it is, in words that there are");
    word_field(frame, "init", "red rose", draft.init);
    tooltip(frame, "What it starts from: the closer, the sooner it arrives.");
    ImGui::Checkbox("A style, not a thing", &draft.style);
    mark(frame, "style");
}

void subject_fields(Frame& frame) {
    labelled(frame, "What kind of thing it is (may be empty)");
    word_field(frame, "class", "flower", frame.state.teach.draft.class_words);
    tooltip(frame,
            "The model then draws 100 pictures of this kind and learns them beside the photos, so "
            "that others of the kind stay as they were. It takes longer.");
}

void more_fields(Frame& frame) {
    editor::TeachDraft& draft = frame.state.teach.draft;
    const auto& model = frame.document.model;
    std::int64_t usual = 0;
    if (model)
        usual = draft.kind == LearnKind::word      ? model->word_steps
                : draft.kind == LearnKind::subject ? model->subject_steps
                                                   : model->caption_steps;
    std::int64_t steps = draft.steps > 0 ? draft.steps : usual;
    ImGui::AlignTextToFramePadding();
    ImGui::TextUnformatted("Steps");
    ImGui::SameLine();
    ImGui::SetNextItemWidth(frame.px(90));
    if (ImGui::InputScalar("##steps", ImGuiDataType_S64, &steps, nullptr, nullptr, "%lld"))
        draft.steps = std::clamp<std::int64_t>(steps, 1, 10'000'000);
    mark(frame, "learning steps");
    tooltip(frame,
            "More: closer to the photos, and slower; too many and every picture is one of them.");
    ImGui::SameLine(0, frame.px(16));
    ImGui::Checkbox("Mirrored, too", &draft.mirror);
    mark(frame, "mirrored");
    tooltip(frame,
            "Every other time a photo is seen mirrored: as good as more photos, where left "
            "and right do not matter.");
}

// Why it cannot begin; what is typed is judged at its field.
std::string what_is_missing(const Frame& frame) {
    const auto& model = frame.document.model;
    if (!model || !model->check_word) return "There is no model yet.";
    const editor::TeachFaults faults = teach_faults(frame);
    if (!faults.pictures.empty()) return faults.pictures;
    return frame.state.teach.draft.token.empty() ? faults.token : std::string();
}

void start_button(Frame& frame) {
    const State state = frame.document.teach.run.state;
    const ImVec2 size{ImGui::GetContentRegionAvail().x, frame.px(40)};
    ImGui::Dummy({0, frame.px(2)});
    if (state == State::running) {
        if (ImGui::Button("Stop##teach", size)) frame.send(editor::TeachStopRequest{});
        mark(frame, "Stop learning");
        tooltip(frame, "Stops here (Esc). What was learned is saved; Go on continues from there.");
        return;
    }
    const bool of_fields = is_run_of_fields(frame);
    const char* label = of_fields && state == State::stopped    ? "Go on##teach"
                        : of_fields && state == State::finished ? "Learned##teach"
                                                                : "Start##teach";
    if (primary_button(label, size, can_start_teaching(frame))) start_teaching(frame);
    mark(frame, "Start");
    tooltip(frame,
            "Learns from the photos (Ctrl+Enter). You can watch, stop and go on at any time.");
    if (of_fields) return;
    if (const std::string missing = what_is_missing(frame); !missing.empty())
        faint_text(frame, missing);
}

void teach_panel(Frame& frame, const Rect& place) {
    const Pane pane("##teach", place, colour::panel, ImGuiWindowFlags_AlwaysVerticalScrollbar);
    ImGui::BeginDisabled(frame.document.teach.run.state == State::running);
    draw_teach_fields(frame);
    ImGui::EndDisabled();
    start_button(frame);
    draw_teach_progress(frame);
    draw_my_words(frame);
}

// What is there already is not added again.
void add_new(const std::vector<editor::TeachPicture>& offered,
             std::vector<editor::TeachPicture>& pictures) {
    for (const editor::TeachPicture& picture : offered)
        if (std::ranges::find(pictures, picture.file, &editor::TeachPicture::file) ==
            pictures.end())
            pictures.push_back(picture);
}

}  // namespace

void draw_teach_fields(Frame& frame) {
    kind_switch(frame);
    token_field(frame);
    if (frame.state.teach.draft.kind == LearnKind::word) word_fields(frame);
    if (frame.state.teach.draft.kind == LearnKind::subject) subject_fields(frame);
    more_fields(frame);
}

void take_over_offers(Frame& frame) {
    TeachRoom& room = frame.state.teach;
    const editor::TeachView& view = frame.document.teach;
    for (; room.taken < view.offers.size(); ++room.taken) {
        const editor::TeachOffer& offer = *view.offers[room.taken];
        if (offer.run) room.draft = *offer.run;
        add_new(offer.pictures, room.draft.pictures);
        room.remarks.insert(room.remarks.end(), offer.remarks.begin(), offer.remarks.end());
        if (!offer.pictures.empty()) room.on_the_way = false;
        if (offer.run) room.had_samples = false;
    }
    take_over_captions(frame);
    // The first pictures on the way are what one waits for.
    if (view.run.samples.empty()) {
        room.had_samples = room.on_the_way = false;
    } else if (!room.had_samples) {
        room.had_samples = room.on_the_way = true;
    }
}

void draw_teach_room(Frame& frame, const Rect& place) {
    const float side = std::clamp(place.width() * 0.27F, frame.px(346), frame.px(380));
    const float right = place.max.x - side;
    teach_panel(frame, {{right, place.min.y}, place.max});
    const Rect middle{place.min, {right, place.max.y}};
    if (frame.state.teach.on_the_way)
        draw_teach_samples(frame, middle);
    else
        draw_teach_photos(frame, middle);
}

}  // namespace keepsake::gui
