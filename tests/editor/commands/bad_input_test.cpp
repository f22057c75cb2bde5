// Bad input through the real program: one clear line, the right exit status, nothing damaged.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "pipeline/files/atomic_file.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;

// A folder with a good photo and a file that must still be there afterwards.
class BadInput : public ::testing::Test {
  protected:
    BadInput() {
        save_photo(photo, quarters(80, 64));
        write_bytes(folder.path / "precious.txt", "precious");
    }

    // `edit` with the smallest tuning that there is.
    std::vector<std::string> edit(const fs::path& of, const std::vector<std::string>& more = {}) {
        return joined({"edit",
                       of.string(),
                       "a red rose",
                       "--session",
                       session.string(),
                       "--out",
                       out.string(),
                       "--size",
                       "64",
                       "--embedding-steps",
                       "1",
                       "--finetune-steps",
                       "1",
                       "--steps",
                       "2",
                       "--eta",
                       "0.5",
                       "--sampler",
                       "ddim",
                       "--quiet"},
                      more);
    }

    // Exactly one line on stderr, which has all of `parts`, and nothing on stdout.
    void expect_refused(const ProgramRun& run, int status, const std::vector<std::string>& parts) {
        EXPECT_EQ(run.status, status) << run.err;
        EXPECT_EQ(run.out, "");
        ASSERT_EQ(run.error_lines().size(), 1u) << run.err;
        EXPECT_EQ(run.err.find("keepsake: "), 0u) << run.err;
        for (const std::string& part : parts) {
            EXPECT_NE(run.err.find(part), std::string::npos)
                << "no '" << part << "' in " << run.err;
        }
        EXPECT_EQ(read_file(folder.path / "precious.txt"), "precious");
    }

    void expect_no_session() {
        EXPECT_FALSE(fs::exists(session));
        EXPECT_FALSE(fs::exists(out));
    }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "photo.png";
    const fs::path session = folder.path / "s.keepsake";
    const fs::path out = folder.path / "out";
};

TEST_F(BadInput, NoSuchPhoto) {
    expect_refused(run_program(edit(folder.path / "none.jpg")), 1, {"none.jpg", "No such file"});
    expect_no_session();
}

TEST_F(BadInput, NotAnImage) {
    expect_refused(run_program(edit(folder.path / "precious.txt")), 1,
                   {"precious.txt: is not an image"});
    expect_no_session();
}

// They may have no end, or nobody who ever writes.
TEST_F(BadInput, APipeOrADeviceIsNotWaitedFor) {
    const fs::path pipe = folder.path / "pipe.png";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    expect_refused(run_program(edit(pipe)), 1, {"pipe.png: is a pipe, not a file"});
    expect_refused(run_program(edit("/dev/zero")), 1, {"/dev/zero: is a device, not a file"});
    expect_refused(run_program({"info", pipe.string()}), 1, {"pipe.png: is a pipe, not a file"});
    expect_refused(run_program(edit(photo, {"--model", pipe.string()})), 1, {"pipe.png"});
    expect_no_session();
}

TEST_F(BadInput, ANameThatIsTooLongIsFoundBeforeTheLearning) {
    const std::string stem(240, 'x'), file = std::string(300, 'y') + ".png";
    save_photo(folder.path / (stem + ".png"), quarters(80, 64));
    expect_refused(run_program(edit(folder.path / (stem + ".png"))), 1,
                   {"-eta0.50-seed0.png", "File name too long"});
    expect_refused(run_program(edit(photo, {"--out", (folder.path / file).string()})), 1,
                   {"File name too long"});
    EXPECT_FALSE(fs::exists(session));
    const std::vector<std::string> generate = {"generate", "a rose", "--size",  "64",
                                               "--steps",  "2",      "--quiet", "--out"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.begin(), generate.begin(), generate.end());
        return run_program(more);
    };
    expect_refused(with({(folder.path / file).string()}), 1, {"File name too long"});
    const fs::path picture = folder.path / "rose.png";
    expect_refused(with({picture.string(), "--latents-out", (folder.path / "no/l").string()}), 1,
                   {"no: is not a folder"});
    EXPECT_FALSE(fs::exists(picture));
}

