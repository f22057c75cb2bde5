// What reads files from strangers, under libFuzzer and the sanitizers: tests/fuzz/run.sh builds and
// runs it. FUZZ_TARGET names what is fed (target() below has the list). A clear Error is a good
// end; a crash, a hang or any other exception is a find.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "editor/photo/exif_entries.h"
#include "editor/photo/image_file.h"
#include "editor/photo/iptc_block.h"
#include "editor/photo/jpeg_xmp.h"
#include "editor/photo/png_exif.h"
#include "editor/photo/tiff_metadata.h"
#include "editor/photo/xmp.h"
#include "editor/photo/xmp_packet.h"
#include "editor/session/recipe.h"
#include "editor/session/shards.h"
#include "editor/transfer/export_photo.h"
#include "editor/workbench/history.h"
#include "pipeline/error.h"
#include "pipeline/files/safetensors.h"
#include "tests/fuzz/fuzz_files.h"

namespace keepsake::fuzz {

namespace fs = std::filesystem;

const fs::path& input_file() {
    static const fs::path path = [] {
        const fs::path memory = "/dev/shm";
        const fs::path folder = fs::is_directory(memory) ? memory : fs::temp_directory_path();
        return folder / ("keepsake-fuzz-" + std::to_string(getpid()));
    }();
    return path;
}

fs::path input_folder(const std::string& name) {
    const fs::path path = input_file().string() + "-" + name;
    fs::create_directories(path);
    return path;
}

void write_bytes(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

namespace {

void write_input(const std::string& bytes) {
    write_bytes(input_file(), bytes);
}

// Loads it; a small photo is exported too, with an edit, in its own format.
void feed_photo(const std::string& bytes) {
    write_input(bytes);
    const editor::Photo photo = editor::load_photo(input_file());
    if (std::int64_t{photo.pixels.width} * photo.pixels.height > 1 << 16) return;
    editor::AreaEdit edit;
    edit.crop = editor::centred_square(photo);
    edit.reconstruction = editor::working_area(photo, edit.crop, {16, 16});
    edit.edit = edit.reconstruction;
    for (std::uint8_t& value : edit.edit.rgb) value = static_cast<std::uint8_t>(value / 2 + 60);
    const fs::path out = input_file().string() + editor::export_extension(photo);
    editor::export_photo(out, photo, edit, {}, {.strip_gps = true, .recipe = "{}"});
    editor::load_photo(out);
    fs::remove(out);
    // Its metadata in a TIFF.
    const fs::path page = input_file().string() + "-page.tif";
    editor::export_photo(page, photo, edit, {}, {.recipe = "{}"});
    fs::remove(page);
}

void feed_exif(const std::string& bytes) {
    editor::png_orientation(bytes);
    editor::exif_orientation(bytes);
}

// A packet, and (the same bytes) a JPEG that may hold one in several segments.
void feed_xmp(const std::string& bytes) {
    static const std::string bare("\xff\xd8\xff\xe0\0\x04xx\xff\xda\0\x02", 12);
    editor::recipe_in_xmp(bytes);
    const std::string changed =
        editor::updated_xmp(bytes, {32, 24, true, "{}", editor::PictureSource::edited_by_model});
    // What a stripped packet still says is no place.
    if (const editor::XmpHandle after = editor::parsed_xmp(changed)) {
        for (const editor::XmpProperty& property : editor::xmp_properties(after.get())) {
            if (editor::is_place_name(property.name)) std::abort();
        }
    }
    const auto jpeg = editor::jpeg_with_xmp(bare, changed);
    if (jpeg) editor::with_extended_xmp(*jpeg, changed);
    editor::with_extended_xmp(bytes, changed);
}

// A TIFF's metadata, or (the same bytes) an EXIF block's, into a TIFF and out again.
void feed_tiff(const std::string& bytes) {
    static const std::string page = [] {
        const fs::path file = input_file().string() + ".tif";
        editor::write_image(file, {16, 16, std::vector<std::uint8_t>(16 * 16 * 3, 99)});
        std::ifstream stream(file, std::ios::binary);
        std::string read(std::istreambuf_iterator<char>(stream), {});
        fs::remove(file);
        return read;
    }();
    const std::string iptc(editor::bare_iptc(bytes));
    for (const std::string& block : {editor::tiff_exif(bytes), bytes}) {
        const std::string note = editor::tiff_maker_note(bytes);
        const std::string out = editor::tiff_with_metadata(page, {block, note, iptc});
        editor::tiff_exif(out);
        editor::updated_exif(block, {32, 24, true});
    }
    editor::bare_iptc(editor::jpeg_iptc(bytes));
    editor::kept_resources(bytes, true);
}

void feed_safetensors(const std::string& bytes) {
    write_input(bytes);
    pipeline::read_safetensors(input_file());
}

// A session's recipe; what is accepted is written and read again as it was.
void feed_recipe(const std::string& bytes) {
    editor::recipe_kind(bytes);
    const editor::Recipe recipe = editor::recipe_from_json(bytes, "recipe.json");
    editor::tuning_tag(recipe);
    editor::unknown_fields(recipe);
    const std::string text = editor::to_json(recipe);
    require(editor::recipe_kind(text) == editor::RecipeKind::ours, "the recipe is not ours");
    require(editor::to_json(editor::recipe_from_json(text, "again")) == text,
            "the recipe changes when it is written");
}

// A session's history; likewise.
void feed_history(const std::string& bytes) {
    const fs::path folder = input_folder("session");
    write_bytes(folder / "history.json", bytes);
    editor::History history;
    const editor::SavedHistory saved = editor::load_history(folder);
    for (const editor::HistoryItem& item : saved.items) history.show(item);
    history.go_to(saved.shown);
    editor::save_history(folder, history);
    const editor::SavedHistory again = editor::load_history(folder);
    require(again.fault.empty() && again.items.size() == history.items().size(),
            "the history changes when it is written");
}

// Every block's checksum as if it were a header: else nothing that is changed would be looked at.
std::string with_checksums(std::string tar) {
    for (std::size_t at = 0; at + 512 <= tar.size(); at += 512) {
        if (tar.compare(at + 257, 5, "ustar") != 0) continue;
        tar.replace(at + 148, 8, "        ");
        unsigned sum = 0;
        for (std::size_t i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[at + i]);
        char digits[8];
        std::snprintf(digits, sizeof digits, "%06o", sum);
        tar.replace(at + 148, 7, std::string(digits) + '\0');
    }
    return tar;
}

// A tar file of pictures; nothing comes of it outside of its folder.
void feed_tar(const std::string& bytes) {
    write_input(with_checksums(bytes));
    const fs::path cache = input_folder("cache");
    fs::remove_all(cache);
    const fs::path folder = editor::unpacked_shard(input_file(), cache);
    require(folder.parent_path() == cache && fs::exists(folder / "metadata.jsonl"),
            "the shard's folder is not where it should be");
    std::size_t folders = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(cache))
        folders += entry.is_directory();
    require(folders == 1, "there is more than the shard's own folder");
}

const std::function<void(const std::string&)>& target() {
    static const std::function<void(const std::string&)> chosen = [] {
        const std::map<std::string, std::function<void(const std::string&)>> targets = {
            {"photo", feed_photo},
            {"exif", feed_exif},
            {"xmp", feed_xmp},
            {"tiff", feed_tiff},
            {"safetensors", feed_safetensors},
            {"recipe", feed_recipe},
            {"history", feed_history},
            {"tar", feed_tar},
            {"config", feed_config},
            {"tokenizer", feed_tokenizer},
            {"lora", feed_lora},
            {"checkpoint", feed_checkpoint}};
        const char* name = std::getenv("FUZZ_TARGET");
        return targets.at(name ? name : "photo");
    }();
    return chosen;
}

}  // namespace
}  // namespace keepsake::fuzz

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    try {
        keepsake::fuzz::target()(std::string(reinterpret_cast<const char*>(data), size));
    } catch (const keepsake::Error&) {
        // What a damaged file should end in.
    }
    return 0;
}
