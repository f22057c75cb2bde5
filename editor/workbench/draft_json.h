// What a person can set for an edit, in our small JSON files.
#pragma once

#include <nlohmann/json.hpp>

#include "editor/workbench/edit_draft.h"

namespace keepsake::editor {

// A flat object of all fields.
nlohmann::json json_of(const SampleDraft& sample);
// Fields that came later than the others may be missing. Throws json::exception, or Error naming
// the field that is out of range.
SampleDraft sample_from(const nlohmann::json& fields);

// Likewise; a crop of nothing is left out.
nlohmann::json json_of(const TuningDraft& tuning);
TuningDraft tuning_from(const nlohmann::json& fields);

}  // namespace keepsake::editor
