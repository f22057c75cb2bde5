// The CLIP that comes with the bundled model, on sample photos: it learned from none of them.
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tests/editor/commands/run_program.h"

namespace keepsake::testing {
namespace {

using nlohmann::json;

std::string with_article(const std::string& colour) {
    return (colour == "orange" ? "an " : "a ") + colour;
}

// The text of the greatest probability.
std::string nearest(const json& line) {
    const json* best = &line.at("scores")[0];
    for (const json& one : line.at("scores"))
        if (one.at("probability") > best->at("probability")) best = &one;
    return best->at("text");
}

TEST(BundledClip, NamesTheColoursOfPhotos) {
    const std::vector<std::array<std::string, 3>> photos = {
        {"daisy-19813618946.jpg", "daisy", "white"},
        {"dandelion-1128626197.jpg", "dandelion", "yellow"},
        {"rose-394990940.jpg", "rose", "red"},
        {"tulip-9048307967.jpg", "tulip", "yellow"}};
    for (const auto& [photo, flower, colour] : photos) {
        std::vector<std::string> arguments = {"score", KEEPSAKE_ASSETS "/photos/" + photo, "--json",
                                              "--threads", "1"};
        for (const char* one : {"red", "orange", "yellow", "pink", "purple", "blue", "white"})
            arguments.push_back("a photo of " + with_article(one) + " " + flower);
        const ProgramRun run = run_program(arguments);
        ASSERT_EQ(run.status, 0) << run.err;
        const json line = json::parse(run.out);
        EXPECT_EQ(line.at("model"), "flowers/clip");
        EXPECT_EQ(nearest(line), "a photo of " + with_article(colour) + " " + flower);
    }
}

}  // namespace
}  // namespace keepsake::testing
