#include "editor/photo/png_colour.h"

#include <cmath>
#include <optional>
#include <vector>

#include "editor/photo/icc_profile.h"
#include "editor/photo/png_chunks.h"

namespace keepsake::editor {
namespace {

constexpr Primaries srgb = primaries_of(.3127, .3290, .64, .33, .30, .60, .15, .06);

// ITU-T H.273, table 2.
std::optional<Primaries> coded_primaries(int code) {
    switch (code) {
        case 1:
            return srgb;
        case 4:
            return primaries_of(.310, .316, .67, .33, .21, .71, .14, .08);
        case 5:
            return primaries_of(.3127, .3290, .64, .33, .29, .60, .15, .06);
        case 6:
        case 7:
            return primaries_of(.3127, .3290, .630, .340, .310, .595, .155, .070);
        case 8:
            return primaries_of(.310, .316, .681, .319, .243, .692, .145, .049);
        case 9:
            return primaries_of(.3127, .3290, .708, .292, .170, .797, .131, .046);
        case 11:
            return primaries_of(.314, .351, .680, .320, .265, .690, .150, .060);
        case 12:
            return primaries_of(.3127, .3290, .680, .320, .265, .690, .150, .060);
        case 22:
            return primaries_of(.3127, .3290, .630, .340, .295, .605, .155, .077);
        default:
            return std::nullopt;
    }
}

constexpr double hdr_white = 203;  // cd/m2: ITU-R BT.2408, section 2

// ITU-R BT.2100, table 4.
double from_pq(double signal) {
    constexpr double m1 = 2610.0 / 16384, m2 = 2523.0 / 4096 * 128;
    constexpr double c1 = 3424.0 / 4096, c2 = 2413.0 / 4096 * 32, c3 = 2392.0 / 4096 * 32;
    const double root = std::pow(signal, 1 / m2);
    return 10000 / hdr_white * std::pow(std::fmax(root - c1, 0) / (c2 - c3 * root), 1 / m1);
}

// ITU-R BT.2100, table 5, on a display of 1000 cd/m2; its system gamma channel by channel, which
// for greys is exact.
double from_hlg(double signal) {
    constexpr double a = 0.17883277, b = 0.28466892, c = 0.55991073;
    const double scene =
        signal <= 0.5 ? signal * signal / 3 : (std::exp((signal - c) / a) + b) / 12;
    return 1000 / hdr_white * std::pow(scene, 1.2);
}

CurveHandle tabulated(double (*linear)(double)) {
    std::vector<cmsUInt16Number> table(4096);
    for (std::size_t i = 0; i < table.size(); ++i) {
        const double value = std::fmin(linear(double(i) / double(table.size() - 1)), 1);
        table[i] = static_cast<cmsUInt16Number>(std::lround(value * 65535));
    }
    return CurveHandle(cmsBuildTabulatedToneCurve16(
        nullptr, static_cast<cmsUInt32Number>(table.size()), table.data()));
}

// (a x + b)^gamma, below `end` a line of that slope.
CurveHandle curve_with_line(double gamma, double offset, double slope, double end) {
    const double parameters[] = {gamma, 1 / (1 + offset), offset / (1 + offset), slope, end};
    return CurveHandle(cmsBuildParametricToneCurve(nullptr, 4, parameters));
}

CurveHandle srgb_curve() {
    return curve_with_line(2.4, 0.055, 1 / 12.92, 0.04045);
}

// ITU-T H.273, table 3; null for what it leaves open.
CurveHandle coded_curve(int code) {
    switch (code) {
        case 1:
        case 6:
        case 14:
        case 15:
            return curve_with_line(1 / 0.45, 0.099, 1 / 4.5, 0.081);
        case 4:
            return gamma_curve(2.2);
        case 5:
            return gamma_curve(2.8);
        case 8:
            return gamma_curve(1);
        case 13:
            return srgb_curve();
        case 16:
            return tabulated(from_pq);
        case 17:
            return gamma_curve(2.6);
        case 18:
            return tabulated(from_hlg);
        default:
            return nullptr;
    }
}

bool is_grey(std::string_view png) {
    const auto colour_type = number_at(png, 8 + 8 + 9, 1, false);
    return colour_type == 0u || colour_type == 4u;
}

std::string profile_of(std::string_view png, const Primaries& primaries, cmsToneCurve* curve) {
    if (!curve) return {};
    return is_grey(png) ? grey_profile(curve) : rgb_profile(primaries, curve);
}

// None where the chunk is not there; else the profile, empty where the codes say nothing or sRGB.
std::optional<std::string> cicp_profile(std::string_view png) {
    const auto cicp = png_chunk_named(png, "cICP");
    if (!cicp || cicp->size() != 4) return std::nullopt;
    const int colour = static_cast<unsigned char>((*cicp)[0]);
    const int transfer = static_cast<unsigned char>((*cicp)[1]);
    // RGB in full range is what PNG holds.
    if ((*cicp)[2] != 0 || (*cicp)[3] != 1) return std::nullopt;
    const auto primaries = coded_primaries(colour);
    if (!primaries) return std::nullopt;
    if (colour == 1 && transfer == 13) return "";
    const std::string profile = profile_of(png, *primaries, coded_curve(transfer).get());
    return profile.empty() ? std::nullopt : std::optional(profile);
}

std::optional<Primaries> chrm_primaries(std::string_view png) {
    const auto chunk = png_chunk_named(png, "cHRM");
    if (!chunk || chunk->size() != 32) return std::nullopt;
    double xy[8];
    for (std::size_t i = 0; i < 8; ++i) {
        xy[i] = double(*number_at(*chunk, 4 * i, 4, false)) / 100000;
        if (xy[i] > 1) return std::nullopt;
    }
    for (const std::size_t y : {1, 3, 5, 7}) {
        if (xy[y] <= 0) return std::nullopt;
    }
    return primaries_of(xy[0], xy[1], xy[2], xy[3], xy[4], xy[5], xy[6], xy[7]);
}

// As near to each other as rounded numbers are.
bool is_srgb(const Primaries& primaries) {
    const auto near = [](const cmsCIExyY& a, const cmsCIExyY& b) {
        return std::abs(a.x - b.x) < 0.003 && std::abs(a.y - b.y) < 0.003;
    };
    return near(primaries.white, srgb.white) && near(primaries.rgb.Red, srgb.rgb.Red) &&
           near(primaries.rgb.Green, srgb.rgb.Green) && near(primaries.rgb.Blue, srgb.rgb.Blue);
}

// The exponent with which samples are decoded.
std::optional<double> gama_exponent(std::string_view png) {
    const auto chunk = png_chunk_named(png, "gAMA");
    if (!chunk || chunk->size() != 4) return std::nullopt;
    const double exponent = 100000 / std::fmax(1, double(*number_at(*chunk, 0, 4, false)));
    constexpr double least = 0.2, most = 10;
    return exponent >= least && exponent <= most ? std::optional(exponent) : std::nullopt;
}

}  // namespace

std::string png_profile(std::string_view png) {
    if (const auto profile = cicp_profile(png)) return *profile;
    if (png_chunk_named(png, "iCCP") || png_chunk_named(png, "sRGB")) return {};
    const auto exponent = gama_exponent(png);
    const auto primaries = chrm_primaries(png);
    // With sRGB's primaries 1 / 2.2 is how programs write sRGB (PNG 3, section 13.13).
    const bool srgb_like = !exponent || std::abs(*exponent - 2.2) < 0.02;
    if (srgb_like && (!primaries || is_srgb(*primaries))) return {};
    const CurveHandle curve = srgb_like ? srgb_curve() : gamma_curve(*exponent);
    return profile_of(png, primaries.value_or(srgb), curve.get());
}

std::string png_colour_chunks(std::string_view png) {
    std::string chunks;
    for (const char* name : {"cICP", "sRGB", "cHRM", "gAMA"}) {
        if (const auto content = png_chunk_named(png, name)) chunks += png_chunk_of(name, *content);
    }
    return chunks;
}

}  // namespace keepsake::editor
