// The room Teach without a window and without learning: its fields, its files, its list of words.
#include "editor/workbench/teach_draft.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "editor/edit/learn.h"
#include "editor/session/picture_set.h"
#include "editor/workbench/document.h"
#include "editor/workbench/my_words.h"
#include "editor/workbench/teach_files.h"
#include "editor/workbench/word_completion.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/text/added_words.h"
#include "pipeline/text/tokenizer.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using testing::flowers;
using testing::quarters;
using testing::save_photo;
using testing::TemporaryFolder;
using testing::write_bytes;
using Names = std::vector<std::string>;

TeachPicture picture(const fs::path& file, const std::string& caption = "") {
    return {file, file.filename().string(), caption, {}, 1, nullptr};
}

TEST(TeachDraft, FaultsSayWhatIsMissing) {
    const pipeline::Tokenizer tokenizer(flowers / "tokenizer");
    ModelView model;
    model.check_word = [&](const std::string& name) {
        try {
            tokenizer.with_words({{name, 1}}, tokenizer.next_id());
            return std::string();
        } catch (const Error& error) {
            return std::string(error.what());
        }
    };
    TeachDraft draft;
    EXPECT_EQ(faults_of(draft, model, {}).pictures, "Add photos to learn from.");
    EXPECT_NE(faults_of(draft, model, {}).token.find("Name the word"), std::string::npos);
    draft.pictures = {picture("a.jpg")};
    draft.token = "rose";
    const std::string refused = faults_of(draft, model, {}).token;
    EXPECT_NE(refused.find("in the model's vocabulary"), std::string::npos) << refused;
    EXPECT_NE(refused.find("'<rose>' is free"), std::string::npos) << refused;
    draft.token = "<rose>";
    EXPECT_TRUE(faults_of(draft, model, {}).none());
    EXPECT_NE(faults_of(draft, model, {"<ROSE>"}).token.find("among My words"), std::string::npos);
    // A subject's words are those of the vocabulary; captions have to be there, with the word.
    draft.kind = LearnKind::subject;
    draft.token = "sks flower";
    EXPECT_TRUE(faults_of(draft, model, {}).none());
    draft.kind = LearnKind::captions;
    draft.token = "sepia";
    EXPECT_NE(faults_of(draft, model, {}).pictures.find("None of the photos has a caption"),
              std::string::npos);
    draft.pictures[0].caption = "a photo of a rose";
    EXPECT_NE(faults_of(draft, model, {}).token.find("No caption has “sepia”"), std::string::npos);
    draft.pictures[0].caption = "a Sepia photo of a rose";
    EXPECT_TRUE(faults_of(draft, model, {}).none());
}

TEST(TeachDraft, IsTheCommandLinesRequestAndBack) {
    TeachDraft draft;
    draft.token = "<My-Rose>";
    draft.init = "red rose";
    draft.mirror = true;
    const LearnRequest word = request_of(draft, flowers);
    EXPECT_EQ(word.word.name, "<My-Rose>");
    EXPECT_EQ(word.word.init, "red rose");
    EXPECT_EQ(word.name, "my-rose");
    EXPECT_EQ(word.options.stage.steps, 1000);    // of the model's keepsake.json
    EXPECT_EQ(word.options.stage.batch_size, 4);  // likewise
    EXPECT_EQ(word.every, 100);
    draft.steps = 40;
    EXPECT_EQ(request_of(draft, flowers).options.stage.steps, 40);
    EXPECT_EQ(request_of(draft, flowers).every, 5);
    TeachDraft back = draft_of(request_of(draft, flowers));
    EXPECT_TRUE(same_lesson(back, draft));
    back.init = "rose";
    EXPECT_FALSE(same_lesson(back, draft));
    draft.kind = LearnKind::subject;
    draft.class_words = "flower";
    const LearnRequest subject = request_of(draft, flowers);
    EXPECT_EQ(subject.token, "<My-Rose>");
    EXPECT_EQ(subject.prior.class_words, "flower");
    EXPECT_FALSE(subject.word.init);
    draft.token = " ";
    EXPECT_THROW(request_of(draft, flowers), Error);
}

TEST(TeachDraft, ALessonIsAPictureSetOfItsOwn) {
    const TemporaryFolder folder;
    const fs::path a = folder.path / "a.png", b = folder.path / "b" / "a.png";
    fs::create_directory(b.parent_path());
    save_photo(a, quarters(40, 32));
    save_photo(b, quarters(32, 32));
    write_bytes(folder.path / "a.txt", "mine");
    TeachDraft draft;
    draft.pictures = {picture(a, "a \"rose\""), picture(b)};
    draft.pictures[0].captions = {"another"};
    draft.pictures[1].repeats = 3;
    const fs::path lesson = write_lesson(draft, folder.path / "run");
    EXPECT_EQ(lesson, folder.path / "run" / "pictures");
    Monitor silent;
    const PictureSet set = read_picture_set({lesson}, silent);
    ASSERT_EQ(set.pictures.size(), 2u);
    EXPECT_EQ(set.pictures[0].captions, (Names{"a \"rose\"", "another"}));
    EXPECT_TRUE(set.pictures[1].captions.empty());
    EXPECT_EQ(set.pictures[1].repeats, 3);
    EXPECT_TRUE(set.remarks.empty());
    EXPECT_TRUE(read_file(set.pictures[0].file) == read_file(a));
    EXPECT_EQ(read_file(folder.path / "a.txt"), "mine");
    draft.pictures.push_back(picture(folder.path / "gone.png"));
    EXPECT_THROW(write_lesson(draft, folder.path / "other"), Error);
}

