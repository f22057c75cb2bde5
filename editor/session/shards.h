// Pictures in tar files, as webdataset and img2dataset keep them: the entries of one name up to its
// first dot belong together, "0001.jpg" and "0001.txt".
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace keepsake::editor {

bool is_shard(const std::filesystem::path& path);             // by its name: .tar
bool is_compressed_shard(const std::filesystem::path& path);  // .tar.gz and its like

// Where shards are unpacked: $XDG_CACHE_HOME/keepsake/shards, ~/.cache/keepsake/shards. What lies
// there may be removed at any time. Throws Error where neither is set.
std::filesystem::path shard_cache();

// Unpacks the pictures of a shard, and their captions (of .txt, .caption, or .json with "caption",
// "text" or "prompt", the first that there is), into a folder of `cache` with a metadata.jsonl
// (picture_captions.h), and returns it; if it is there already, by the shard's content, at once.
// Reads the ustar, pax and GNU kinds; links and other entries that are no regular files are passed
// over, and names never lead out of the folder. Throws Error naming the shard where it is no tar,
// is cut short, or has no picture; and naming the folder where that cannot be written.
std::filesystem::path unpacked_shard(const std::filesystem::path& shard,
                                     const std::filesystem::path& cache);

}  // namespace keepsake::editor
