// Some of the fields of a draft, to be set from elsewhere.
#pragma once

#include <optional>

#include "editor/workbench/edit_draft.h"

namespace keepsake::editor {

// What is none stays as it is.
struct DraftChange {
    std::optional<std::string> prompt = {}, negative = {}, sampler = {}, schedule = {},
                               spacing = {};
    std::optional<int> steps = {};
    std::optional<double> guidance = {}, ddim_eta = {}, tcd_eta = {}, noise_share = {};
    std::optional<std::uint64_t> seed = {};  // of the look, which is no field of a draft
};

EditDraft changed(EditDraft draft, const DraftChange& change);

// All that a DraftChange can say of a draft.
DraftChange change_to(const EditDraft& draft, std::uint64_t seed);

}  // namespace keepsake::editor
