#include "pipeline/files/json_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake {
namespace {

using nlohmann::json;

std::string why_not(const std::string& text, const JsonLimits& limits = {}) {
    try {
        parse_json(text, "x", limits);
    } catch (const Error& error) {
        return error.what();
    }
    return {};
}

TEST(JsonFile, IsJson) {
    EXPECT_EQ(parse_json(R"({"a": [1, -2.5, true, null, "\u00e9\"[{"]})", "x"),
              (json{{"a", {1, -2.5, true, nullptr, "\u00e9\"[{"}}}));
    EXPECT_EQ(why_not("{\"a\": 1"), "x: is not JSON: wrong at byte 8");
    EXPECT_EQ(why_not(""), "x: is not JSON: wrong at byte 1");
    EXPECT_EQ(why_not("1 2"), "x: is not JSON: wrong at byte 3");
    EXPECT_EQ(why_not("\"\xff\"").substr(0, 14), "x: is not JSON");
    EXPECT_EQ(why_not("\"\\").substr(0, 14), "x: is not JSON");
    EXPECT_EQ(why_not("[1e999]"), "x: is not JSON: has a number that is too large");
}

TEST(JsonFile, NumbersThatPythonWrites) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const json read = parse_json(
        R"({"a": -Infinity, "b": [Infinity,NaN], "c": "-Infinity NaN \"NaN", "number0": "number0"})",
        "x");
    EXPECT_EQ(read.at("a"), -infinity);
    EXPECT_EQ(read.at("b")[0], infinity);
    EXPECT_TRUE(std::isnan(read.at("b")[1].get<double>()));
    EXPECT_EQ(read.at("c"), "-Infinity NaN \"NaN");
    EXPECT_EQ(read.at("number0"), "number0");
    for (const char* text : {"[-NaN]", "[+Infinity]", "[Infinit]", "[NaNa]", "[1NaN]", "[nan]"})
        EXPECT_EQ(why_not(text).substr(0, 14), "x: is not JSON") << text;
}

TEST(JsonFile, CallbackSeesThemAsNumbers) {
    int numbers = 0;
    parse_json("[NaN, 1, Infinity]", "x", {}, [&](int, json::parse_event_t, const json& value) {
        numbers += value.is_number();
        return true;
    });
    EXPECT_EQ(numbers, 3);
}

TEST(JsonFile, DepthAndSizeHaveLimits) {
    EXPECT_EQ(why_not("[[1], {\"a\": [2]}]", {.depth = 3}), "");
    EXPECT_EQ(why_not("[[[1]]]", {.depth = 2}), "x: is JSON nested more than 2 deep at byte 2");
    EXPECT_EQ(why_not("[\"[[[[\", \"\\\"[[[\"]", {.depth = 1}), "");
    EXPECT_EQ(why_not(std::string(64, '[') + std::string(64, ']')), "");
    EXPECT_EQ(why_not(std::string(1'000'000, '[')),
              "x: is JSON nested more than 64 deep at byte 64");
    EXPECT_EQ(why_not("[1, 2]", {.size = 5}), "x: has 6 bytes of JSON, and at most 5 are read");
}

TEST(JsonFile, FilesAreNamed) {
    const testing::TemporaryFolder folder;
    const auto path = folder.path / "a.json";
    const auto why = [&](const JsonLimits& limits) -> std::string {
        try {
            read_json_file(path, limits);
        } catch (const Error& error) {
            return error.what();
        }
        return {};
    };
    EXPECT_EQ(why({}).find(path.string() + ": cannot read"), 0u);
    write_file_atomically(path, "[1, 2]");
    EXPECT_EQ(why({}), "");
    EXPECT_EQ(why({.size = 5}), path.string() + ": has 6 bytes of JSON, and at most 5 are read");
}

TEST(JsonFile, BriefIsShortAndAscii) {
    EXPECT_EQ(brief({{"a", "\u001b[31m\u009b\u202e"}}), R"({"a":"\u001b[31m\u009b\u202e"})");
    EXPECT_EQ(brief("\xff"), R"("\ufffd")");
    EXPECT_EQ(brief(std::string(1000, 'a')).size(), 103u);
}

}  // namespace
}  // namespace keepsake
