// The fast recipe on the bundled model: what learns, what it draws, and that it resumes.
#include "optimize/imagic/fast.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "pipeline/error.h"
#include "pipeline/model/generate.h"
#include "tests/optimize/imagic/flowers.h"

namespace keepsake::optimize {
namespace {

struct Task {
    Tensor latents = pipeline::randn({1, 8, 8, 8}, pipeline::make_generator(5));
    TuningTask task{flowers().unet, flowers().schedule, latents, 3};
    TuningOptions options = fast_options();

    Task() {
        options.embedding.steps = 6;
        options.embedding.learning_rate = 5e-2;
        options.finetune.steps = 12;
        options.finetune.learning_rate = 5e-3;
        options.finetune.rank = 4;
    }
    Tuning begin() const {
        Tuning tuning;
        tuning.target_embedding = pipeline::encode_text(flowers(), "a red rose");
        return tuning;
    }
};

TEST(Fast, LearnsWithALoraAndLeavesTheModelAsItIs) {
    const Task t;
    const TensorMap& weights = flowers().unet.parameters();
    const std::string name = "mid_block.resnets.0.conv1.weight";
    const Tensor before = weights.at(name).clone();
    Tuning tuning = t.begin();
    optimise_embedding(t.task, t.options.embedding, tuning);
    fine_tune(t.task, t.options.finetune, tuning);
    EXPECT_LT(*tuning.embedding_losses.after, *tuning.embedding_losses.before);
    EXPECT_LT(*tuning.finetune_losses.after, 0.95 * *tuning.finetune_losses.before);
    EXPECT_TRUE(at::equal(weights.at(name), before));
    EXPECT_EQ(tuning.loras.size(), pipeline::lora_layers(flowers().unet).size());
    // What is rendered with is what was learned.
    EXPECT_NEAR(
        evaluation_loss(*tuning.unet, flowers().schedule, t.latents, tuning.optimised_embedding),
        *tuning.finetune_losses.after, 1e-5);
}

TEST(Fast, StoppedAndResumedIsTheSame) {
    const Task t;
    Tuning whole = t.begin();
    optimise_embedding(t.task, t.options.embedding, whole);
    fine_tune(t.task, t.options.finetune, whole);
    Tuning broken = t.begin();
    optimise_embedding(t.task, t.options.embedding, broken);
    for (const std::int64_t stop : {4, 9, -1}) {
        Monitor monitor([&](const Progress& progress) {
            if (progress.done == stop) throw Cancelled();
        });
        try {
            fine_tune(t.task, t.options.finetune, broken, {&monitor});
        } catch (const Cancelled&) {
        }
    }
    const TensorMap a = pipeline::lora_tensors(whole.loras),
                    b = pipeline::lora_tensors(broken.loras);
    for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
}

// So the number of threads can be chosen by the clock, and a session goes on elsewhere. With a
// LoRA, and with all weights as in the paper's recipe.
class Learns : public testing::TestWithParam<std::int64_t> {};

TEST_P(Learns, TheSameWhateverTheNumberOfThreads) {
    const int threads = at::get_num_threads();
    Task t;
    t.latents = t.task.latents = pipeline::randn({1, 8, 16, 16}, pipeline::make_generator(5));
    t.options.embedding.steps = 3;
    t.options.finetune.steps = 3;
    t.options.finetune.rank = GetParam();
    std::vector<Tuning> tunings;
    for (const int count : {1, 2, 3, 5}) {
        at::set_num_threads(count);
        Tuning tuning = t.begin();
        optimise_embedding(t.task, t.options.embedding, tuning);
        fine_tune(t.task, t.options.finetune, tuning);
        tunings.push_back(std::move(tuning));
    }
    at::set_num_threads(threads);
    const auto learned = [](const Tuning& tuning) {
        return tuning.loras.empty() ? tuning.unet->parameters()
                                    : pipeline::lora_tensors(tuning.loras);
    };
    const TensorMap first = learned(tunings[0]);
    for (const Tuning& tuning : tunings) {
        EXPECT_TRUE(at::equal(tuning.optimised_embedding, tunings[0].optimised_embedding));
        const TensorMap other = learned(tuning);
        for (const auto& [name, tensor] : first)
            EXPECT_TRUE(at::equal(other.at(name), tensor)) << name;
        EXPECT_EQ(tuning.finetune_losses.training, tunings[0].finetune_losses.training);
    }
}

INSTANTIATE_TEST_SUITE_P(Fast, Learns, testing::Values(4, 0));

TEST(Fast, AnotherTextGoesOnFromTheLora) {
    const Task t;
    Tuning first = t.begin();
    optimise_embedding(t.task, t.options.embedding, first);
    fine_tune(t.task, t.options.finetune, first);
    Tuning second;
    second.target_embedding = pipeline::encode_text(flowers(), "a yellow tulip");
    second.loras = first.loras;
    const TuningTask from_first{*first.unet, flowers().schedule, t.latents, 3};
    StageOptions embedding = t.options.embedding;
    embedding.steps = 2;
    StageOptions finetune = t.options.finetune;
    finetune.steps = 2;
    optimise_embedding(from_first, embedding, second);
    fine_tune(t.task, finetune, second);
    EXPECT_LT(*second.finetune_losses.before, *first.finetune_losses.before);
}

}  // namespace
}  // namespace keepsake::optimize
