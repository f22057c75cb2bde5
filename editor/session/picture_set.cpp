#include "editor/session/picture_set.h"

#include <algorithm>
#include <map>
#include <set>

#include "editor/photo/photo.h"
#include "editor/session/find_pictures.h"
#include "editor/session/picture_captions.h"
#include "editor/session/recipe.h"
#include "editor/session/shards.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/fingerprint.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_files = 200'000;

// What is found before it is opened.
struct Found {
    std::vector<SetPicture> pictures;
    std::vector<std::string>& remarks;

    void remark(const std::string& name, const std::string& why) {
        remarks.push_back(name + ": " + why);
    }
};

std::string text_of(const fs::path& path) {
    return checked_utf8(path.string());
}

bool is_list(const fs::path& path) {
    const std::string extension = lower_extension(path);
    return extension == ".jsonl" || extension == ".csv";
}

bool is_caption(const fs::path& path) {
    const std::string extension = lower_extension(path);
    return extension == ".txt" || extension == ".caption";
}

// The names in a folder, sorted; hidden ones, which programs leave behind, are not among them.
std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
    std::vector<fs::directory_entry> entries;
    std::error_code error;
    fs::directory_iterator at(folder, error);
    for (; !error && at != fs::directory_iterator(); at.increment(error)) {
        if (!at->path().filename().string().starts_with(".")) entries.push_back(*at);
        if (entries.size() > most_files)
            throw Error(folder.string(), "holds more than 200000 files; divide it");
    }
    if (error) throw Error(folder.string(), "cannot be read: " + error.message());
    std::ranges::sort(entries, {}, [](const auto& entry) { return entry.path(); });
    return entries;
}

// The caption beside a picture; empty where there is none.
std::string caption_beside(const SetPicture& picture, const std::set<fs::path>& captions,
                           Found& found) {
    std::string caption;
    for (const char* extension : {".txt", ".caption"}) {
        const fs::path path = fs::path(picture.file).replace_extension(extension);
        if (!captions.contains(path)) continue;
        try {
            const std::string said = read_caption_file(path);
            if (said.empty())
                found.remark(text_of(path.filename()), "is empty");
            else if (caption.empty())
                caption = said;
            else if (said != caption)
                found.remark(picture.name, "its .txt and .caption differ; the .txt is taken");
        } catch (const Error& error) {
            found.remarks.push_back(error.what());
        }
    }
    return caption;
}

void tell_lonely_captions(const std::set<fs::path>& captions, const std::set<fs::path>& stems,
                          Found& found) {
    std::int64_t lonely = 0;
    fs::path first;
    for (const fs::path& caption : captions) {
        if (stems.contains(fs::path(caption).replace_extension())) continue;
        if (lonely++ == 0) first = caption;
    }
    if (lonely > 0)
        found.remark(text_of(first.filename()),
                     "is no picture's caption" +
                         (lonely > 1 ? ", nor are " + std::to_string(lonely - 1) + " others"
                                     : std::string()));
}

// The pictures among a folder's entries. prefix: of their names for people.
void find_among(const std::vector<fs::directory_entry>& entries, const std::string& prefix,
                const RepeatsFolder& repeats, Found& found) {
    std::set<fs::path> captions, stems;
    std::vector<SetPicture> pictures;
    for (const fs::directory_entry& entry : entries) {
        const fs::path& path = entry.path();
        const std::string name = prefix + text_of(path.filename());
        if (!has_photo_extension(path) && !is_caption(path)) continue;
        std::error_code error;
        const fs::file_type type = entry.symlink_status(error).type();
        if (type == fs::file_type::symlink) {
            found.remark(name, "is a link; left out");
        } else if (type == fs::file_type::regular && is_caption(path)) {
            captions.insert(path);
        } else if (type == fs::file_type::regular) {
            SetPicture picture;
            picture.file = path;
            picture.name = name;
            picture.repeats = repeats.repeats;
            stems.insert(fs::path(path).replace_extension());
            pictures.push_back(std::move(picture));
        }
    }
    for (SetPicture& picture : pictures) {
        std::string caption = caption_beside(picture, captions, found);
        if (caption.empty()) caption = repeats.class_tokens;
        if (!caption.empty()) picture.captions = {std::move(caption)};
        found.pictures.push_back(std::move(picture));
    }
    tell_lonely_captions(captions, stems, found);
}