TEST_F(BadInput, OnePixel) {
    save_photo(folder.path / "dot.png", quarters(1, 1));
    expect_refused(run_program(edit(folder.path / "dot.png")), 1, {"dot.png: is 1x1 pixels"});
    expect_no_session();
}

TEST_F(BadInput, TruncatedJpeg) {
    save_photo(folder.path / "cut.jpg", quarters(200, 200));
    const std::string bytes = read_file(folder.path / "cut.jpg");
    write_bytes(folder.path / "cut.jpg", bytes.substr(0, bytes.size() * 2 / 3));
    expect_refused(run_program(edit(folder.path / "cut.jpg")), 1, {"cut.jpg: cannot be decoded"});
    expect_no_session();
}

// Headers that promise more than there is.
TEST_F(BadInput, AbsurdSizes) {
    const auto big_endian = [](std::uint32_t n, int bytes) {
        std::string text;
        for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += char(n >> shift);
        return text;
    };
    save_photo(folder.path / "good.jpg", quarters(80, 64));
    const std::string png = read_file(photo), jpeg = read_file(folder.path / "good.jpg");
    const auto huge_png = [&](std::uint32_t side) {
        return png.substr(0, 8) +
               png_chunk("IHDR", big_endian(side, 4) + big_endian(side, 4) + png.substr(24, 5)) +
               png.substr(33);
    };
    write_bytes(folder.path / "huge.png", huge_png(65500));
    write_bytes(folder.path / "most.png", huge_png(0x7fffffff));
    write_bytes(folder.path / "none.png", huge_png(0));
    std::string huge_jpeg = jpeg;
    const std::size_t frame = jpeg.find("\xff\xc0");
    ASSERT_NE(frame, jpeg.npos);
    huge_jpeg.replace(frame + 5, 4, big_endian(65500, 2) + big_endian(65500, 2));
    write_bytes(folder.path / "huge.jpg", huge_jpeg);
    for (const char* name : {"huge.png", "huge.jpg"}) {
        expect_refused(run_program(edit(folder.path / name)), 1,
                       {std::string(name) + ": is 65500x65500 pixels; more than 268 megapixels"});
    }
    for (const char* name : {"most.png", "none.png"}) {
        expect_refused(run_program(edit(folder.path / name)), 1,
                       {std::string(name) + ": cannot be decoded, it seems to be damaged: "});
    }
    expect_no_session();
}

TEST_F(BadInput, AnAnimatedPng) {
    const std::string png = read_file(photo);
    write_bytes(
        folder.path / "moves.png",
        png.substr(0, 33) + png_chunk("acTL", std::string("\0\0\0\2\0\0\0\0", 8)) + png.substr(33));
    expect_refused(run_program(edit(folder.path / "moves.png")), 1,
                   {"moves.png: is an animation; give a single picture"});
    expect_no_session();
}

TEST_F(BadInput, ThirtyThousandPixelsWideIsNoTrouble) {
    save_photo(folder.path / "wide.jpg", quarters(30000, 64));
    const ProgramRun run = run_program(edit(folder.path / "wide.jpg"));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.err, "");
    EXPECT_TRUE(fs::exists(out / "wide-eta0.50-seed0.jpg"));
}

