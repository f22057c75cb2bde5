// The floor plan holds: gui -> editor -> optimize -> pipeline, on each floor only the rooms under a
// room, each floor with the libraries that it may know, and a command line without a window.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/pipeline/temporary_folder.h"
#include "tests/source_tree.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

struct Floor {
    std::string name;
    std::vector<std::string> may_include;  // folders of the tree
    std::vector<std::string> forbidden;    // beginnings of libraries' headers, in lower case
    // Bottom up: a room may include those before it and itself. What lies on the floor outside the
    // rooms (error.h) is for everyone and includes none of them.
    std::vector<std::string> rooms = {};
};

const std::vector<Floor>& floors() {
    static const std::vector<Floor> all = [] {
        const std::vector<std::string> window = {"imgui", "backends/imgui", "glfw", "gl/",
                                                 "gles",  "egl/",           "glad", "epoxy/"};
        std::vector<std::string> window_or_photo = {"opencv", "vips", "cereal/", "cli/"};
        window_or_photo.insert(window_or_photo.end(), window.begin(), window.end());
        const std::vector<std::string> tensor_or_codec = {
            "aten/", "torch/",    "c10/",        "vips", "opencv2/imgcodecs", "cereal/", "webp/",
            "png.h", "jpeglib.h", "turbojpeg.h", "tiff", "stb_image"};
        return std::vector<Floor>{
            {"pipeline",
             {"pipeline"},
             window_or_photo,
             {"files", "compute", "sampling", "text", "networks", "model"}},
            {"optimize",
             {"optimize", "pipeline"},
             window_or_photo,
             {"training", "imagic", "learn", "scratch", "distil"}},
            {"editor",
             {"editor", "optimize", "pipeline"},
             window,
             {"photo", "transfer", "session", "edit", "workbench", "commands"}},
            {"gui", {"gui", "editor", "optimize", "pipeline"}, tensor_or_codec},
        };
    }();
    return all;
}

struct Include {
    char quote;
    std::string header;
};

// The #include lines of a source. std::regex would do, but GCC 12 warns about it under sanitizers.
std::vector<Include> includes_of(const std::string& source) {
    std::vector<Include> includes;
    std::istringstream lines(source);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        char hash = 0, quote = 0;
        std::string word;
        if (!(words >> hash) || hash != '#') continue;
        for (char c = 0; word != "include" && words >> c;) word += c;
        if (word != "include" || !(words >> quote) || (quote != '<' && quote != '"')) continue;
        std::string header;
        std::getline(words, header, quote == '<' ? '>' : '"');
        includes.push_back({quote, header});
    }
    return includes;
}

bool begins_with_any(const std::string& text, const std::vector<std::string>& beginnings) {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](const std::string& beginning) { return text.starts_with(beginning); });
}

std::string lower_case(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

// The room of a path from the root of the tree ("pipeline/files/a.h": 0), counted bottom up: -1 for
// what lies outside the rooms, none for a folder that is no room of the floor.
std::optional<std::ptrdiff_t> room_of(const Floor& floor, const fs::path& path) {
    std::vector<std::string> parts(path.begin(), path.end());
    if (parts.size() < 3) return -1;
    const auto room = std::find(floor.rooms.begin(), floor.rooms.end(), parts[1]);
    if (room == floor.rooms.end()) return std::nullopt;
    return room - floor.rooms.begin();
}

// What is wrong with one #include of a source on this floor; empty when nothing is. A quoted
// include names its folder from the root of the tree, so that the arrow can be read from it.
std::string fault(const Floor& floor, const fs::path& source, const Include& include) {
    const auto& [quote, header] = include;
    const std::string folder = header.substr(0, header.find('/'));
    bool known = false, allowed = false;
    for (const Floor& other : floors()) known |= other.name == folder;
    for (const std::string& name : floor.may_include) allowed |= name == folder;
    if (known && !allowed) return "points up";
    if (begins_with_any(lower_case(header), floor.forbidden)) return "is not for this floor";
    if (quote == '"' && !known) return "does not name its folder";
    if (header.find("..") != header.npos) return "leaves its folder";
    if (folder == floor.name && !floor.rooms.empty()) {
        const auto from = room_of(floor, source), to = room_of(floor, header);
        if (!to) return "names no room";
        if (from && *to > *from) return "points up a room";
    }
    return {};
}

// One line per #include of the tree that the floor plan forbids: "file: header: what is wrong".
std::vector<std::string> layering_faults(const fs::path& root) {
    std::vector<std::string> faults;
    for (const Floor& floor : floors()) {
        for (const fs::path& source : sources_under(root, {floor.name})) {
            if (!floor.rooms.empty() && !room_of(floor, source))
                faults.push_back(source.string() + ": lies in no room");
            for (const Include& include : includes_of(read_source(root / source))) {
                const std::string what = fault(floor, source, include);
                if (!what.empty())
                    faults.push_back(source.string() + ": " + include.header + ": " + what);
            }
        }
    }
    return faults;
}

// The libraries of a window in what ldd prints.
std::vector<std::string> window_libraries(const std::string& listing) {
    std::vector<std::string> found;
    std::istringstream words(listing);
    for (std::string word; words >> word;)
        if (begins_with_any(word, {"libGL", "libOpenGL", "libEGL", "libglfw", "libimgui"}))
            found.push_back(word);
    return found;
}

std::string output_of(const std::string& command) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string output;
    std::array<char, 4096> buffer{};
    while (pipe) {
        const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe.get());
        if (count == 0) break;
        output.append(buffer.data(), count);
    }
    return output;
}

