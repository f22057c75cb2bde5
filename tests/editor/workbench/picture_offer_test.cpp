// Settings that other programs' pictures carry, in the window's fields: what is found, what is set,
// what is told.
#include "editor/workbench/picture_offer.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "editor/edit/settings_from.h"
#include "editor/photo/image_file.h"
#include "tests/editor/workbench/test_worker.h"

namespace keepsake::testing {
namespace {

namespace fs = std::filesystem;
using editor::Activity;
using editor::Document;
using editor::TakenOffer;

constexpr const char* theirs =
    "a (red:1.3) rose \\(in bloom\\) <lora:grain:0.5>\nNegative prompt: blur, [dark]\n"
    "Steps: 12, Sampler: Euler a, Schedule type: Karras, CFG scale: 6.5, Seed: 42, Size: 512x768, "
    "Model hash: 0123456789, Model: roses-v2, VAE: soft.safetensors, Clip skip: 2, Hires upscale: "
    "2";

// The folder of a web interface.
class PictureOfferTest : public ::testing::Test {
  protected:
    PictureOfferTest() { ::setenv("KEEPSAKE_FILES", folder.path.c_str(), 1); }
    ~PictureOfferTest() override { ::unsetenv("KEEPSAKE_FILES"); }
    fs::path file(const std::string& name, const std::string& content = "") {
        fs::create_directories((folder.path / name).parent_path());
        write_bytes(folder.path / name, content);
        return folder.path / name;
    }
    static TakenOffer taken(const std::string& text, const editor::ModelChoice& now = {}) {
        editor::PictureOffer offer;
        offer.path = "folder/theirs.png";
        offer.settings = editor::read_a1111_parameters(text);
        return editor::take_offer(offer, now, [] { return false; });
    }
    const TemporaryFolder folder;
};

TEST_F(PictureOfferTest, WhatHasAFieldIsSetAndTheRestIsTold) {
    const TakenOffer offer = taken(theirs, {"models/flowers", "", "mine:0.3"});
    editor::EditDraft draft;
    draft.prompt = "mine";
    draft.tuning.mode = "fast";
    draft.sample.schedule = "beta";
    draft.sample.noise_share = 0.4;
    draft = editor::changed(draft, offer.change);
    EXPECT_EQ(draft.prompt, "a red rose (in bloom)");
    EXPECT_EQ(draft.tuning.mode, "fast");
    EXPECT_EQ(draft.sample.negative, "blur, dark");
    EXPECT_EQ(draft.sample.sampler, "euler_a");
    EXPECT_EQ(draft.sample.schedule, "karras");
    EXPECT_EQ(draft.sample.steps, 12);
    EXPECT_EQ(draft.sample.guidance, 6.5);
    EXPECT_EQ(draft.sample.noise_share, 0.4);
    EXPECT_EQ(offer.change.seed, 42u);
    // Nothing lies in the folder: the model stays.
    EXPECT_EQ(offer.choice, (editor::ModelChoice{"models/flowers", "", "mine:0.3"}));
    EXPECT_EQ(editor::taken_text(offer),
              "theirs.png: used text, negative text, sampler euler_a, schedule karras, 12 steps, "
              "guidance 6.5, seed 42; of its settings these are not used: attention weights, "
              "size 512x768, clip skip 2, a graphics card's noise (its seed is another picture "
              "here), VAE soft.safetensors, Hires upscale 2, model roses-v2, LoRA grain:0.5");
}

TEST_F(PictureOfferTest, FilesAreFoundByTheirNames) {
    const fs::path model = file("models/Stable-diffusion/deep/roses-v2.safetensors"),
                   vae = file("models/VAE/soft.safetensors"),
                   lora = file("models/Lora/grain.safetensors");
    const TakenOffer offer = taken(theirs, {"models/flowers", "", "mine:0.3"});
    EXPECT_EQ(offer.choice.path, model);
    EXPECT_EQ(offer.choice.vae, vae);
    EXPECT_EQ(offer.choice.loras, lora.string() + ":0.5");
    EXPECT_NE(offer.used.find("model roses-v2, LoRA grain:0.5"), std::string::npos) << offer.used;
    // The one that is in use already, wherever it lies.
    EXPECT_EQ(taken(theirs, {"elsewhere/roses-v2.safetensors", "", ""}).choice.path,
              "elsewhere/roses-v2.safetensors");
    // A stranger's name is no path of this machine.
    const fs::path outside = file("outside.safetensors");
    const TakenOffer stranger =
        taken("x\nSteps: 1, Sampler: DDIM, Seed: 1, Model: " + outside.string());
    EXPECT_EQ(stranger.choice.path, "");
    EXPECT_NE(stranger.left.find("model /"), std::string::npos) << stranger.left;
}

TEST_F(PictureOfferTest, AModelOfAnotherNameIsFoundByItsHash) {
    file("models/Stable-diffusion/a.safetensors", "another");
    const fs::path model = file("models/Stable-diffusion/renamed.safetensors", "abc");
    // FIPS 180-2, appendix B.1.
    const std::string text = "x\nSteps: 1, Sampler: DDIM, Seed: 1, Model: gone, Model hash: ";
    EXPECT_EQ(taken(text + "ba7816bf8f").choice.path, model);
    EXPECT_EQ(taken(text + "ba7816bf80").choice.path, "");
    EXPECT_EQ(taken(text + "ba").choice.path, "") << "no two digits are a hash";
    EXPECT_NE(taken(text + "ba7816bf80").left.find("model gone"), std::string::npos);
}

TEST_F(PictureOfferTest, TextsThatChangeAndUnknownNames) {
    const TakenOffer offer =
        taken("a [red:blue:0.5] rose\nSteps: 4, Sampler: DPM adaptive, CFG scale: 1, Seed: 3");
    EXPECT_EQ(offer.change.prompt, "a blue rose");
    EXPECT_FALSE(offer.change.sampler);
    EXPECT_NE(offer.left.find("texts that change from step to step"), std::string::npos);
    EXPECT_NE(offer.left.find("sampler DPM adaptive"), std::string::npos) << offer.left;
}

// What a picture's file says, by the worker: opened, dropped, taken.
class OfferedPicture : public WorkerTest {
  protected:
    fs::path picture(const char* name, const std::string& parameters) const {
        editor::write_image(folder.path / name, quarters(64, 64), {.parameters = parameters});
        return folder.path / name;
    }
};

TEST_F(OfferedPicture, OfAnOpenedPhotoAndOfADroppedOne) {
    const fs::path first = picture("first.jpg", theirs), plain = picture("plain.png", "");
    worker->send(editor::OpenRequest{first, {}, false});
    const auto offered = wait("the offer", [](const Document& d) { return d.offer && d.photo; });
    EXPECT_FALSE(offered->offer->asks);
    EXPECT_EQ(offered->offer->settings.written_by, "AUTOMATIC1111");
    EXPECT_EQ(editor::offer_text(offered->offer->settings).find("\u201ca (red:1.3) rose"), 0u);
    // Dropped, a picture without settings opens as it always did; the offer goes with its photo.
    worker->send(editor::PictureRequest{plain, true});
    const auto opened =
        wait("the photo", [&](const Document& d) { return d.photo->file->path == plain; });
    EXPECT_FALSE(opened->offer);
    // One that carries some waits for the answer.
    const fs::path second = picture("second.png", theirs);
    worker->send(editor::PictureRequest{second, true});
    const auto asked = wait("the question", [](const Document& d) { return d.offer != nullptr; });
    EXPECT_TRUE(asked->offer->asks);
    EXPECT_EQ(asked->photo->file->path, plain);
    worker->send(editor::TakeOfferRequest{});
    const auto taken = wait("the settings", [](const Document& d) {
        return d.taken_offer && d.notice.text.starts_with("second.png: used text");
    });
    EXPECT_EQ(taken->taken_offer->change.seed, 42u);
    EXPECT_NE(taken->notice.text.find("of its settings these are not used: "), std::string::npos);
    EXPECT_EQ(taken->draft_revision, asked->draft_revision) << "only the window sets its fields";
}

TEST_F(OfferedPicture, AnotherModelComesWithTheChangedFields) {
    open(1);
    const auto before = worker->document();
    editor::ModelChoice choice = before->model->choice;
    editor::DraftChange change = editor::change_to(before->draft, 7);
    change.prompt = "a blue rose";
    change.steps = 3;
    worker->send(editor::ModelRequest{choice, false, change});
    const auto after = wait("the model", [&](const Document& d) {
        return d.draft_revision > before->draft_revision && d.activity == Activity::idle;
    });
    EXPECT_EQ(after->draft.prompt, "a blue rose");
    EXPECT_EQ(after->draft.sample.steps, 3);
    EXPECT_EQ(after->seed, 7u);
    EXPECT_EQ(after->draft.tuning, before->draft.tuning);
}

// An edit that was exported offers what it was made by.
TEST_F(OfferedPicture, OurOwnEdit) {
    editor::EditDraft draft = open(1);
    draft.sample.negative = "blur";
    draft.sample.spacing = "trailing";
    const auto document = apply(draft);
    const fs::path out = folder.path / "out.jpg";
    worker->send(editor::ExportRequest{editor::ExportKind::photo, out, {}, false});
    wait("the file",
         [](const Document& d) { return d.exported.kind == editor::ExportState::Kind::written; });
    editor::PictureOffer offer;
    const auto settings = editor::carried_settings(out);
    ASSERT_TRUE(settings);
    offer.settings = *settings;
    const TakenOffer taken =
        editor::take_offer(offer, document->model->choice, [] { return false; });
    const editor::EditDraft same = editor::changed(document->defaults.front(), taken.change);
    EXPECT_EQ(same.prompt, draft.prompt);
    EXPECT_EQ(same.sample, draft.sample);
    EXPECT_EQ(taken.change.seed, document->seed);
    EXPECT_EQ(taken.choice, document->model->choice);
    EXPECT_EQ(taken.left.find("strength "), 0u) << taken.left;
    EXPECT_FALSE(editor::carried_settings(photo));
}

}  // namespace
}  // namespace keepsake::testing
