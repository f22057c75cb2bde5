#include "editor/transfer/export_proof.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "editor/photo/encode_photo.h"
#include "pipeline/files/grouped_digits.h"

namespace keepsake::editor {
namespace {

// "a", "a and b", "a, b and c"
std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
        text += names[i];
    }
    return text;
}

std::vector<std::string> names_of(const PhotoComparison& compared, FieldFate fate) {
    std::vector<std::string> names;
    for (const FieldComparison& field : compared.fields)
        if (field.fate == fate) names.push_back(field.name);
    return names;
}

// Those that come first, the rest as a number.
std::string few(std::vector<std::string> names) {
    constexpr std::size_t most = 3;
    if (names.size() > most + 1) {
        const std::size_t rest = names.size() - most;
        names.resize(most);
        names.push_back(std::to_string(rest) + " more");
    }
    return listed(names);
}

bool has_same_size(const PhotoComparison& compared) {
    return compared.a.width == compared.b.width && compared.a.height == compared.b.height;
}

std::string size_text(const PhotoFacts& facts) {
    return std::to_string(facts.width) + "x" + std::to_string(facts.height);
}

// The small picture in EXIF shows the photo before, and an export leaves it out.
bool is_thumbnail(const std::string& field) {
    return field == "EXIF:Thumbnail";
}

std::vector<std::string> lost_fields(const PhotoComparison& compared) {
    std::vector<std::string> lost = names_of(compared, FieldFate::lost);
    std::erase_if(lost, is_thumbnail);
    return lost;
}

bool lost_alpha(const ExportProof& proof) {
    return proof.had_alpha && proof.compared.b.channels % 2 == 1;  // grey or RGB
}

std::string format_name(const PhotoFacts& facts) {
    return facts.format == "jpg" ? "JPEG" : "WebP";
}

std::string by_how_much(const PhotoComparison& compared, const PixelDifference& difference) {
    if (difference.differing == 0) return "";
    const int most = compared.bits == 16 ? 65535 : 255;
    return ", by at most " + grouped_digits(difference.largest) + " of " + grouped_digits(most);
}

std::string pixels_text(const ExportProof& proof) {
    const PhotoComparison& compared = proof.compared;
    if (!compared.outside)
        return "its size is " + size_text(compared.b) + ", the photo's " + size_text(compared.a);
    const PixelDifference inside = compared.inside.value_or(PixelDifference{});
    const bool everywhere = compared.outside->pixels == 0;
    const PixelDifference& told = everywhere ? inside : *compared.outside;
    std::string text = grouped_digits(told.differing) + " of " + grouped_digits(told.pixels);
    if (everywhere)
        text = (proof.masked ? "the mask leaves nothing out: " : "no mask: ") + text + " pixels";
    else
        text += proof.masked ? " pixels outside the mask" : " pixels outside the edited area";
    text += " changed";
    if (everywhere) return text;
    text += by_how_much(compared, told);
    if (proof.lossy && told.differing > 0)
        text += ": " + format_name(compared.b) + " loses a little everywhere";
    return text;
}

// What of the file stayed, and what did not.
std::string kept_text(const ExportProof& proof) {
    const PhotoComparison& compared = proof.compared;
    const std::vector<std::string> lost = lost_fields(compared);
    const std::vector<std::string> changed = names_of(compared, FieldFate::changed);
    std::vector<std::string> kept, remarks;
    if (has_same_size(compared)) kept.push_back("size");
    if (!compared.a.profile.empty() && compared.same_profile) kept.push_back("profile");
    const bool had_fields = std::ranges::any_of(
        compared.fields, [](const auto& field) { return field.fate != FieldFate::added; });
    if (had_fields && lost.empty()) kept.push_back("metadata");
    if (!kept.empty()) remarks.push_back(listed(kept) + " kept");
    if (!compared.same_profile)
        remarks.push_back(compared.b.profile.empty()   ? "profile lost"
                          : compared.a.profile.empty() ? "profile added"
                                                       : "profile changed");
    if (compared.a.bits != compared.b.bits)
        remarks.push_back(std::to_string(compared.a.bits) + " bits became " +
                          std::to_string(compared.b.bits));
    if (lost_alpha(proof)) remarks.push_back("transparency lost");
    if (!lost.empty())
        remarks.push_back((proof.strips_gps ? "left out as you asked: " : "lost: ") + few(lost));
    if (!changed.empty()) remarks.push_back("changed: " + few(changed));
    std::string text;
    for (const std::string& remark : remarks) text += "; " + remark;
    return text;
}

}  // namespace

ExportProof prove_export(const Photo& photo, const std::filesystem::path& written,
                         const ExportAsked& asked) {
    const Photo file = read_photo_file(written);
    CompareOptions options;
    options.region = asked.region;
    options.crop = asked.crop;
    ExportProof proof;
    proof.file = written.filename().string();
    proof.compared = compare_photos(photo, file, options);
    proof.masked = asked.region.mask.has_value();
    proof.lossy = is_lossy(file);
    proof.had_alpha = photo.has_alpha;
    proof.strips_gps = asked.strip_gps;
    return proof;
}

std::string proof_text(const ExportProof& proof) {
    if (!proof.fault.empty())
        return proof.file + ": written; it could not be compared with the photo: " + proof.fault;
    return proof.file + ": " + pixels_text(proof) + kept_text(proof);
}

bool outside_stayed(const ExportProof& proof) {
    if (!proof.fault.empty()) return true;  // it was written whole, and nothing speaks against it
    const auto& outside = proof.compared.outside;
    return outside && (proof.lossy || outside->differing == 0);
}

bool is_as_expected(const ExportProof& proof) {
    if (!proof.fault.empty()) return true;
    const PhotoComparison& compared = proof.compared;
    const bool metadata = proof.strips_gps || lost_fields(compared).empty();
    return outside_stayed(proof) && metadata && compared.same_profile &&
           compared.a.bits == compared.b.bits && !lost_alpha(proof);
}

}  // namespace keepsake::editor