TEST(Layering, NoIncludePointsUpOrToAForeignLibrary) {
    EXPECT_GT(sources_under(KEEPSAKE_SOURCE, {"pipeline", "optimize", "editor"}).size(), 30u);
    EXPECT_EQ(layering_faults(KEEPSAKE_SOURCE), std::vector<std::string>{});
}

TEST(Layering, APlantedIncludeIsFound) {
    struct Case {
        const char *file, *line, *what;
    };
    const Case cases[] = {
        {"pipeline/a.cpp", "#include \"optimize/imagic/imagic.h\"", "points up"},
        {"pipeline/a.h", "  #  include <editor/photo/photo.h>", "points up"},
        {"optimize/a.cpp", "#include \"editor/photo/photo.h\"", "points up"},
        {"editor/photo/a.cpp", "#include \"gui/window.h\"", "points up"},
        {"pipeline/compute/a.h", "#include \"pipeline/networks/layers.h\"", "points up a room"},
        {"editor/photo/a.h", "#include \"editor/transfer/brush.h\"", "points up a room"},
        {"optimize/training/a.h", "#include \"optimize/imagic/fast.h\"", "points up a room"},
        {"pipeline/a.h", "#include \"pipeline/files/safetensors.h\"", "points up a room"},
        {"editor/edit/a.h", "#include \"editor/helpers/a.h\"", "names no room"},
        {"pipeline/attic/a.h", "", "lies in no room"},
        {"pipeline/a.cpp", "#include <opencv2/core.hpp>", "is not for this floor"},
        {"pipeline/a.cpp", "#include <vips/vips.h>", "is not for this floor"},
        {"optimize/a.cpp", "#include <GLFW/glfw3.h>", "is not for this floor"},
        {"editor/a.cpp", "#include <imgui.h>", "is not for this floor"},
        {"editor/a.cpp", "#include <imgui_internal.h>", "is not for this floor"},
        {"editor/a.cpp", "#include <GL/gl.h>", "is not for this floor"},
        {"gui/a.cpp", "#include <ATen/ATen.h>", "is not for this floor"},
        {"gui/a.cpp", "#include <torch/torch.h>", "is not for this floor"},
        {"gui/a.cpp", "#include <opencv2/imgcodecs.hpp>", "is not for this floor"},
        {"gui/a.cpp", "#include <png.h>", "is not for this floor"},
        {"editor/a.cpp", "#include \"photo.h\"", "does not name its folder"},
        {"editor/a.cpp", "#include \"pipeline/../gui/window.h\"", "leaves its folder"},
    };
    for (const Case& planted : cases) {
        SCOPED_TRACE(std::string(planted.file) + " " + planted.line);
        const TemporaryFolder root;
        fs::create_directories((root.path / planted.file).parent_path());
        write_bytes(root.path / planted.file,
                    std::string("// first\n#include <string>\n") + planted.line + "\nint x;\n");
        const std::vector<std::string> faults = layering_faults(root.path);
        ASSERT_EQ(faults.size(), 1u);
        EXPECT_TRUE(faults[0].starts_with(std::string(planted.file) + ": ")) << faults[0];
        EXPECT_TRUE(faults[0].ends_with(planted.what)) << faults[0];
    }
}

TEST(Layering, WhatTheFloorPlanAllowsIsNoFault) {
    const TemporaryFolder root;
    for (const char* folder : {"pipeline/networks", "pipeline/files", "editor/edit", "gui"})
        fs::create_directories(root.path / folder);
    write_bytes(root.path / "pipeline/networks/a.h",
                "#include \"pipeline/error.h\"\n#include \"pipeline/files/b.h\"\n"
                "#include \"pipeline/networks/b.h\"\n");
    write_bytes(root.path / "editor/edit/a.h",
                "#include \"editor/photo/b.h\"\n#include \"pipeline/model/b.h\"\n");
    write_bytes(root.path / "pipeline/a.cpp",
                "#include <ATen/ATen.h>\n#include <glob.h>\n// #include <imgui.h>\n#include "
                "\"pipeline/b.h\"\n");
    write_bytes(root.path / "editor/a.cpp",
                "#include <opencv2/core.hpp>\n#include <vips/vips.h>\n#include \"pipeline/b.h\"\n");
    write_bytes(root.path / "gui/a.cpp",
                "#include <imgui.h>\n#include <GLFW/glfw3.h>\n#include \"editor/b.h\"\n");
    EXPECT_EQ(layering_faults(root.path), std::vector<std::string>{});
}

TEST(Layering, TheCommandLineLinksNoWindow) {
    const std::string binary = KEEPSAKE_BINARY;
    // What the program itself asks for. Deeper down, Debian's libvips brings cairo's own GLX along.
    const std::string libraries = output_of("readelf -d '" + binary + "' | grep NEEDED");
    ASSERT_NE(libraries.find("libtorch"), libraries.npos) << binary << ": " << libraries;
    EXPECT_EQ(window_libraries(libraries), std::vector<std::string>{});
    // Linked in statically they would leave their names in the program itself.
    const std::string program = read_source(binary);
    for (const char* name : {"glfwInit", "ImGui_Impl", "imgui.ini"})
        EXPECT_EQ(program.find(name), program.npos) << name;
}

TEST(Layering, AWindowInAListingIsFound) {
    const std::vector<std::string> expected = {"libGL.so.1", "libGLdispatch.so.0", "libglfw.so.3"};
    EXPECT_EQ(window_libraries("\tlibGL.so.1 => /lib/x (0x1)\n libGLdispatch.so.0\n libglfw.so.3\n"
                               "libglib-2.0.so.0 libgltf.so libImath.so libc.so.6"),
              expected);
}

}  // namespace
}  // namespace keepsake::testing
