// The colours of a PNG as its chunks tell them beside or in place of an ICC profile; libvips 8.14
// reads the profile alone.
#pragma once

#include <string>
#include <string_view>

namespace keepsake::editor {

// An ICC profile for a PNG file whose colours are told by cICP, or without an ICC profile by gAMA
// and cHRM (PNG 3, section 12.1: cICP before iCCP before sRGB before gAMA and cHRM); empty where
// its own profile holds, or it is sRGB as good as, or the numbers make no sense. HDR (PQ and HLG;
// ITU-R BT.2100) has its white at 203 cd/m2 (ITU-R BT.2408) and is cut off above.
std::string png_profile(std::string_view png);

// Its chunks cICP, sRGB, cHRM and gAMA, whole, to be put behind the header of another PNG with the
// same colours.
std::string png_colour_chunks(std::string_view png);

}  // namespace keepsake::editor
