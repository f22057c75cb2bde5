#include "optimize/scratch/words_check.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "optimize/training/denoising.h"

namespace keepsake::optimize {

namespace {

// Who draws (optimize/training/draws.h). The noise is that of a constant seed: runs compare.
constexpr auto words_stream = static_cast<Stream>(74);
constexpr std::uint64_t constant_seed = 0;

struct Checked {
    Tensor latents;       // (1, C, h, w)
    Tensor right, wrong;  // (1, T, D)
};

std::vector<Checked> pairs_of(const PictureTask& task, const std::vector<LearnPicture>& pictures) {
    constexpr std::size_t most = 32;
    std::vector<Checked> pairs;
    const std::size_t n = pictures.size();
    const auto embedding = [&](const std::string& caption) {
        return task.text_encoder(task.token_ids(caption)).to(at::kFloat);
    };
    for (std::size_t i = 0; i < std::min(n, most); ++i) {
        // All parts of a large set, not its first ones.
        const std::size_t at = n <= most ? i : i * n / most;
        const std::string& own = pictures[at].captions.front();
        for (std::size_t j = 1; j < n; ++j) {
            const std::string& other = pictures[(at + j) % n].captions.front();
            if (other == own) continue;
            pairs.push_back({pictures[at].latents, embedding(own), embedding(other)});
            break;
        }
    }
    return pairs;
}

}  // namespace

std::vector<WordsLoss> check_words(const PictureTask& task, const pipeline::UNet& unet,
                                   const std::vector<LearnPicture>& pictures) {
    const at::NoGradGuard no_grad;
    constexpr std::int64_t parts = 8;
    const std::vector<Checked> pairs = pairs_of(task, pictures);
    std::vector<WordsLoss> losses;
    if (pairs.empty()) return losses;
    const Tensor without = task.text_encoder(task.token_ids("")).to(at::kFloat);
    const std::int64_t steps = task.schedule.config.num_train_timesteps;
    for (std::int64_t part = 0; part < parts; ++part) {
        WordsLoss loss{steps * (2 * part + 1) / (2 * parts)};
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const Checked& pair = pairs[i];
            const at::Generator generator =
                step_generator(constant_seed, words_stream, static_cast<std::int64_t>(i));
            const Tensor noise =
                at::randn(pair.latents.sizes(), generator, at::TensorOptions().dtype(at::kFloat))
                    .to(pair.latents.device());
            // The three captions in one call, of one picture under one noise.
            const Draw draw{at::full({3}, loss.timestep, at::kLong).to(noise.device()),
                            noise.expand({3, -1, -1, -1})};
            const Tensor x0 = pair.latents.expand({3, -1, -1, -1});
            const Tensor said =
                unet(task.schedule.add_noise(x0, draw.noise, draw.timesteps),
                     draw.timesteps.to(at::kFloat), at::cat({pair.right, pair.wrong, without}));
            const Tensor target = task.schedule.target(x0, draw.noise, draw.timesteps);
            const Tensor each = (said.to(at::kFloat) - target).square().flatten(1).mean(1);
            loss.right += each[0].item<double>();
            loss.wrong += each[1].item<double>();
            loss.without += each[2].item<double>();
        }
        const auto count = static_cast<double>(pairs.size());
        losses.push_back(
            {loss.timestep, loss.right / count, loss.wrong / count, loss.without / count});
    }
    return losses;
}

double words_gap(const std::vector<WordsLoss>& losses) {
    double right = 0, wrong = 0;
    for (const WordsLoss& loss : losses) {
        right += loss.right;
        wrong += loss.wrong;
    }
    return right > 0 ? wrong / right - 1 : 0;
}

}  // namespace keepsake::optimize