TEST_F(BadInput, WrongUsage) {
    const auto refused = [&](std::vector<std::string> arguments, std::vector<std::string> parts) {
        SCOPED_TRACE(::testing::PrintToString(arguments));
        expect_refused(run_program(arguments), 2, parts);
        expect_no_session();
    };
    refused({}, {"command: is missing", "edit, render, generate, info, tokenize"});
    refused({"emboss"}, {"emboss"});
    refused({"edit", photo.string()}, {"TEXT is required"});
    refused({"edit", photo.string(), ""}, {"target text: is empty"});
    refused({"edit", photo.string(), " \t\n"}, {"target text: is empty"});
    refused({"generate", ""}, {"text: is empty"});
    refused(edit(photo, {"--sampler", "magic"}),
            {"--sampler", "'magic'", "ddim, pndm, lms, euler, dpmpp_2m, lcm, tcd"});
    refused(edit(photo, {"--rank", "-1"}), {"--rank: is not from 0 to 1024"});
    refused(edit(photo, {"--from", ""}), {"--from: is empty"});
    refused(edit(photo, {"--mode", "slow"}), {"--mode: 'slow' is none of fast, paper, quick"});
    refused(edit(photo, {"--checkpointing", "yes"}),
            {"--checkpointing: 'yes' is none of auto, on, off"});
    refused(edit(photo, {"--frobnicate"}), {"--frobnicate"});
    refused({"render", session.string(), "--eta", "1:2"}, {"--eta", "1:2"});
    refused({"render", session.string(), "--steps", "0"}, {"--steps"});
    refused({"render", session.string(), "--steps", "many"}, {"--steps", "many"});
    refused({"render", session.string(), "--guidance", "nan"}, {"--guidance"});
    refused({"render", session.string(), "--seed", "1,x"}, {"--seed", "1,x"});
    refused({"render", session.string(), "--seed", "1,2", "--out", "a.png"},
            {"--out", "one --seed"});
    refused({"render", session.string(), "--way", "far"}, {"--way", "words, line"});
    refused({"render", session.string(), "--threads", "0"}, {"--threads"});
    refused({"render", session.string(), "--device", "tpu"}, {"--device", "cpu, cuda, auto"});
    refused({"render", session.string(), "--precision", "half"},
            {"--precision", "'half' is none of float32, bfloat16, auto"});
    refused({"render", session.string(), "--prediction", "noise"},
            {"--prediction", "'noise' is none of epsilon, v_prediction, sample"});
    refused({"generate", "x", "--out", "a.bmp"}, {"--out", "a.bmp"});
    refused({"generate", "x", "--strength", "0.5"}, {"--strength: is only for --image"});
    refused({"generate", "x", "--image", "a.png", "--strength", "1.5"}, {"--strength"});
    refused(edit(photo, {"--mask-threshold", "1.5"}), {"--mask-threshold"});
    refused(edit(photo, {"--mask-feather", "-1"}), {"--mask-feather"});
    refused(edit(photo, {"--mask", ""}), {"--mask"});
    refused(edit(photo, {"--format", "gif"}), {"--format", "jpg, png, tif, webp"});
    refused(edit(photo, {"--quality", "0"}), {"--quality"});
    refused(edit(photo, {"--no-full", "--quality", "80"}), {"--no-full", "--quality"});
    refused(edit(photo, {"--crop", "1,2,3"}), {"--crop", "x,y,w,h"});
}

// Only the mode inpaint has a use of it, which a session says.
TEST_F(BadInput, AMaskForTheModelsOwnPicture) {
    expect_refused(run_program(edit(photo, {"--no-full", "--mask", "auto"})), 1,
                   {"--no-full", "--mask does not apply"});
    expect_no_session();
}

TEST_F(BadInput, CropOutsideThePhoto) {
    expect_refused(run_program(edit(photo, {"--crop", "40,0,64,64"})), 1,
                   {"crop 40,0,64,64: reaches outside the photo, which is 80x64"});
    expect_refused(run_program(edit(photo, {"--crop", "0,0,64,20"})), 1,
                   {"crop 0,0,64,20: is more than twice as long as wide"});
    expect_no_session();
}

TEST_F(BadInput, ModelWithAFileMissing) {
    const fs::path model = folder.path / "model";
    link_model(model);
    fs::remove(model / unet_weights);
    expect_refused(run_program(edit(photo, {"--model", model.string()})), 1, {model.string()});
    link_model(folder.path / "m2");
    fs::remove(folder.path / "m2/tokenizer/vocab.json");
    expect_refused(run_program(edit(photo, {"--model", (folder.path / "m2").string()})), 1,
                   {"vocab.json"});
    expect_refused(run_program(edit(photo, {"--model", (folder.path / "m3").string()})), 1, {"m3"});
    expect_no_session();
}

TEST_F(BadInput, DamagedWeights) {
    const fs::path model = folder.path / "model";
    link_model(model);
    const fs::path weights = model / unet_weights;
    const auto refused = [&](const std::vector<std::string>& parts) {
        expect_refused(run_program(edit(photo, {"--model", model.string()})), 1, parts);
    };
    const std::string good = read_file(flowers / unet_weights);
    replace_file(weights, good.substr(0, good.size() / 2));
    refused({"diffusion_pytorch_model.safetensors"});
    replace_file(weights, std::string(8, '\xff') + good.substr(8));  // header of 2^64 - 1 bytes
    refused({"diffusion_pytorch_model.safetensors"});
    const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
    std::string length(8, '\0');
    length[0] = static_cast<char>(header.size());
    replace_file(weights, length + header + std::string(12, 'x'));
    refused({"diffusion_pytorch_model.safetensors"});
    change_weight(model, std::nan(""));
    refused({"conv_out.weight"});
    expect_no_session();
}

