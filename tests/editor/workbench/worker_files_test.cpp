// The files of the Worker: exports, what cannot be saved, and folders that are listed.
#include "editor/workbench/worker.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "editor/workbench/external_file.h"
#include "editor/workbench/light_table.h"
#include "pipeline/files/atomic_file.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Activity;
using editor::Document;

class WorkerFiles : public WorkerTest {};

TEST_F(WorkerFiles, ExportAsksBeforeItOverwrites) {
    apply(open(1));
    const fs::path out = folder.path / "mine.png";
    write_bytes(out, "mine");
    editor::ExportRequest request{editor::ExportKind::square, out, std::nullopt, false};
    const auto sent = [&](editor::ExportState::Kind kind) {
        worker->send(request);
        // The answer to an older request of this name is gone by now.
        const auto state = worker->document()->exported;
        EXPECT_TRUE(state.kind == editor::ExportState::Kind::under_way || state.kind == kind);
        EXPECT_EQ(state.path, request.path);
        wait("the export", [&](const Document& d) {
            return d.exported.kind == kind && d.exported.path == request.path;
        });
    };
    sent(editor::ExportState::Kind::exists);
    EXPECT_EQ(fs::file_size(out), 4u);
    request.overwrite = true;
    sent(editor::ExportState::Kind::written);
    const auto document = worker->document();
    EXPECT_EQ(editor::load_photo(out).pixels.rgb,
              editor::exact_render(*document, document->eta)->square->rgb);
    // The photo itself: its own size, and the same pixels as the comparison shows.
    request.kind = editor::ExportKind::photo;
    request.path = folder.path / "photo-edited.png";
    sent(editor::ExportState::Kind::written);
    const editor::Photo whole = editor::load_photo(request.path);
    EXPECT_EQ(whole.pixels.width, 96);
    EXPECT_EQ(whole.pixels.rgb, document->shown.after->rgb);
    request.path = folder.path / "no/such/folder/a.png";
    sent(editor::ExportState::Kind::failed);
}

// What the window shows after an export: how many pixels of the file differ, outside and inside.
TEST_F(WorkerFiles, AnExportedPhotoIsComparedWithTheOneThatWasOpened) {
    editor::EditDraft draft = open(1);
    draft.tuning.crop = {16, 8, 64, 64};
    const auto document = apply(draft);
    worker->send(editor::RegionRequest{{editor::RegionMode::none}});
    wait("no mask",
         [](const Document& d) { return d.region.settings.mode == editor::RegionMode::none; });
    editor::ExportRequest request{editor::ExportKind::photo, folder.path / "out.png"};
    worker->send(request);
    const auto told = wait("the comparison", [](const Document& d) {
        return d.exported.proof && d.notice.text.starts_with("out.png: ");
    });
    // Of the crop's 64 columns and rows the first and the last have faded to nothing.
    EXPECT_EQ(told->notice.text.find("out.png: 0 of 3,836 pixels outside the edited area changed"),
              0u)
        << told->notice.text;
    EXPECT_EQ(told->notice.kind, editor::Notice::Kind::note);
    const auto& compared = told->exported.proof->compared;
    EXPECT_EQ(compared.outside->pixels, 96 * 80 - 62 * 62);
    EXPECT_EQ(compared.outside->differing, 0);
    EXPECT_GT(compared.inside->differing, 100);
    // The number is the file's, whoever wrote it.
    editor::Pixels pixels = editor::load_photo(request.path).pixels;
    pixels.rgb[0] ^= 0xff;
    save_photo(request.path, pixels);
    const auto changed = editor::compare_export(*told, request);
    EXPECT_EQ(changed.compared.outside->differing, 1);
    EXPECT_EQ(changed.compared.outside->largest, 255);
    EXPECT_FALSE(editor::outside_stayed(changed));
    // Of a file that is gone: told, and no failed export.
    fs::remove(request.path);
    const auto gone = editor::compare_export(*told, request);
    EXPECT_NE(editor::proof_text(gone).find("out.png: written; it could not be compared"),
              std::string::npos)
        << editor::proof_text(gone);
    EXPECT_TRUE(editor::is_as_expected(gone));
    // The model's own square is no photo: there is nothing to compare.
    request.kind = editor::ExportKind::square;
    worker->send(request);
    const auto square = wait("the square", [&](const Document& d) {
        return d.exported.kind == editor::ExportState::Kind::written;
    });
    EXPECT_FALSE(square->exported.proof);
}

