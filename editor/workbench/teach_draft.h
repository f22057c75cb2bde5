// Everything that a person can set for something to be learned, as plain values: what the fields of
// the room Teach hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "editor/edit/learn_kind.h"
#include "editor/workbench/picture.h"

namespace keepsake::editor {

struct LearnRequest;
struct ModelView;

// A draft has no defaults of its own: what is empty or 0 is the command line's default.
struct TeachPicture {
    std::filesystem::path file;
    std::string name;                   // for people
    std::string caption;                // may be empty
    std::vector<std::string> captions;  // further ones, of which one is drawn each time
    std::int64_t repeats = 1;
    Picture thumbnail;  // null where it cannot be read any more
};

struct TeachDraft {
    LearnKind kind = LearnKind::word;
    std::string token;  // the word; of a subject the words that will call it; of captioned photos
                        // the word in the captions that calls their look
    std::string init;   // of a word: about what it is
    std::string class_words;  // of a subject: what kind of thing it is; empty: no prior
    bool style = false;       // of a word
    bool mirror = false;
    std::int64_t steps = 0;
    std::vector<TeachPicture> pictures;
};

// Whether the same would be learned: thumbnails and the pictures' places do not count.
bool same_lesson(const TeachDraft& a, const TeachDraft& b);

// Whether the picture is learned with its caption: one without the word would not teach it.
bool uses_caption(const TeachDraft& draft, const TeachPicture& picture);

// What is to be mended before it can begin, one line each; all empty: nothing.
struct TeachFaults {
    std::string pictures, token;
    bool none() const { return pictures.empty() && token.empty(); }
};
// model: its tokenizer judges a word's name. taken: names of My words.
TeachFaults faults_of(const TeachDraft& draft, const ModelView& model,
                      const std::vector<std::string>& taken);

// The request of `keepsake learn` that is exactly this draft; its pictures, folder and model are
// left empty. model: for the defaults of its own. Throws Error naming the field.
LearnRequest request_of(const TeachDraft& draft, const std::filesystem::path& model);

// What the fields show of a run that was begun; without its pictures.
TeachDraft draft_of(const LearnRequest& request);

// The words as texts are searched for them (recipe.h, has_word).
bool same_word(const std::string& a, const std::string& b);

}  // namespace keepsake::editor
