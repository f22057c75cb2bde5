// "My words": what was learned, as the window offers it for texts. A list in the library,
// my-words.json; the files that it names stay where their runs left them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "editor/edit/device.h"

namespace keepsake::editor {

struct MyWord {
    enum class Kind { word, lora };
    std::string name;  // what calls it in a text
    Kind kind = Kind::word;
    std::filesystem::path file;     // --embedding or --lora takes it
    std::filesystem::path picture;  // empty: none
    double strength = 1;            // of a LoRA, 0 to 2
    std::string model;              // the fingerprint of the model that it was learned with
};

// In the order in which they were learned. A list that is missing or damaged holds none; a word
// whose file is gone is left out.
std::vector<MyWord> my_words(const std::filesystem::path& library);

// Adds it, in the place of one of the same name. Throws Error when the library cannot be written.
void add_my_word(const std::filesystem::path& library, const MyWord& word);

// What the run in a folder has finished comes onto the list, under its name or, where that is
// another one's, not at all.
void add_words_of_run(const std::filesystem::path& library, const std::filesystem::path& run);

void set_strength(const std::filesystem::path& library, const std::string& name, double strength);

// Takes it off the list and, where its run lies in the library, removes that with all it holds.
// Nothing elsewhere is touched.
void delete_my_word(const std::filesystem::path& library, const std::string& name);

// Where the window's runs lie: each in a folder of its own.
std::filesystem::path learned_folder(const std::filesystem::path& library);

// What the run in a folder has finished; none of a run that has not, or learned all weights.
// Throws Error naming what cannot be read.
std::vector<MyWord> words_of_run(const std::filesystem::path& run);

// Of `words` those that a text with these two asks for, of the model of this fingerprint: a word
// that stands in either, a LoRA whose words stand in the text.
std::vector<MyWord> words_for(const std::vector<MyWord>& words, const std::string& text,
                              const std::string& negative, const std::string& fingerprint);

}  // namespace keepsake::editor
