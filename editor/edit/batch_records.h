// What a batch notes on disk: of each photo what became of it, and of all of them a table.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "editor/edit/batch_photos.h"
#include "editor/edit/edit.h"

namespace keepsake::editor {

struct PhotoRecord {
    std::string settings;  // fingerprint of all that its pictures depend on
    std::string error;     // empty: it is done
    EditResult result;     // files are relative to the batch's folder
    bool done() const { return error.empty(); }
};

// In the batch's folder `out`. None where there is none that can be read. Throws Error naming a
// file that cannot be written.
std::optional<PhotoRecord> load_record(const std::filesystem::path& out, const BatchPhoto& photo);
void save_record(const std::filesystem::path& out, const BatchPhoto& photo,
                 const PhotoRecord& record);

// What an edit is, whatever the photo.
struct BatchSettings {
    nlohmann::json tuning;    // text, tuning, model: what cannot be changed without learning anew
    nlohmann::json sampling;  // how pictures are drawn and written
};
// Throws Error where the model cannot be read.
BatchSettings batch_settings(const EditRequest& edit, bool single,
                             const std::filesystem::path& model);

// The tuning is noted in `out`, which then holds this edit alone. Throws Error naming `out` and
// what differs where it holds another, unless restart, and where the note cannot be read or
// written.
void note_batch(const std::filesystem::path& out, const BatchSettings& settings, bool restart);

// Of the settings, the photo and its mask. Throws Error naming a file that cannot be read.
std::string settings_fingerprint(const BatchSettings& settings, const BatchPhoto& photo);

// results.csv (RFC 4180), a line a picture, with one line of names before them; a photo that failed
// or waits has one line, too. Returns its path; throws Error naming it.
std::filesystem::path write_batch_table(const std::filesystem::path& out,
                                        const std::vector<BatchPhoto>& photos);

// sheet.png and, for many photos, sheet-2.png and so on: of each photo that is done the photo and
// its pictures, where a strength was chosen that alone. Returns their paths.
std::vector<std::filesystem::path> write_batch_sheets(const std::filesystem::path& out,
                                                      const std::vector<BatchPhoto>& photos,
                                                      const EditRequest& edit);

}  // namespace keepsake::editor
