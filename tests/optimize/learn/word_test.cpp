// Textual inversion against diffusers' script: tests/goldens/make_learning_goldens.py,
// word_steps().
#include "optimize/learn/word.h"

#include <gtest/gtest.h>

#include <set>

#include "optimize/learn/pictures.h"
#include "tests/optimize/learn/tiny_networks.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::optimize {
namespace {

using testing::thrown_message;

struct Fixture {
    const TensorMap networks = pipeline::read_safetensors(KEEPSAKE_GOLDENS "/pictures.safetensors");
    const TensorMap golden = pipeline::read_safetensors(KEEPSAKE_GOLDENS "/word_steps.safetensors");
    const pipeline::UNet unet = testing::tiny_unet();
    const pipeline::TextEncoder text = testing::tiny_text(networks);
    const pipeline::Schedule schedule{
        pipeline::ScheduleConfig::stable_diffusion(pipeline::PredictionType::epsilon)};
    PictureTask task{unet,     text,
                     schedule, [this](const std::string& caption) { return ids_of(caption); },
                     {},       42};

    Fixture() {
        const std::vector<std::vector<std::string>> captions = {
            {"1"}, {"1", "2"}, {"2"}, {"3"}, {"4", "1", "3"}};
        for (std::int64_t i = 0; i < 5; ++i) {
            LearnPicture picture;
            picture.latents = golden.at("latents").slice(0, i, i + 1);
            picture.captions = captions[static_cast<std::size_t>(i)];
            task.pictures.push_back(picture);
        }
        task.word_start = word_start(text, {7}, 2);
    }
    Fixture(const Fixture&) = delete;

