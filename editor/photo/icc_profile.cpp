#include "editor/photo/icc_profile.h"

#include <string_view>

namespace keepsake::editor {
namespace {

std::string saved(cmsHPROFILE profile) {
    if (!profile) return {};
    cmsUInt32Number size = 0;
    std::string bytes;
    if (cmsSaveProfileToMem(profile, nullptr, &size)) {
        bytes.resize(size);
        if (!cmsSaveProfileToMem(profile, bytes.data(), &size)) bytes.clear();
    }
    cmsCloseProfile(profile);
    constexpr std::size_t date = 24, date_size = 12;  // ICC.1, section 7.2
    constexpr std::string_view year_2000("\x07\xd0\0\1\0\1\0\0\0\0\0\0", date_size);
    if (bytes.size() > date + date_size) bytes.replace(date, date_size, year_2000);
    return bytes;
}

}  // namespace

CurveHandle gamma_curve(double gamma) {
    return CurveHandle(cmsBuildGamma(nullptr, gamma));
}

std::string rgb_profile(const Primaries& primaries, cmsToneCurve* curve) {
    cmsToneCurve* const curves[] = {curve, curve, curve};
    return saved(cmsCreateRGBProfile(&primaries.white, &primaries.rgb, curves));
}

std::string grey_profile(cmsToneCurve* curve) {
    return saved(cmsCreateGrayProfile(cmsD50_xyY(), curve));
}

std::string adobe_rgb_profile() {
    constexpr double gamma = 2.19921875;
    const CurveHandle curve = gamma_curve(gamma);
    return rgb_profile(primaries_of(.3127, .3290, .64, .33, .21, .71, .15, .06), curve.get());
}

}  // namespace keepsake::editor
