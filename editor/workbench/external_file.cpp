#include "editor/workbench/external_file.h"

#include <unistd.h>

#include "editor/photo/decode_photo.h"
#include "editor/photo/photo.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

// Of a format by content, as extension_of a photo has it.
bool is_named_so(const fs::path& path, const std::string& format) {
    const std::string name = lower_extension(path);
    return name == "." + format || (name == ".jpeg" && format == "jpg") ||
           (name == ".tiff" && format == "tif");
}

// The file is replaced by one that is written beside it.
void check_replaceable(const fs::path& path) {
    check_can_write(path);
    std::error_code code;
    const fs::path folder = fs::weakly_canonical(path, code).parent_path();
    if (::access(path.c_str(), W_OK) != 0) throw Error(path.string(), "may not be written");
    if (::access(folder.c_str(), W_OK | X_OK) != 0)
        throw Error(path.string(), "its folder may not be written into, where the edit is made");
}

}  // namespace

void check_external_file(const fs::path& path) {
    const Photo photo = read_photo_file(path);
    if (!is_named_so(path, photo.extension))
        throw Error(path.string(),
                    "is not of the format that its name says: its content is " + photo.extension);
    const VipsHandle header = open_image(photo);
    if (const int pages = vips_image_get_n_pages(header.get()); pages > 1)
        throw Error(path.string(), "has " + std::to_string(pages) +
                                       " pages, of which only the first would come back; have "
                                       "the other program write one (in darktable: store masks "
                                       "off)");
    if (const auto bits = 8 * vips_format_sizeof(header->BandFmt); bits > 16)
        throw Error(path.string(), "has " + std::to_string(bits) +
                                       " bits a sample, of which 16 would come back; have the "
                                       "other program write 16 bits (integer)");
    check_replaceable(path);
}

}  // namespace keepsake::editor