// A photo of another program's, which that program may have changed meanwhile.
TEST_F(WorkerFiles, ExportInPlaceWritesTheFileThatWasOpenedAndNoOther) {
    EXPECT_NO_THROW(editor::check_external_file(photo));
    const auto document = apply(open(1));
    const std::string before = read_file(photo);
    editor::ExportRequest request{editor::ExportKind::photo, photo};
    request.in_place = true;
    write_bytes(photo, before + "more");
    worker->send(request);
    const auto refused = wait("the refusal", [](const Document& d) {
        return d.exported.kind == editor::ExportState::Kind::failed;
    });
    EXPECT_NE(refused->notice.text.find("photo.png: was changed by another program"),
              std::string::npos)
        << refused->notice.text;
    EXPECT_EQ(read_file(photo), before + "more");
    write_bytes(photo, before);
    worker->send(request);
    wait("the file",
         [](const Document& d) { return d.exported.kind == editor::ExportState::Kind::written; });
    EXPECT_EQ(editor::load_photo(photo).pixels.rgb, document->shown.after->rgb);
    EXPECT_NE(read_file(photo), before);
}

TEST(ExternalFile, WhatCouldNotComeBackIsRefused) {
    const TemporaryFolder folder;
    const auto refusal = [&](const char* name) {
        return thrown_message<Error>([&] { editor::check_external_file(folder.path / name); });
    };
    EXPECT_NE(refusal("none.tif").find("none.tif"), std::string::npos);
    save_photo(folder.path / "a.png", quarters(32, 32));
    fs::copy_file(folder.path / "a.png", folder.path / "b.tif");
    EXPECT_NE(refusal("b.tif").find("its content is png"), std::string::npos);
    save_photo(folder.path / "c.tif", quarters(32, 32));
    fs::rename(folder.path / "c.tif", folder.path / "c.TIFF");
    EXPECT_NO_THROW(editor::check_external_file(folder.path / "c.TIFF"));
    const editor::VipsHandle plain = vips_copy_of(quarters(32, 64));
    VipsImage* made = nullptr;
    ASSERT_EQ(vips_cast_float(plain.get(), &made, nullptr), 0);
    const editor::VipsHandle real(made);
    ASSERT_EQ(vips_tiffsave(real.get(), (folder.path / "d.tif").c_str(), nullptr), 0);
    EXPECT_NE(refusal("d.tif").find("32 bits a sample"), std::string::npos) << refusal("d.tif");
    vips_image_set_int(plain.get(), VIPS_META_PAGE_HEIGHT, 32);
    ASSERT_EQ(vips_tiffsave(plain.get(), (folder.path / "e.tif").c_str(), nullptr), 0);
    EXPECT_NE(refusal("e.tif").find("has 2 pages"), std::string::npos) << refusal("e.tif");
}

// What cannot be written: the picture is shown, the mask is saved as soon as it can be.
TEST_F(WorkerFiles, WhatCannotBeSavedIsShownAndSavedLater) {
    const auto before = apply(open(1));
    const fs::path history = before->session / "history.json", mask = before->session / "mask.png";
    fs::remove(history);
    fs::create_directory(history);
    fs::create_directory(mask);
    worker->send(editor::LookRequest{before->draft.sample, 0.25, 0});
    const auto shown = wait("the render", [](const Document& d) {
        return d.shown.eta == 0.25 && d.activity == Activity::idle;
    });
    EXPECT_NE(shown->notice.text.find("The history is not saved: " + history.string()),
              std::string::npos)
        << shown->notice.text;
    fs::remove(history);
    worker->send(editor::StrokeRequest{{{{0.3, 0.3}, {0.6, 0.5}}, 0.15, false}, true, true});
    const auto told = wait("a notice", [&](const Document& d) {
        return d.notice.text.find(mask.string()) != std::string::npos;
    });
    std::this_thread::sleep_for(editor::save_pause + std::chrono::milliseconds(500));
    EXPECT_EQ(worker->document()->notice.number, told->notice.number) << "it is told once";
    fs::remove(mask);
    wait("the mask's files", [&](const Document&) {
        return fs::is_regular_file(mask) && fs::exists(before->session / "mask.json");
    });
    worker->send(editor::LookRequest{before->draft.sample, 0.35, 0});
    wait("the history", [&](const Document&) { return fs::is_regular_file(history); });
}