    Tensor ids_of(const std::string& caption) const {
        const std::int64_t row = caption.empty() ? 0 : std::stoll(caption);
        return golden.at("ids").slice(0, row, row + 1);
    }
};

// As the script has it.
PictureOptions script_options() {
    PictureOptions options = word_options();
    options.stage.steps = 5;
    options.stage.batch_size = 2;
    options.stage.draws = Draws::independent;
    options.schedule.kind = LearningSchedule::constant;
    options.schedule.rate = 2e-2;
    options.word->norm = WordNorm::free;
    return options;
}

TEST(Word, FiveStepsAreTheReferences) {
    Fixture f;
    EXPECT_TRUE(at::equal(f.task.word_start, f.golden.at("start")));
    TensorMap before;
    for (const auto& [name, tensor] : f.text.parameters()) before[name] = tensor.clone();
    LearnedPictures learned;
    learn_pictures(f.task, script_options(), learned);
    const Tensor& losses = f.golden.at("losses");
    ASSERT_EQ(learned.losses.training.size(), 5u);
    for (std::int64_t i = 0; i < 5; ++i)
        EXPECT_NEAR(learned.losses.training[static_cast<std::size_t>(i)] / losses[i].item<double>(),
                    1, 1e-4)
            << "step " << i;
    // Each vector by itself: one that stays where it was would hide behind another.
    for (std::int64_t i = 0; i < 2; ++i) {
        const Tensor wanted = f.golden.at("after")[i];
        const double moved = (wanted - f.golden.at("start")[i]).norm().item<double>();
        EXPECT_GT(moved, 0.05);
        EXPECT_LT((learned.word[i] - wanted).norm().item<double>(), 2e-3 * moved) << i;
    }
    for (const auto& [name, tensor] : before)
        EXPECT_TRUE(at::equal(tensor, f.text.parameters().at(name))) << name;
    EXPECT_EQ(learning_tensors(learned, script_options()).size(), 1u);
}

TEST(Word, ItsNormIsKept) {
    Fixture f;
    f.task.word_start[1] *= 3;
    PictureOptions options = script_options();
    const Tensor start = f.task.word_start.norm(2, {1});
    for (const WordNorm norm : {WordNorm::start, WordNorm::table, WordNorm::free}) {
        options.word->norm = norm;
        LearnedPictures learned;
        learn_pictures(f.task, options, learned);
        const Tensor found = learned.word.norm(2, {1});
        const Tensor wanted = norm == WordNorm::start ? start
                                                      : f.text.parameters()
                                                            .at("embeddings.token_embedding.weight")
                                                            .norm(2, {1})
                                                            .median()
                                                            .expand({2});
        EXPECT_EQ(at::allclose(found, wanted, 1e-5, 0), norm != WordNorm::free) << found;
        EXPECT_FALSE(at::equal(learned.word, f.task.word_start));
    }
}

TEST(Word, GoesOnWithTheSameNumbers) {
    Fixture f;
    PictureOptions options = script_options();
    options.word->norm = WordNorm::start;
    options.stage.draws = Draws::stratified;
    options.ema.emplace();
    LearnedPictures whole;
    learn_pictures(f.task, options, whole);
    LearnedPictures stopped;
    std::stop_source stop;
    Monitor monitor([](const Progress&) {}, stop.get_token());
    LearnControls controls;
    controls.monitor = &monitor;
    controls.after_step = [&] {
        if (stopped.steps == 3) stop.request_stop();
    };
    EXPECT_THROW(learn_pictures(f.task, options, stopped, controls), Cancelled);
    LearnedPictures resumed;
    prepare_learning(f.task, options, resumed);
    learning_tensors(resumed, options).at("word").copy_(stopped.word);
    resumed.steps = stopped.steps;
    for (const auto& [name, tensor] : stopped.optimiser) resumed.optimiser[name] = tensor.clone();
    for (const auto& [name, tensor] : stopped.averages) resumed.averages[name] = tensor.clone();
    resumed.losses = stopped.losses;
    learn_pictures(f.task, options, resumed);
    EXPECT_TRUE(at::equal(whole.word, resumed.word));
    EXPECT_TRUE(at::equal(whole.averages.at("word"), resumed.averages.at("word")));
    EXPECT_EQ(whole.losses.training, resumed.losses.training);
    EXPECT_EQ(whole.losses.after, resumed.losses.after);
}

TEST(Word, StartsFromAnyNumberOfTokens) {
    Fixture f;
    const Tensor& table = f.text.parameters().at("embeddings.token_embedding.weight");
    const Tensor three = word_start(f.text, {7, 9}, 3);
    for (const auto& [row, id] : {std::pair{0, 7}, {1, 9}, {2, 7}})
        EXPECT_TRUE(at::equal(three[row], table[id]));
    EXPECT_TRUE(at::equal(word_start(f.text, {5, 6, 7}, 1)[0], table[5]));
    EXPECT_NE(thrown_message<Error>([&] {
                  word_start(f.text, {40}, 1);
              }).find("token 40 is none of the vocabulary's 40"),
              std::string::npos);
}

TEST(Word, TemplatesAreTheReferences) {
    EXPECT_EQ(word_templates(false).size(), 27u);
    EXPECT_EQ(word_templates(true).size(), 19u);
    EXPECT_EQ(word_templates(false)[0], "a photo of a {}");
    EXPECT_EQ(word_templates(false)[26], "a photo of a small {}");
    EXPECT_EQ(word_templates(true)[0], "a painting in the style of {}");
    // Two styles are in the list twice.
    EXPECT_EQ(std::set(word_templates(false).begin(), word_templates(false).end()).size(), 27u);
    EXPECT_EQ(std::set(word_templates(true).begin(), word_templates(true).end()).size(), 17u);
    EXPECT_EQ(fill_template("a photo of {}, {}", "<x>"), "a photo of <x>, <x>");
    EXPECT_EQ(fill_template("[name] at night", "<x>"), "<x> at night");
    EXPECT_EQ(thrown_message<Error>([] { fill_template("a photo", "<x>"); }),
              "template 'a photo': has no {} where the word should stand");
}

TEST(Word, LearnsAlone) {
    Fixture f;
    LearnedPictures learned;
    PictureOptions options = script_options();
    options.text_encoder = true;
    EXPECT_EQ(thrown_message<Error>([&] { learn_pictures(f.task, options, learned); }),
              "word: learns alone, no network with it");
    options.text_encoder = false;
    f.task.word_start = Tensor();
    EXPECT_EQ(thrown_message<Error>([&] { learn_pictures(f.task, options, learned); }),
              "word: has no vectors");
}

}  // namespace
}  // namespace keepsake::optimize
