// Settings that an opened or dropped picture carries (editor/edit/settings_from.h), and what they
// are in the window's fields.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "editor/photo/generation_text.h"
#include "editor/workbench/draft_change.h"
#include "editor/workbench/model_choice.h"

namespace keepsake::editor {

struct PictureOffer {
    std::uint64_t number = 0;  // rises with each
    std::filesystem::path path;
    // It was dropped while a photo was open, and is not opened yet: the person is to choose.
    bool asks = false;
    GenerationSettings settings;
};

// One that was taken.
struct TakenOffer {
    std::uint64_t number = 0;  // likewise
    std::filesystem::path path;
    DraftChange change;
    ModelChoice choice;      // the model and its parts with what was found of them
    std::string used, left;  // for people: "text, 20 steps", "size 512x768"; may be empty
};

// In short: "“a red rose”, Euler a, 20 steps, guidance 7, seed 42, model roses".
std::string offer_text(const GenerationSettings& settings);

// What the settings are here. now: the present model, which stays where none of the settings' names
// and hashes is found in the folder root ($KEEPSAKE_FILES). A prompt of AUTOMATIC1111's grammar
// becomes plain text: its <lora:...> are looked for, its weights are told. gives_up: while files
// are read for a hash.
TakenOffer take_offer(const PictureOffer& offer, const ModelChoice& now,
                      const std::function<bool()>& gives_up);

// "theirs.png: used text, 20 steps; of its settings these are not used: size 512x768"
std::string taken_text(const TakenOffer& taken);

}  // namespace keepsake::editor