// A name of a list as a file below its folder; throws Error naming it where it is none.
fs::path listed_file(const fs::path& folder, const std::string& name) {
    const fs::path relative = fs::path(name).lexically_normal();
    if (name.empty() || name.find('\0') != name.npos || relative.is_absolute() ||
        *relative.begin() == "..")
        throw Error(checked_utf8(name), "leads out of the list's folder; left out");
    const fs::path path = own_file(folder, relative);
    if (!is_there(path)) throw Error(checked_utf8(name), "is in the list and not there; left out");
    return path;
}

void find_in_list(const fs::path& list, Found& found) {
    const std::vector<CaptionLine> lines = lower_extension(list) == ".csv"
                                               ? read_caption_csv(list, found.remarks)
                                               : read_caption_jsonl(list, found.remarks);
    if (lines.size() > most_files) throw Error(list.string(), "has more than 200000 lines");
    const fs::path folder = list.parent_path().empty() ? fs::path(".") : list.parent_path();
    std::set<fs::path> listed;
    for (const CaptionLine& line : lines) {
        try {
            SetPicture picture;
            picture.file = listed_file(folder, line.file);
            picture.name = checked_utf8(line.file);
            picture.captions = line.captions;
            picture.repeats = line.repeats;
            if (listed.insert(picture.file).second)
                found.pictures.push_back(std::move(picture));
            else
                found.remark(picture.name, "is in the list twice; its first line counts");
        } catch (const Error& error) {
            found.remarks.push_back(error.what());
        }
    }
    std::int64_t unlisted = 0;
    for (const fs::directory_entry& entry : entries_of(folder))
        unlisted += has_photo_extension(entry.path()) && !listed.contains(entry.path());
    if (unlisted > 0)
        found.remark(text_of(list.filename()), std::to_string(unlisted) +
                                                   " pictures of its folder are not in it; left "
                                                   "out");
}

void find_in_shard(const fs::path& shard, Found& found) {
    const std::size_t before = found.pictures.size();
    find_in_list(unpacked_shard(shard, shard_cache()) / "metadata.jsonl", found);
    for (std::size_t i = before; i < found.pictures.size(); ++i) {
        SetPicture& picture = found.pictures[i];
        picture.in_shard = true;
        picture.name = text_of(shard.filename()) + "/" + picture.name;
    }
}

// A folder that the user names.
void find_in_place(const fs::path& folder, Found& found) {
    // Before a list in it is looked for, which would be named in the folder's place.
    std::error_code closed;
    const fs::directory_iterator readable(folder, closed);
    if (closed) throw Error(folder.string(), "cannot be read: " + closed.message());
    for (const char* list : {"metadata.jsonl", "metadata.csv"}) {
        const fs::path path = folder / list;
        if (is_there(path)) return find_in_list(own_file(folder, list), found);
    }
    const std::size_t before = found.pictures.size();
    const std::vector<fs::directory_entry> entries = entries_of(folder);
    find_among(entries, "", {}, found);
    for (const fs::directory_entry& entry : entries) {
        std::error_code error;
        if (!is_shard(entry.path())) continue;
        if (entry.symlink_status(error).type() == fs::file_type::regular)
            find_in_shard(entry.path(), found);
        else
            found.remark(text_of(entry.path().filename()), "is no regular file; left out");
    }
    std::string others;
    for (const fs::directory_entry& entry : entries) {
        std::error_code error;
        if (entry.symlink_status(error).type() != fs::file_type::directory) continue;
        const std::string name = entry.path().filename().string();
        if (const auto repeats = parse_repeats_folder(name))
            find_among(entries_of(entry.path()), checked_utf8(name) + "/", *repeats, found);
        else
            others += (others.empty() ? "" : ", ") + checked_utf8(name);
    }
    if (!others.empty() && found.pictures.size() > before)
        found.remark(others, "left out: a sub-folder's name is <repeats>_<class tokens>");
    if (!others.empty() && found.pictures.size() == before)
        throw Error(folder.string(), "holds no pictures itself; name its sub-folders (" + others +
                                         "), or call them <repeats>_<class tokens>");
}

