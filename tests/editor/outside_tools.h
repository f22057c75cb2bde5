// What programs that did not write a file say about it: exiftool and ImageMagick.
#pragma once

#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace keepsake::testing {

// What `command` prints, without the newline at the end. Throws when it fails.
inline std::string printed_by(const std::string& command) {
    std::FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
    if (!pipe) throw std::runtime_error("cannot be run: " + command);
    std::string text;
    std::array<char, 4096> buffer{};
    while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
        text.append(buffer.data(), count);
    }
    if (pclose(pipe) != 0) throw std::runtime_error("failed: " + command);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

inline std::string in_quotes(const std::filesystem::path& path) {
    return "'" + path.string() + "'";
}

// A tag as exiftool reads it, numbers as they are stored; empty where there is none.
inline std::string exif_tag(const std::filesystem::path& path, const std::string& tag) {
    return printed_by("exiftool -n -s3 -" + tag + " " + in_quotes(path));
}

inline void set_tags(const std::filesystem::path& path, const std::string& tags) {
    printed_by("exiftool -q -m -overwrite_original " + tags + " " + in_quotes(path));
}

// A property as ImageMagick reads it: %Q, %z, %[jpeg:sampling-factor], ...
inline std::string identified(const std::filesystem::path& path, const std::string& format) {
    return printed_by("identify -format '" + format + "' " + in_quotes(path));
}

// ImageMagick's hash of the pixels, at 16 bits a sample and without regard to the profile.
inline std::string pixel_hash(const std::filesystem::path& path) {
    return printed_by("convert " + in_quotes(path) + " -depth 16 rgba:- | sha256sum");
}

}  // namespace keepsake::testing
