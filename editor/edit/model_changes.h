// What a session's model was besides its own files: noted when the session is made, found again
// when it is opened.
#pragma once

#include <filesystem>
#include <string>

#include "editor/edit/device.h"
#include "editor/session/session.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Of the options that this model was loaded with. Throws Error naming a file that cannot be read.
ModelChanges changes_of(const pipeline::Model& model);

// `asked` with what it leaves open as the session's model had it: its LoRAs, VAE, layer of the text
// encoder and prediction. A file is looked for where it was, then by its name in the folder root
// (files_root.h); its fingerprint decides. Throws Error naming the session and the file that is
// changed or missing.
Compute with_changes_of(const Session& session, const Compute& asked);

// 16 hex digits over samples of a file's bytes, and its size; of a folder those of the safetensors
// file that an adapter or VAE is in. Throws Error naming it when it cannot be read.
std::string part_fingerprint(const std::filesystem::path& path);

}  // namespace keepsake::editor