TEST_F(BadInput, DiskFullWhileSaving) {
    // The photo, the recipe and the embeddings fit; the weights do not.
    const ProgramRun full = run_program(edit(photo), {.largest_file = 1 << 20});
    expect_refused(full, 1, {"s.keepsake/lora.safetensors", "File too large"});
    EXPECT_TRUE(fs::exists(session / "embeddings.safetensors"));
    EXPECT_FALSE(fs::exists(session / "lora.safetensors"));
    for (const auto& entry : fs::directory_iterator(session)) {
        EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
    }
    const std::string embeddings = read_file(session / "embeddings.safetensors");
    const ProgramRun run = run_program(edit(photo));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(read_file(session / "embeddings.safetensors"), embeddings);
}

TEST_F(BadInput, DiskReallyFull) {
    const fs::path disk = folder.path / "disk";
    fs::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=4m") != 0) {
        GTEST_SKIP() << "no permission to mount a small disk here";
    }
    std::vector<std::string> arguments = edit(photo);
    arguments[4] = (disk / "s.keepsake").string();
    const ProgramRun run = run_program(arguments);
    EXPECT_TRUE(fs::exists(disk / "s.keepsake/recipe.json"));
    EXPECT_TRUE(fs::exists(disk / "s.keepsake/embeddings.safetensors"));
    EXPECT_FALSE(fs::exists(disk / "s.keepsake/lora.safetensors"));
    EXPECT_EQ(::umount(disk.c_str()), 0);
    expect_refused(run, 1, {"lora.safetensors", "No space left on device"});
}

TEST_F(BadInput, SessionFolderWithoutWritePermission) {
    ASSERT_EQ(run_program(edit(photo)).status, 0);
    const std::string recipe = read_file(session / "recipe.json");
    fs::remove(session / "lora.safetensors");
    fs::remove(session / "lock");
    fs::permissions(session, fs::perms::owner_read | fs::perms::owner_exec);
    const ProgramRun run = run_program(edit(photo), {.obey_permissions = true});
    fs::permissions(session, fs::perms::owner_all);
    expect_refused(run, 1,
                   {"session " + session.string() + ": cannot be written: Permission denied"});
    EXPECT_EQ(read_file(session / "recipe.json"), recipe);
    EXPECT_FALSE(fs::exists(session / "lora.safetensors"));

    // A new one where no folder may be made.
    const fs::path closed = folder.path / "closed";
    fs::create_directory(closed);
    fs::permissions(closed, fs::perms::owner_read | fs::perms::owner_exec);
    std::vector<std::string> arguments = edit(photo);
    arguments[4] = (closed / "s.keepsake").string();
    const ProgramRun denied = run_program(arguments, {.obey_permissions = true});
    fs::permissions(closed, fs::perms::owner_all);
    expect_refused(denied, 1, {"closed/s.keepsake: cannot be made: Permission denied"});
}

TEST_F(BadInput, OutputFolderWithoutWritePermission) {
    fs::create_directory(out);
    fs::permissions(out, fs::perms::owner_read | fs::perms::owner_exec);
    const ProgramRun run = run_program(edit(photo), {.obey_permissions = true});
    fs::permissions(out, fs::perms::owner_all);
    expect_refused(run, 1, {"out: cannot be written: Permission denied"});
}

TEST_F(BadInput, FolderThatIsNoSession) {
    fs::create_directory(session);
    write_bytes(session / "diary.txt", "dear diary");
    expect_refused(run_program(edit(photo)), 1, {"other things in it ('diary.txt')"});
    EXPECT_EQ(read_file(session / "diary.txt"), "dear diary");
    expect_refused(run_program({"render", session.string()}), 1, {"holds no recipe.json"});
    expect_refused(run_program({"render", (folder.path / "none").string()}), 1, {"no such folder"});
    expect_refused(run_program({"info", (folder.path / "none").string()}), 1, {"none"});
}

}  // namespace
}  // namespace keepsake::testing