TEST(MyWords, AreKeptAndDeletedInTheLibraryAlone) {
    const TemporaryFolder folder;
    const fs::path library = folder.path / "library", run = learned_folder(library) / "rose";
    fs::create_directories(run);
    write_bytes(run / "run.json", "{}");
    write_bytes(run / "rose.safetensors", "x");
    const fs::path outside = folder.path / "outside.safetensors";
    write_bytes(outside, "x");
    EXPECT_TRUE(my_words(library).empty());
    add_my_word(library, {"<rose>", MyWord::Kind::word, run / "rose.safetensors", {}, 1, "abc"});
    add_my_word(library, {"sks", MyWord::Kind::lora, outside, run / "p.png", 0.5, "abc"});
    add_my_word(library, {"SKS", MyWord::Kind::lora, outside, {}, 0.75, "abc"});  // in its place
    std::vector<MyWord> words = my_words(library);
    ASSERT_EQ(words.size(), 2u);
    EXPECT_EQ(words[0].file, run / "rose.safetensors");
    EXPECT_EQ(words[1].name, "SKS");
    EXPECT_EQ(words[1].strength, 0.75);
    set_strength(library, "SKS", 7);
    EXPECT_EQ(my_words(library)[1].strength, 2);
    // The library may be moved: what lies in it is found again.
    fs::rename(library, folder.path / "moved");
    EXPECT_EQ(my_words(folder.path / "moved").size(), 2u);
    fs::rename(folder.path / "moved", library);
    delete_my_word(library, "SKS");
    EXPECT_TRUE(fs::exists(outside));
    delete_my_word(library, "<rose>");
    EXPECT_FALSE(fs::exists(run));
    EXPECT_TRUE(my_words(library).empty());
    write_bytes(library / "my-words.json", "{ damaged");
    EXPECT_TRUE(my_words(library).empty());
}

TEST(MyWords, ThoseThatATextAsksFor) {
    const std::vector<MyWord> words = {{"<rose>", MyWord::Kind::word, "a", {}, 1, "m"},
                                       {"sks flower", MyWord::Kind::lora, "b", {}, 1, "m"},
                                       {"<other>", MyWord::Kind::word, "c", {}, 1, "another"}};
    const auto named = [&](const std::string& text, const std::string& negative) {
        Names names;
        for (const MyWord& word : words_for(words, text, negative, "m")) names.push_back(word.name);
        return names;
    };
    EXPECT_EQ(named("a photo of a <ROSE>, red", ""), Names{"<rose>"});
    EXPECT_EQ(named("a sks flower and a <rose>", ""), (Names{"<rose>", "sks flower"}));
    EXPECT_EQ(named("a rose", "<rose> sks flower"), Names{"<rose>"});
    EXPECT_EQ(named("a <other>", ""), Names{});
}

TEST(WordCompletion, FindsWhatATextBeginsToSpell) {
    const Names names = {"<my-rose>", "sks flower", "sepia"};
    const auto found = [&](const std::string& text) {
        Names result;
        for (const WordCompletion& one : complete_word(text, text.size(), names))
            result.push_back(std::to_string(one.from) + " " + one.name);
        return result;
    };
    EXPECT_EQ(found("a photo of <"), Names{"11 <my-rose>"});
    EXPECT_EQ(found("a <MY"), Names{"2 <my-rose>"});
    EXPECT_EQ(found("a my-r"), Names{"2 <my-rose>"});
    EXPECT_EQ(found("a sk"), Names{"2 sks flower"});
    EXPECT_EQ(found("a sks fl"), Names{"2 sks flower"});
    EXPECT_EQ(found("se"), Names{"0 sepia"});
    EXPECT_EQ(found("a s"), Names{});    // too little
    EXPECT_EQ(found("chose"), Names{});  // within a word
    EXPECT_EQ(found("sepia"), Names{});  // there already
    EXPECT_EQ(found("a <my-rose>"), Names{});
    EXPECT_EQ(found(""), Names{});
    std::size_t cursor = 4;
    EXPECT_EQ(completed("a my at night", {2, "<my-rose>"}, cursor), "a <my-rose> at night");
    EXPECT_EQ(cursor, 11u);
}

}  // namespace
}  // namespace keepsake::editor
