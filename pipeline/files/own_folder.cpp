#include "pipeline/files/own_folder.h"

#include "pipeline/error.h"

namespace keepsake {
namespace {

namespace fs = std::filesystem;

// Of the path itself, not of what a link leads to.
fs::file_type type_of(const fs::path& path) {
    std::error_code code;
    const fs::file_status status = fs::symlink_status(path, code);
    if (status.type() == fs::file_type::none)
        throw Error(path.string(), "cannot be looked at: " + code.message());
    return status.type();
}

void refuse_link(const fs::path& path) {
    throw Error(path.string(),
                "is a link, and links in this folder are not followed; remove it, or put there "
                "what it leads to");
}

}  // namespace

std::string why_no_file(fs::file_type type) {
    switch (type) {
        case fs::file_type::not_found:
        case fs::file_type::regular:
            return {};
        case fs::file_type::directory:
            return "is a folder, not a file";
        case fs::file_type::fifo:
            return "is a pipe, not a file";
        case fs::file_type::socket:
            return "is a socket, not a file";
        case fs::file_type::block:
        case fs::file_type::character:
            return "is a device, not a file";
        default:
            return "is no regular file";
    }
}

fs::path own_file(const fs::path& folder, const fs::path& name) {
    fs::path path = folder;
    for (const fs::path& part : name.parent_path()) {
        path /= part;
        if (type_of(path) == fs::file_type::symlink) refuse_link(path);
    }
    path /= name.filename();
    const fs::file_type type = type_of(path);
    if (type == fs::file_type::symlink) refuse_link(path);
    if (const std::string why = why_no_file(type); !why.empty()) throw Error(path.string(), why);
    return path;
}

fs::path own_folder(const fs::path& folder, const fs::path& name) {
    fs::path path = folder;
    for (const fs::path& part : name) {
        path /= part;
        const fs::file_type type = type_of(path);
        if (type == fs::file_type::symlink) refuse_link(path);
        std::error_code code;
        if (type == fs::file_type::not_found) fs::create_directories(path, code);
        if (code) throw Error(path.string(), "the folder cannot be made: " + code.message());
        if (type != fs::file_type::not_found && type != fs::file_type::directory)
            throw Error(path.string(), "is not a folder");
    }
    return path;
}

}  // namespace keepsake
