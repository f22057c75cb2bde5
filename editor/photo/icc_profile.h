// ICC profiles for colours that a file tells by other means, by Little CMS. Not for public headers:
// it includes lcms2.h.
#pragma once

#include <lcms2.h>

#include <memory>
#include <string>

namespace keepsake::editor {

struct CurveRelease {
    void operator()(cmsToneCurve* curve) const { cmsFreeToneCurve(curve); }
};
// From a sample to light, both 0 to 1.
using CurveHandle = std::unique_ptr<cmsToneCurve, CurveRelease>;

CurveHandle gamma_curve(double gamma);

// CIE 1931 chromaticities.
struct Primaries {
    cmsCIExyY white;
    cmsCIExyYTRIPLE rgb;
};

constexpr Primaries primaries_of(double xw, double yw, double xr, double yr, double xg, double yg,
                                 double xb, double yb) {
    return {{xw, yw, 1}, {{xr, yr, 1}, {xg, yg, 1}, {xb, yb, 1}}};
}

// A profile's bytes, always the same for the same colours; empty where the numbers make none.
std::string rgb_profile(const Primaries& primaries, cmsToneCurve* curve);
std::string grey_profile(cmsToneCurve* curve);

// Adobe RGB (1998) Color Image Encoding, version 2005-05.
std::string adobe_rgb_profile();

}  // namespace keepsake::editor
