// keepsake compare
#include <iostream>
#include <memory>

#include "editor/commands/command_options.h"
#include "editor/commands/json_line.h"
#include "editor/transfer/compare_photos.h"
#include "editor/transfer/export_photo.h"
#include "pipeline/error.h"
#include "pipeline/files/grouped_digits.h"
#include "pipeline/files/printable_text.h"

namespace keepsake::editor {
namespace {

struct CompareArguments {
    std::string a, b;
    std::optional<std::string> mask, crop;
    double mask_threshold = EditRegion{}.threshold;
    int tolerance = CompareOptions{}.tolerance;
    bool json = false;
};

void add_options(CLI::App& command, CompareArguments& arguments) {
    command.add_option("A", arguments.a, "The photo as it was")->type_name("FILE")->required();
    command.add_option("B", arguments.b, "The photo after the edit")->type_name("FILE")->required();
    command
        .add_option("--mask", arguments.mask,
                    "Where B may differ: white is inside. It has the photo's size or the crop's "
                    "shape; without it nothing may differ")
        ->type_name("FILE");
    command
        .add_option(
            "--crop", arguments.crop,
            "x,y,w,h: the part that was edited; default: the whole photo, or of a panorama the "
            "middle")
        ->type_name("X,Y,W,H");
    command.add_option("--mask-threshold", arguments.mask_threshold,
                       "0 to 1; at or below it the mask is outside; default 0.5");
    command.add_option("--tolerance", arguments.tolerance,
                       "Differences of a sample up to this are none, for lossy formats; default 0");
    command.add_flag("--json", arguments.json, "One JSON line on stdout");
}

std::string facts_text(const PhotoFacts& facts) {
    return std::to_string(facts.width) + "x" + std::to_string(facts.height) + " " + facts.format +
           ", " + std::to_string(facts.bits) + " bits, " + std::to_string(facts.channels) +
           " channels, " + (facts.profile.empty() ? "no profile" : "profile: " + facts.profile);
}

std::string pixels_text(const PixelDifference& difference) {
    std::string text = grouped_digits(difference.differing) + " of " +
                       grouped_digits(difference.pixels) + " changed";
    if (difference.largest > 0) text += ", the most by " + std::to_string(difference.largest);
    return text;
}

std::string profile_fate(const PhotoComparison& result) {
    if (result.same_profile) return result.a.profile.empty() ? "none in both" : "kept";
    if (result.b.profile.empty()) return "lost";
    return result.a.profile.empty() ? "added" : "changed";
}

std::string report(const CompareArguments& arguments, const PhotoComparison& result) {
    std::string text = arguments.a + ": " + facts_text(result.a) + "\n" + arguments.b + ": " +
                       facts_text(result.b) + "\n";
    if (result.outside) {
        text += std::string("pixels") + (result.inside ? " outside the mask: " : ": ") +
                pixels_text(*result.outside) + "\n";
        if (result.inside) text += "pixels inside the mask: " + pixels_text(*result.inside) + "\n";
        text +=
            result.as_stored ? "compared: the samples of the files, " : "compared: both as sRGB, ";
        text += std::to_string(result.bits) + " bits\n";
    }
    text += "profile: " + profile_fate(result) + "\n";
    text += "metadata: ";
    for (const FieldFate fate :
         {FieldFate::kept, FieldFate::changed, FieldFate::lost, FieldFate::added}) {
        text += (fate == FieldFate::kept ? "" : ", ") + grouped_digits(result.count(fate)) + " " +
                name_of(fate);
    }
    text += "\n";
    constexpr std::size_t most = 200;  // of a value: a recipe is long
    for (const FieldComparison& field : result.fields) {
        if (field.fate == FieldFate::kept) continue;
        text += std::string("  ") + name_of(field.fate) + " " + field.name + ": ";
        if (field.fate != FieldFate::added) text += printable(field.before, most);
        if (field.fate == FieldFate::changed) text += " -> ";
        if (field.fate != FieldFate::lost) text += printable(field.after, most);
        text += "\n";
    }
    return text;
}

nlohmann::ordered_json facts_json(const PhotoFacts& facts) {
    return {{"width", facts.width},
            {"height", facts.height},
            {"format", facts.format},
            {"bits", facts.bits},
            {"channels", facts.channels},
            {"profile", facts.profile.empty() ? nlohmann::ordered_json()
                                              : nlohmann::ordered_json(facts.profile)}};
}

nlohmann::ordered_json pixels_json(const std::optional<PixelDifference>& difference) {
    if (!difference) return {};
    return {{"pixels", difference->pixels},
            {"differing", difference->differing},
            {"largest", difference->largest}};
}

std::string report_line(const CompareArguments& arguments, const PhotoComparison& result) {
    nlohmann::ordered_json line;
    line["a"] = facts_json(result.a);
    line["a"]["file"] = arguments.a;
    line["b"] = facts_json(result.b);
    line["b"]["file"] = arguments.b;
    line["outside_untouched"] = result.outside_untouched();
    line["outside"] = pixels_json(result.outside);
    line["inside"] = pixels_json(result.inside);
    line["compared"] = {{"as_stored", result.as_stored}, {"bits", result.bits}};
    line["profile"] = profile_fate(result);
    line["metadata"] = nlohmann::ordered_json::array();
    for (const FieldComparison& field : result.fields) {
        nlohmann::ordered_json one = {{"name", field.name}, {"fate", name_of(field.fate)}};
        if (field.fate != FieldFate::added) one["before"] = field.before;
        if (field.fate != FieldFate::lost) one["after"] = field.after;
        line["metadata"].push_back(std::move(one));
    }
    return json_line(line);
}

// Status 1 with its one line, as for all that did not come out as it should.
void require_untouched(const CompareArguments& arguments, const PhotoComparison& result) {
    if (result.outside_untouched()) return;
    if (!result.outside) {
        throw Error(arguments.b, "is " + std::to_string(result.b.width) + "x" +
                                     std::to_string(result.b.height) + ", " + arguments.a + " is " +
                                     std::to_string(result.a.width) + "x" +
                                     std::to_string(result.a.height));
    }
    throw Error(arguments.b, grouped_digits(result.outside->differing) + " of " +
                                 grouped_digits(result.outside->pixels) +
                                 (result.inside ? " pixels outside the mask" : " pixels") +
                                 " differ from those of " + arguments.a);
}

void compare(const CompareArguments& arguments) {
    require(arguments.tolerance >= 0 && arguments.tolerance < 65536, "--tolerance",
            "is not between 0 and 65535");
    require(arguments.mask_threshold >= 0 && arguments.mask_threshold <= 1, "--mask-threshold",
            "is not between 0 and 1");
    require(arguments.mask || !arguments.crop, "--crop", "is only for --mask");
    const Photo a = load_photo(arguments.a), b = load_photo(arguments.b);
    CompareOptions options;
    options.tolerance = arguments.tolerance;
    if (arguments.mask) {
        options.crop = arguments.crop ? parse_crop(*arguments.crop) : whole_crop(a);
        options.region =
            EditRegion{load_mask(*arguments.mask, a, options.crop), arguments.mask_threshold};
    }
    const PhotoComparison result = compare_photos(a, b, options);
    std::cout << (arguments.json ? report_line(arguments, result)
                                 : printable(report(arguments, result), 1 << 20));
    std::cout.flush();
    require_untouched(arguments, result);
}

}  // namespace

void add_compare(CLI::App& app, Command& chosen) {
    CLI::App& command = *app.add_subcommand(
        "compare", "What differs between two photos: pixels, size, profile, bits, metadata");
    const auto arguments = std::make_shared<CompareArguments>();
    add_options(command, *arguments);
    command.callback(
        [&chosen, arguments] { chosen = [arguments](const Interrupt&) { compare(*arguments); }; });
}

}  // namespace keepsake::editor
