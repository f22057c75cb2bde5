#include "editor/workbench/teach_draft.h"

#include <algorithm>

#include "editor/edit/learn.h"
#include "editor/session/recipe.h"
#include "editor/workbench/document.h"
#include "pipeline/text/clip_text.h"

namespace keepsake::editor {
namespace {

// With pictures, a file and a number of the loss this many times on the way.
constexpr std::int64_t looks_on_the_way = 8, least_between_looks = 2, most_between_looks = 100;

bool is_blank(const std::string& text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

bool same_pictures(const TeachPicture& a, const TeachPicture& b) {
    return a.name == b.name && a.caption == b.caption && a.captions == b.captions &&
           a.repeats == b.repeats;
}

std::string fault_of_pictures(const TeachDraft& draft) {
    if (draft.pictures.empty()) return "Add photos to learn from.";
    const auto without = std::ranges::count_if(
        draft.pictures, [](const TeachPicture& picture) { return picture.caption.empty(); });
    if (draft.kind == LearnKind::captions &&
        without == static_cast<std::ptrdiff_t>(draft.pictures.size()))
        return "None of the photos has a caption; say beside each what it shows.";
    return {};
}

std::string fault_of_captions_word(const TeachDraft& draft) {
    const bool stands = std::ranges::any_of(draft.pictures, [&](const TeachPicture& picture) {
        return has_word(picture.caption, draft.token);
    });
    if (stands || draft.pictures.empty()) return {};
    return "No caption has “" + draft.token + "” in it: the look comes by a word of the captions.";
}

}  // namespace

bool same_lesson(const TeachDraft& a, const TeachDraft& b) {
    return a.kind == b.kind && a.token == b.token && a.init == b.init &&
           a.class_words == b.class_words && a.style == b.style && a.mirror == b.mirror &&
           a.steps == b.steps && std::ranges::equal(a.pictures, b.pictures, same_pictures);
}

bool uses_caption(const TeachDraft& draft, const TeachPicture& picture) {
    if (picture.caption.empty()) return false;
    return draft.kind != LearnKind::word || has_word(picture.caption, draft.token);
}

bool same_word(const std::string& a, const std::string& b) {
    const auto normal = [](const std::string& text) {
        return pipeline::normalize_text(pipeline::from_utf8(text));
    };
    return normal(a) == normal(b);
}

TeachFaults faults_of(const TeachDraft& draft, const ModelView& model,
                      const std::vector<std::string>& taken) {
    TeachFaults faults;
    faults.pictures = fault_of_pictures(draft);
    if (is_blank(draft.token))
        faults.token = draft.kind == LearnKind::word ? "Name the word, for example <my-rose>."
                       : draft.kind == LearnKind::subject
                           ? "Say the words that will call it, for example sks flower."
                           : "Say which word of the captions calls the look.";
    else if (std::ranges::any_of(
                 taken, [&](const std::string& name) { return same_word(name, draft.token); }))
        faults.token = "“" + draft.token + "” is among My words; delete that one or take another.";
    else if (draft.kind == LearnKind::word && model.check_word)
        faults.token = model.check_word(draft.token);
    else if (draft.kind == LearnKind::captions)
        faults.token = fault_of_captions_word(draft);
    return faults;
}

LearnRequest request_of(const TeachDraft& draft, const std::filesystem::path& model) {
    if (is_blank(draft.token)) throw Error("the word", "is empty");
    if (draft.steps < 0 || draft.steps > 10'000'000)
        throw Error("steps", std::to_string(draft.steps) + " is not between 1 and 10000000");
    LearnRequest request;
    const std::string token = checked_utf8(draft.token);
    request.kind = draft.kind;
    request.options = learn_options(draft.kind, model);
    request.name = file_name_of(token);
    request.mirror = draft.mirror;
    if (draft.steps > 0) request.options.stage.steps = draft.steps;
    request.every = std::clamp<std::int64_t>(request.options.stage.steps / looks_on_the_way,
                                             least_between_looks, most_between_looks);
    if (draft.kind == LearnKind::word) {
        request.word.name = token;
        request.word.style = draft.style;
        if (!is_blank(draft.init)) request.word.init = checked_utf8(draft.init);
    }
    if (draft.kind != LearnKind::word) request.token = token;
    if (draft.kind == LearnKind::subject && !is_blank(draft.class_words))
        request.prior.class_words = checked_utf8(draft.class_words);
    return request;
}

TeachDraft draft_of(const LearnRequest& request) {
    TeachDraft draft;
    draft.kind = request.kind;
    draft.token = request.kind == LearnKind::word ? request.word.name
                  : request.token.empty()         ? request.name
                                                  : request.token;
    draft.init = request.word.init.value_or("");
    draft.style = request.word.style;
    draft.class_words = request.prior.class_words;
    draft.mirror = request.mirror;
    draft.steps = request.options.stage.steps;
    return draft;
}

}  // namespace keepsake::editor
