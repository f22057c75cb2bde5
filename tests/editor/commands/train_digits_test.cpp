// `keepsake train digits` through the real program: what it learns, and the page that it leaves.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "editor/edit/page_parts.h"
#include "editor/photo/photo.h"
#include "editor/session/bundled_model.h"
#include "editor/session/digits_file.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/outside_tools.h"
#include "tests/editor/test_photo.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

// What is wrong with the elements of a page that is XML, too: "" where every one is closed in its
// turn and every attribute is quoted.
std::string page_fault(const std::string& page) {
    std::vector<std::string> open;
    for (std::size_t at = page.find('<'); at != page.npos; at = page.find('<', at)) {
        const std::size_t end = page.find('>', at);
        if (end == page.npos) return "an element that does not end";
        const std::string inside = page.substr(at + 1, end - at - 1);
        at = end;
        if (inside.starts_with("!DOCTYPE")) continue;
        if (inside.find('<') != inside.npos) return "a < within <" + inside.substr(0, 40);
        if (std::ranges::count(inside, '"') % 2 != 0) return "quotes of <" + inside.substr(0, 40);
        const bool closes = inside.starts_with("/"), empty = inside.ends_with("/");
        std::string name;
        for (const char c : inside.substr(closes ? 1 : 0)) {
            if (!std::isalnum(static_cast<unsigned char>(c))) break;
            name += c;
        }
        if (closes) {
            if (open.empty() || open.back() != name) return "</" + name + "> closes nothing";
            open.pop_back();
        } else if (!empty) {
            open.push_back(name);
        }
    }
    return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

std::string from_base64(const std::string& text) {
    static const std::string digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t group = 0;
    int bits = 0;
    for (const char c : text) {
        if (c == '=') break;
        group = group << 6 | static_cast<std::uint32_t>(digits.find(c));
        if ((bits += 6) < 8) continue;
        bits -= 8;
        bytes += static_cast<char>(group >> bits & 255);
    }
    return bytes;
}

// The pictures of a page, as files' bytes.
std::vector<std::string> pictures_of(const std::string& page) {
    static const std::string start = "src=\"data:image/png;base64,";
    std::vector<std::string> pictures;
    for (std::size_t at = page.find(start); at != page.npos; at = page.find(start, at + 1)) {
        const std::size_t from = at + start.size();
        pictures.push_back(from_base64(page.substr(from, page.find('"', from) - from)));
    }
    return pictures;
}

std::string browser() {
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
        if (std::system((std::string("command -v ") + name + " >/dev/null 2>&1").c_str()) == 0)
            return name;
    return {};
}

TEST(PageParts, Base64IsThatOfTheStandard) {
    const std::vector<std::pair<std::string, std::string>> known = {{"", ""},
                                                                    {"f", "Zg=="},
                                                                    {"fo", "Zm8="},
                                                                    {"foo", "Zm9v"},
                                                                    {"foob", "Zm9vYg=="},
                                                                    {"fooba", "Zm9vYmE="},
                                                                    {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : known) {
        EXPECT_EQ(editor::base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
    EXPECT_EQ(editor::html_text("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
}

TEST(PageParts, AFaultOfAPageIsFound) {
    EXPECT_EQ(page_fault("<!DOCTYPE html><p><b>a</b><br/></p>"), "");
    EXPECT_NE(page_fault("<p><b>a</p></b>"), "");
    EXPECT_NE(page_fault("<p>"), "");
    EXPECT_NE(page_fault("<p class=\"a>b</p>"), "");
}

TEST(TrainDigits, TheDigitsAreThoseOfTheSet) {
    const optimize::Digits digits = editor::read_digits(KEEPSAKE_ASSETS "/digits");
    ASSERT_EQ(digits.size(), 1797);
    // scikit-learn's load_digits: how many there are of each, and the sum of all pixels.
    const std::vector<std::int64_t> counts = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
    for (std::int64_t label = 0; label < 10; ++label)
        EXPECT_EQ((digits.labels == label).sum().item<std::int64_t>(),
                  counts[static_cast<std::size_t>(label)]);
    EXPECT_EQ(((digits.pictures + 1) * 8).sum(at::kDouble).item<double>(), 561718.0);
    // The middle row of the first, a 0.
    const std::vector<float> row = {0, 4, 12, 0, 0, 8, 8, 0};
    EXPECT_TRUE(at::equal((digits.pictures[0][0][3] + 1) * 8, at::tensor(row)));
}

TEST(TrainDigits, DamagedDigitsAreToldByTheirFile) {
    const TemporaryFolder folder;
    EXPECT_NE(thrown_message<Error>([&] { editor::read_digits(folder.path); }).find("digits.png"),
              std::string::npos);
    fs::copy_file(KEEPSAKE_ASSETS "/digits/digits.png", folder.path / "digits.png");
    write_bytes(folder.path / "labels.txt", "01x\n");
    EXPECT_NE(thrown_message<Error>([&] {
                  editor::read_digits(folder.path);
              }).find("labels.txt: does not fit"),
              std::string::npos);
    save_photo(folder.path / "digits.png",
               editor::Pixels{16, 16, std::vector<std::uint8_t>(768, 7)});
    write_bytes(folder.path / "labels.txt", "01\n");
    EXPECT_NE(thrown_message<Error>([&] {
                  editor::read_digits(folder.path);
              }).find("digits.png: holds other pixels"),
              std::string::npos);
}

// The class that is asked for is drawn, and the gradients agree.
void expect_figures(const nlohmann::json& line) {
    EXPECT_GE(line.at("reader").at("held_out_right"), 0.95) << "a judge that can read";
    EXPECT_GE(line.at("recognised"), 0.9) << line.dump();
    double not_told = 1;
    for (const auto& drawn : line.at("guidance"))
        if (drawn.at("scale") == 0) not_told = drawn.at("recognised");
    EXPECT_LE(not_told, 0.25) << "not told, it may guess one in ten";
    EXPECT_LE(line.at("gradient").at("disagreement"), 1e-6);
}

// The page is whole and carries its pictures.
void expect_whole(const std::string& page, const fs::path& folder) {
    EXPECT_EQ(page_fault(page), "");
    // It loads nothing.
    for (const char* from : {"src=\"http", "href=", "url(", "<script", "<link", "@import"})
        EXPECT_EQ(page.find(from), page.npos) << from;
    EXPECT_LT(page.size(), 2'000'000u);
    const std::vector<std::string> pictures = pictures_of(page);
    EXPECT_GE(pictures.size(), 40u);
    std::size_t images = 0;
    for (std::size_t at = page.find("<img"); at != page.npos; at = page.find("<img", at + 1))
        ++images;
    EXPECT_EQ(images, pictures.size());
    for (const std::string& bytes : pictures) {
        write_bytes(folder / "picture.png", bytes);
        const editor::Pixels pixels = editor::load_photo(folder / "picture.png").pixels;
        EXPECT_GE(pixels.width, 64);
        // Something is on it.
        EXPECT_NE(std::ranges::max(pixels.rgb), std::ranges::min(pixels.rgb));
    }
    // No figure went wrong.
    for (const char* wrong : {"nan", "inf ", "-inf"}) {
        std::size_t at = 0;
        const std::string text = page;
        EXPECT_EQ(text.find(std::string(">") + wrong, at), text.npos) << wrong;
        EXPECT_EQ(text.find(std::string(" ") + wrong + " ", at), text.npos) << wrong;
    }
}

// A browser shows all of it.
void expect_shown(const std::string& page, const fs::path& folder) {
    const std::string chromium = browser();
    if (chromium.empty()) {
        std::cout << "not opened in a browser: no chromium is installed\n";
        return;
    }
    // The page may not run scripts. A copy of it may, and counts what a browser made of it.
    std::string copy = page;
    const std::string policy = "default-src 'none'; ";
    copy.replace(copy.find(policy), policy.size(), policy + "script-src 'unsafe-inline'; ");
    const std::string script =
        "<script>addEventListener('load', () => { const all = [...document.images]; "
        "document.title = 'shown ' + all.filter(i => i.complete && i.naturalWidth >= 64 && "
        "i.getBoundingClientRect().width >= 32).length + ' of ' + all.length + ', charts ' + "
        "[...document.querySelectorAll('svg')].filter(s => s.getBBox().width > 300).length + "
        "', wide ' + (document.documentElement.scrollWidth <= innerWidth); });</script>";
    copy.replace(copy.find("</head>"), 7, script + "</head>");
    write_bytes(folder / "copy.html", copy);
    const std::string options =
        " --headless --no-sandbox --disable-gpu --user-data-dir=" + in_quotes(folder / "browser") +
        " --window-size=900,1200 ";
    const std::string dom = printed_by("timeout 60 " + chromium + options + "--dump-dom " +
                                       in_quotes("file://" + (folder / "copy.html").string()));
    const std::string images = std::to_string(pictures_of(page).size());
    EXPECT_NE(
        dom.find("<title>shown " + images + " of " + images + ", charts 6, wide true</title>"),
        dom.npos)
        << dom.substr(dom.find("<title>"), 100);
}

// One run, a shorter one than the lesson's own, for all that looks at it.
TEST(TrainDigits, IsALessonThatHolds) {
    const TemporaryFolder folder;
    const fs::path out = folder.path / "digits.html";
    const ProgramRun run = run_program({"train", "digits", "--out", out.string(), "--tune", "400",
                                        "--threads", "1", "--json", "--quiet"});
    ASSERT_EQ(run.status, 0) << run.err;
    expect_figures(nlohmann::json::parse(run.out));
    expect_whole(read_file(out), folder.path);
    expect_shown(read_file(out), folder.path);
}

TEST(TrainDigits, WrongUsageAndBadPlacesAreOneLine) {
    const TemporaryFolder folder;
    const auto refused = [&](std::vector<std::string> arguments, int status,
                             const std::string& part) {
        arguments.insert(arguments.begin(), {"train", "digits"});
        const ProgramRun run = run_program(arguments);
        EXPECT_EQ(run.status, status) << run.err;
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_NE(run.err.find(part), std::string::npos) << run.err;
    };
    refused({"--tune", "0"}, 2, "--tune: 0 is not between 1 and 1000000");
    refused({"--threads", "0"}, 2, "--threads: 0 is not between 1 and 1024");
    refused({"--out", ""}, 2, "--out: is empty");
    refused({"--out", folder.path.string()}, 1, folder.path.string() + ": ");
    refused({"--out", (folder.path / "gone" / "a.html").string()}, 1, "a.html: ");
    EXPECT_EQ(folder.file_count(), 0u);
}

TEST(TrainDigits, StopsInOrderAndLeavesNothing) {
    const TemporaryFolder folder;
    const fs::path out = folder.path / "digits.html";
    Program program({"train", "digits", "--out", out.string(), "--threads", "1"});
    ASSERT_TRUE(program.wait_for_error_text("reader"));
    program.signal(SIGINT);
    EXPECT_EQ(program.wait().status, 130);
    EXPECT_EQ(folder.file_count(), 0u);
}

}  // namespace
}  // namespace keepsake::testing
