#include "editor/photo/tiff_channels.h"

#include <algorithm>

#include "editor/photo/tiff_file.h"

namespace keepsake::editor {
namespace {

int colours_of(TIFF* tiff) {
    std::uint16_t photometric = PHOTOMETRIC_PALETTE, inks = INKSET_CMYK;
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_INKSET, &inks);
    switch (photometric) {
        case PHOTOMETRIC_MINISWHITE:
        case PHOTOMETRIC_MINISBLACK:
            return 1;
        case PHOTOMETRIC_RGB:
        case PHOTOMETRIC_CIELAB:
            return 3;
        case PHOTOMETRIC_SEPARATED:
            return inks == INKSET_CMYK ? 4 : 0;
        default:
            return 0;
    }
}

}  // namespace

TiffChannels tiff_channels(std::string_view bytes) {
    TiffMemory memory{bytes};
    const TiffHandle tiff = open_tiff(memory);
    if (!tiff) return {};
    std::uint16_t samples = 1, count = 0;
    const std::uint16_t* kinds = nullptr;
    TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_SAMPLESPERPIXEL, &samples);
    TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds);
    TiffChannels channels{colours_of(tiff.get()), {}, {}};
    if (channels.colours == 0 || samples <= channels.colours) return {};
    for (int i = channels.colours; i < samples; ++i) {
        const int place = i - channels.colours - (samples - channels.colours - count);
        const bool untold = count == 0 && i == channels.colours && channels.colours == 3;
        const bool clear =
            untold || (place >= 0 && kinds && kinds[place] != EXTRASAMPLE_UNSPECIFIED);
        (clear && channels.alpha.empty() ? channels.alpha : channels.others).push_back(i);
    }
    return channels;
}

std::string tiff_with_others(std::string bytes, std::size_t others) {
    if (others == 0) return bytes;
    TiffMemory memory{bytes, &bytes};
    TiffHandle tiff = open_tiff(memory);
    std::uint16_t count = 0;
    const std::uint16_t* kinds = nullptr;
    if (!tiff || !TIFFGetField(tiff.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds)) return bytes;
    std::vector<std::uint16_t> told(kinds, kinds + count);
    const std::size_t last = std::min<std::size_t>(others, count);
    std::fill(told.end() - static_cast<std::ptrdiff_t>(last), told.end(), EXTRASAMPLE_UNSPECIFIED);
    TIFFSetField(tiff.get(), TIFFTAG_EXTRASAMPLES, static_cast<int>(count), told.data());
    TIFFRewriteDirectory(tiff.get());
    tiff.reset();  // may still write
    return bytes;
}

}  // namespace keepsake::editor