void find_at(const fs::path& place, Found& found) {
    switch (type_at(place)) {
        case fs::file_type::not_found:
            throw Error(place.string(), "is not there");
        case fs::file_type::directory:
            return find_in_place(place, found);
        default:
            break;
    }
    if (is_list(place)) return find_in_list(place, found);
    if (is_shard(place)) return find_in_shard(place, found);
    if (is_compressed_shard(place))
        throw Error(place.string(), "is compressed: unpack it to a .tar, or to a folder");
    SetPicture picture;
    picture.file = place;
    picture.name = text_of(place.filename());
    std::set<fs::path> captions;
    for (const char* extension : {".txt", ".caption"})
        if (const fs::path path = fs::path(place).replace_extension(extension); is_there(path))
            captions.insert(path);
    if (std::string caption = caption_beside(picture, captions, found); !caption.empty())
        picture.captions = {std::move(caption)};
    found.pictures.push_back(std::move(picture));
}

// Opens a picture; false, with a remark, where it cannot be.
bool open_picture(SetPicture& picture, std::vector<std::string>& remarks) {
    try {
        const Photo photo = load_photo(picture.file);
        picture.width = photo.pixels.width;
        picture.height = photo.pixels.height;
        picture.fingerprint = fingerprint_of(photo.bytes);
        return true;
    } catch (const Error& error) {
        remarks.push_back(std::string(error.what()) + "; left out");
        return false;
    }
}

void tell_duplicates(PictureSet& set) {
    std::map<std::string, const SetPicture*> seen;
    for (const SetPicture& picture : set.pictures) {
        const auto [at, is_new] = seen.emplace(picture.fingerprint, &picture);
        if (!is_new)
            set.remarks.push_back(picture.name + ": is the same picture as " + at->second->name +
                                  "; both are learned");
    }
}

}  // namespace

std::int64_t PictureSet::with_repeats() const {
    std::int64_t sum = 0;
    for (const SetPicture& picture : pictures) sum += picture.repeats;
    return sum;
}

std::int64_t PictureSet::without_caption() const {
    return std::ranges::count_if(
        pictures, [](const SetPicture& picture) { return picture.captions.empty(); });
}

std::vector<SetPicture> find_pictures(const fs::path& place, std::vector<std::string>& remarks) {
    Found found{{}, remarks};
    find_at(place, found);
    if (found.pictures.empty())
        throw Error(place.string(), "holds no pictures (JPEG, PNG, WebP or TIFF)");
    return std::move(found.pictures);
}

PictureSet read_picture_set(const std::vector<fs::path>& places, Monitor& monitor) {
    PictureSet set;
    for (const fs::path& place : places) {
        std::vector<SetPicture> found = find_pictures(place, set.remarks);
        const std::size_t before = set.pictures.size();
        const auto total = static_cast<std::int64_t>(found.size());
        for (std::int64_t i = 0; i < total; ++i) {
            SetPicture& picture = found[static_cast<std::size_t>(i)];
            if (open_picture(picture, set.remarks)) set.pictures.push_back(std::move(picture));
            monitor.step(i + 1, total, "pictures");
        }
        if (set.pictures.size() > before) continue;
        throw Error(place.string(), "none of its " + std::to_string(total) +
                                        " pictures can be read: " + set.remarks.back());
    }
    if (set.pictures.empty()) throw Error("pictures", "none are given");
    tell_duplicates(set);
    return set;
}

}  // namespace keepsake::editor