// Whoever pressed Export and closed the window counts on the files.
TEST_F(WorkerFiles, ExportsThatWaitAreWrittenAtTheEnd) {
    apply(open(1));
    std::vector<fs::path> files;
    for (int i = 0; i < 12; ++i) {
        files.push_back(folder.path / ("out" + std::to_string(i) + ".png"));
        worker->send(editor::ExportRequest{editor::ExportKind::photo, files.back(), {}, false});
    }
    worker.reset();
    for (const fs::path& file : files) EXPECT_TRUE(fs::exists(file)) << file;
}

// What came into KEEPSAKE_FILES since the window was opened.
TEST_F(WorkerFiles, TheNamesOfFilesAreListedAnew) {
    const fs::path root = folder.path / "root", loras = root / "models/Lora";
    fs::create_directories(loras);
    write_bytes(loras / "first.safetensors", "");
    ::setenv("KEEPSAKE_FILES", root.c_str(), 1);
    start();
    using Names = std::vector<std::string>;
    wait("the first", [](const Document& d) { return d.files->loras == Names{"first"}; });
    write_bytes(loras / "second.safetensors", "");
    fs::create_directories(root / "embeddings");
    write_bytes(root / "embeddings/grain.safetensors", "");
    worker->send(editor::FileNamesRequest{});
    const auto both = wait("the second", [](const Document& d) {
        return d.files->loras == Names{"first", "second"};
    });
    EXPECT_EQ(both->files->embeddings, Names{"grain"});
    fs::remove(loras / "first.safetensors");
    worker->send(editor::FileNamesRequest{});
    wait("it to go", [](const Document& d) { return d.files->loras == Names{"second"}; });
    ::unsetenv("KEEPSAKE_FILES");
}

TEST_F(WorkerFiles, ARelativeFolderAndTheOneAboveIt) {
    const auto listed = [&](const fs::path& asked, const fs::path& expected) {
        worker->send(editor::FolderRequest{asked});
        wait("the folder", [&](const Document& d) { return d.folder.path == expected; });
    };
    const fs::path here = fs::current_path();
    listed(folder.path, folder.path);
    listed("", here);
    listed(folder.path / "sub/..", folder.path);
    listed(".", here);
    // Where the program runs is gone: told, and it goes on.
    fs::create_directory(folder.path / "gone");
    fs::current_path(folder.path / "gone");
    fs::remove(folder.path / "gone");
    worker->send(editor::FolderRequest{""});
    wait("a fault", [&](const Document& d) { return !d.folder.fault.empty(); });
    fs::current_path(here);
    listed(folder.path, folder.path);
}

TEST_F(WorkerFiles, APipeInAFolderIsNotWaitedFor) {
    ASSERT_EQ(::mkfifo((folder.path / "pipe.jpg").c_str(), 0600), 0);
    worker->send(editor::FolderRequest{folder.path});
    const auto document = wait("the thumbnail", [](const Document& d) {
        return !d.folder.items.empty() && d.folder.items.back().thumbnail;
    });
    EXPECT_EQ(std::ranges::count(document->folder.items, editor::ShelfItem::Kind::photo,
                                 &editor::ShelfItem::kind),
              1);
    const std::uint64_t before = document->notice.number;
    worker->send(editor::OpenRequest{folder.path / "pipe.jpg", {}, false});
    const auto told = wait("a notice", [&](const Document& d) { return d.notice.number > before; });
    EXPECT_NE(told->notice.text.find("is a pipe, not a file"), std::string::npos);
}

TEST_F(WorkerFiles, AFolderIsListedWithThumbnails) {
    fs::create_directory(folder.path / "sub");
    write_bytes(folder.path / "notes.txt", "no photo");
    write_bytes(folder.path / "broken.jpg", "no photo either");
    worker->send(editor::FolderRequest{folder.path});
    const auto document = wait("the thumbnail", [](const Document& d) {
        return d.folder.items.size() >= 3 && d.folder.items.back().thumbnail;
    });
    EXPECT_EQ(document->folder.items[0].kind, editor::ShelfItem::Kind::folder);
    EXPECT_EQ(document->folder.items.back().title, "photo.png");
    for (const auto& item : document->folder.items) EXPECT_NE(item.title, "notes.txt");
}

}  // namespace
}  // namespace keepsake::testing
