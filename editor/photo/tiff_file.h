// A TIFF file in memory, open in libtiff. Not for public headers: it includes tiffio.h.
#pragma once

#include <tiffio.h>

#include <memory>
#include <string>
#include <string_view>

namespace keepsake::editor {

struct TiffRelease {
    void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

// Where libtiff reads and writes.
struct TiffMemory {
    std::string_view bytes;        // what is there
    std::string* owned = nullptr;  // may be written to; then bytes is all of it
    std::size_t at = 0;
};

using TiffHandle = std::unique_ptr<TIFF, TiffRelease>;

// At the first directory; null when it cannot be opened. `memory` must outlive it. libtiff's
// complaints go nowhere.
TiffHandle open_tiff(TiffMemory& memory);

}  // namespace keepsake::editor
