// The pictures that something is learned from, as people have them on disk:
//
//   photo.jpg                   pictures by themselves
//   folder/                     its pictures; captions in <stem>.txt or <stem>.caption beside them
//   folder/metadata.jsonl       ... or in a list (also metadata.csv): then those that it names
//   folder/10_sks dog/          kohya's: taken 10 times a round, "sks dog" where a picture has no
//                               caption of its own
//   00000.tar, or a folder of     webdataset's and img2dataset's shards, unpacked once into the
//   user's
//     them                      cache (shards.h)
//   list.jsonl, list.csv        a list by itself; its names are relative to its folder
//
// Pictures are upright and in sRGB (the photo room sees to EXIF's orientation and the profile). One
// that cannot be read never ends the work: it is left out and told in one line. Below a place that
// the user names, links are not followed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/error.h"

namespace keepsake::editor {

struct SetPicture {
    std::filesystem::path file;
    std::string name;                   // for people: relative to its place, in UTF-8
    std::vector<std::string> captions;  // what is said of it; of several one is drawn each time
    std::int64_t repeats = 1;           // how often it is taken in a round
    int width = 0, height = 0;          // upright
    std::string fingerprint;            // of the file's bytes
    bool in_shard = false;              // `file` is a copy of what a tar file holds
};

struct PictureSet {
    std::vector<SetPicture> pictures;  // in the order of the places, in each by name
    // What the user should hear, one line each: what was left out and why, duplicates, captions
    // without a picture.
    std::vector<std::string> remarks;

    std::int64_t with_repeats() const;  // pictures of a round
    std::int64_t without_caption() const;
};

// Reads every picture of `places` once, whole, so that what is damaged is known before anything is
// learned. `monitor` is told "pictures". Throws Error naming a place that is not there, cannot be
// read, holds no picture that can be, or more than 200,000 files; and Cancelled.
PictureSet read_picture_set(const std::vector<std::filesystem::path>& places, Monitor& monitor);

}  // namespace keepsake::editor
