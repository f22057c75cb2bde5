// A file that another program gives to be changed in its place: darktable's, RawTherapee's and
// other programs' external editor.
#pragma once

#include <filesystem>

namespace keepsake::editor {

// Throws Error naming the path where the edited photo could not come back into the file as the
// other program expects it: no photo (load_photo), of another format than its name says, several
// pages, more than 16 bits a sample, or not to be written. What must be decoded is not looked at.
void check_external_file(const std::filesystem::path& path);

}  // namespace keepsake::editor
