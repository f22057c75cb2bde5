// Stage A with a word in e_opt's place, on the bundled model.
#include "optimize/imagic/photo_word.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "optimize/imagic/fast.h"
#include "optimize/learn/word.h"
#include "pipeline/model/generate.h"
#include "pipeline/text/added_words.h"
#include "tests/optimize/imagic/flowers.h"

namespace keepsake::optimize {
namespace {

struct Task {
    const std::string text = "a red rose";
    TuningTask task{flowers().unet, flowers().schedule,
                    // One plain colour: something that words can be about.
                    pipeline::randn({1, 8, 1, 1}, pipeline::make_generator(5))
                        .expand({1, 8, 8, 8})
                        .contiguous(),
                    3};
    StageOptions options = fast_options().embedding;
    Tensor ids, start;

    Task() {
        options.steps = 8;
        options.learning_rate = 5e-2;
        const std::vector<std::int64_t> tokens = flowers().tokenizer.encode(text);
        const auto tokenizer = flowers().tokenizer.with_words(
            {{"kept-photo", tokens.size()}}, flowers().text_encoder.vocabulary_size());
        ids = at::tensor(tokenizer("kept-photo").ids, at::TensorOptions().dtype(at::kLong))
                  .unsqueeze(0);
        start =
            word_start(flowers().text_encoder, tokens, static_cast<std::int64_t>(tokens.size()));
    }
    PhotoWord word() const { return {flowers().text_encoder, ids, start}; }
    Tuning begin() const {
        Tuning tuning;
        tuning.target_embedding = pipeline::encode_text(flowers(), text);
        return tuning;
    }
};

TEST(PhotoWord, MeansTheTargetTextBeforeItLearns) {
    Task t;
    t.options.steps = 0;
    Tuning tuning = t.begin();
    optimise_word(t.task, t.word(), t.options, tuning);
    EXPECT_TRUE(at::equal(tuning.optimised_embedding, tuning.target_embedding));
    EXPECT_TRUE(at::equal(tuning.word, t.start));
}

TEST(PhotoWord, LearnsThePhotoAndIsWhatTheEncoderMakesOfIt) {
    Task t;
    t.options.steps = 24;
    t.options.learning_rate = 2e-2;
    const Tensor table =
        flowers().text_encoder.parameters().at("embeddings.token_embedding.weight");
    const Tensor before = table.clone();
    Tuning tuning = t.begin();
    optimise_word(t.task, t.word(), t.options, tuning);
    EXPECT_LT(*tuning.embedding_losses.after, 0.99 * *tuning.embedding_losses.before);
    EXPECT_FALSE(at::equal(tuning.word, t.start));
    EXPECT_FALSE(tuning.word.requires_grad());
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(tuning.optimised_embedding,
                          flowers().text_encoder.with_tokens(tuning.word)(t.ids)));
    EXPECT_TRUE(at::equal(table, before));
    EXPECT_NEAR(evaluation_loss(flowers().unet, flowers().schedule, t.task.latents,
                                tuning.optimised_embedding),
                *tuning.embedding_losses.after, 1e-6);
}

// The first step of Adam moves each number by the rate, so the rate can be read from it.
TEST(PhotoWord, LearnsAtTheEmbeddingsRateInItsOwnScale) {
    Task t;
    t.options.steps = 1;
    t.options.schedule = RateSchedule::constant;
    Tuning tuning = t.begin();
    optimise_word(t.task, t.word(), t.options, tuning);
    const double scale =
        (t.start.square().mean() / tuning.target_embedding.square().mean()).sqrt().item<double>();
    EXPECT_NEAR((tuning.word - t.start).abs().max().item<double>() / (5e-2 * scale), 1, 1e-3);
}

TEST(PhotoWord, StoppedAndResumedIsTheSame) {
    const Task t;
    Tuning whole = t.begin(), broken = t.begin();
    optimise_word(t.task, t.word(), t.options, whole);
    for (const std::int64_t stop : {3, 6, -1}) {
        Monitor monitor([&](const Progress& progress) {
            if (progress.done == stop) throw Cancelled();
        });
        StageControls controls;
        controls.monitor = &monitor;
        try {
            optimise_word(t.task, t.word(), t.options, broken, controls);
        } catch (const Cancelled&) {
            EXPECT_FALSE(broken.optimised_embedding.defined());
        }
    }
    EXPECT_TRUE(at::equal(whole.word, broken.word));
    EXPECT_TRUE(at::equal(whole.optimised_embedding, broken.optimised_embedding));
}

}  // namespace
}  // namespace keepsake::optimize
