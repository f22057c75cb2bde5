#include "editor/photo/raw_file.h"

#include <array>
#include <cstdint>
#include <vector>

#include "editor/photo/tiff_file.h"

namespace keepsake::editor {
namespace {

// More directories than any camera writes; damaged files may go round in circles.
constexpr std::size_t most_directories = 64;

constexpr std::uint16_t linear_raw = 34892;  // PhotometricInterpretation of DNG

struct Directory {
    std::uint32_t subfile = 0, width = 0;
    std::uint16_t photometric = 0;
};

Directory current(TIFF* tiff) {
    Directory found;
    TIFFGetField(tiff, TIFFTAG_SUBFILETYPE, &found.subfile);
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &found.width);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &found.photometric);
    return found;
}

std::vector<toff_t> children(TIFF* tiff) {
    std::uint16_t count = 0;
    const toff_t* offsets = nullptr;
    if (!TIFFGetField(tiff, TIFFTAG_SUBIFD, &count, &offsets) || !offsets) return {};
    return {offsets, offsets + count};
}

// The pages and the pictures below them.
std::vector<Directory> directories(std::string_view bytes) {
    TiffMemory memory{bytes};
    const TiffHandle tiff = open_tiff(memory);
    std::vector<Directory> found;
    std::vector<toff_t> below;
    if (!tiff) return found;
    do {
        found.push_back(current(tiff.get()));
        for (const toff_t offset : children(tiff.get())) below.push_back(offset);
    } while (found.size() < most_directories && TIFFReadDirectory(tiff.get()));
    for (const toff_t offset : below) {
        if (found.size() >= most_directories) break;
        if (TIFFSetSubDirectory(tiff.get(), offset)) found.push_back(current(tiff.get()));
    }
    return found;
}

}  // namespace

bool is_raw_file(std::string_view bytes) {
    struct Signature {
        std::size_t at;
        std::string_view text;
    };
    // Fujifilm, Olympus (three), Panasonic, Canon (CR3, CR2), Sigma, Minolta.
    static constexpr std::array signatures = {
        Signature{0, "FUJIFILMCCD-RAW"},
        Signature{0, "IIRO"},
        Signature{0, "IIRS"},
        Signature{0, "MMOR"},
        Signature{0, std::string_view("IIU\0", 4)},
        Signature{4, "ftypcrx "},
        Signature{8, std::string_view("CR\x02", 3)},
        Signature{0, "FOVb"},
        Signature{0, std::string_view("\0MRM", 4)},
    };
    for (const Signature& signature : signatures) {
        if (bytes.size() > signature.at && bytes.substr(signature.at).starts_with(signature.text)) {
            return true;
        }
    }
    for (const Directory& directory : directories(bytes)) {
        if (directory.photometric == PHOTOMETRIC_CFA) return true;
        if (directory.photometric == linear_raw) return true;
    }
    return false;
}

bool is_preview_first(std::string_view tiff) {
    const std::vector<Directory> all = directories(tiff);
    if (all.empty() || (all.front().subfile & FILETYPE_REDUCEDIMAGE) == 0) return false;
    for (const Directory& other : all) {
        if (other.width > all.front().width) return true;
    }
    return false;
}

}  // namespace keepsake::editor
