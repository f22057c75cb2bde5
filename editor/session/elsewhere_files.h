// A session's result as files that other programs draw the same edit with: what a tuning with
// Recipe::as_word leaves in <session>/elsewhere.
//
//   <word>.safetensors       the word, as every program finds it (word_file.h, by_stem)
//   <word>-lora.safetensors  the LoRA
//   how-to-use.txt           the texts, and how each program takes them
#pragma once

#include <filesystem>

#include "editor/session/session.h"

namespace keepsake::editor {

// Throws Error naming what a word may be called that is a file's name as well.
void check_word_as_file(const std::string& name);

bool has_elsewhere_files(const Session& session);

// Of a session that is tuned anew.
void remove_elsewhere_files(const std::filesystem::path& session);

// Of a finished tuning. Throws Error naming a file that cannot be written.
void write_elsewhere_files(const Session& session, const optimize::Tuning& tuning);

}  // namespace keepsake::editor
