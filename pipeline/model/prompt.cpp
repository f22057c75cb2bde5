#include "pipeline/model/prompt.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace keepsake::pipeline {
namespace {

BlockTokens block_tokens(const Tokenizer& tokenizer) {
    const std::vector<std::int64_t> comma = tokenizer.encode(",");
    return {.start = tokenizer.start_id(),
            .end = tokenizer.end_id(),
            .pad = tokenizer.pad_id(),
            .comma = comma.size() == 1 ? comma[0] : -1,
            .max_length = tokenizer.max_length()};
}

// (1, T, D) of one block.
Tensor encode_block(const Model& model, const TokenBlock& block) {
    const Tensor ids = at::tensor(block.ids, at::TensorOptions().dtype(at::kLong)).unsqueeze(0);
    const Tensor plain = model.text_encoder(ids.to(model.device));
    if (std::ranges::all_of(block.weights, [](double weight) { return weight == 1; })) return plain;
    std::vector<float> weights(block.weights.begin(), block.weights.end());
    const Tensor weighted =
        plain * at::tensor(weights, at::kFloat).to(plain.options()).reshape({1, -1, 1});
    return weighted * (plain.mean() / weighted.mean());
}

Tensor encode_weighted(const Model& model, const std::string& text) {
    const std::vector<WeightedText> texts = weighted_texts(text);
    std::vector<std::vector<std::int64_t>> encoded;
    for (const WeightedText& part : texts) encoded.push_back(model.tokenizer.encode(part.text));
    std::vector<Tensor> blocks;
    for (const TokenBlock& block : token_blocks(texts, encoded, block_tokens(model.tokenizer)))
        blocks.push_back(encode_block(model, block));
    return at::cat(blocks, 1);
}

std::size_t index_at(const std::vector<StepCondition>& conditions, int step) {
    for (std::size_t i = 0; i < conditions.size(); ++i)
        if (step <= conditions[i].until) return i;
    return 0;  // as the webui: past the end it is the first one again
}

// One pass where both have one length (or the network takes guidance as an input), else two.
Denoiser guided(const UNet& unet, const Tensor& cond, const Tensor& uncond, double guidance) {
    if (!uncond.defined() || unet.takes_guidance() || cond.size(1) == uncond.size(1))
        return guided_denoiser(unet, cond, uncond, guidance);
    return [with = guided_denoiser(unet, cond, {}, 1),
            without = guided_denoiser(unet, uncond, {}, 1), guidance](const Tensor& x, double t) {
        const Tensor base = without(x, t);
        return base + guidance * (with(x, t) - base);
    };
}

std::string weight_text(double weight) {
    std::array<char, 32> digits{};
    const auto [end, code] = std::to_chars(digits.data(), digits.data() + digits.size(), weight,
                                           std::chars_format::general, 4);
    return {digits.data(), end};
}

}  // namespace

std::vector<StepCondition> encode_prompt(const Model& model, std::string_view prompt, int steps) {
    const at::NoGradGuard no_grad;
    std::vector<StepCondition> conditions;
    std::map<std::string, Tensor> known;  // [a|b] comes back to a text again and again
    for (const auto& [until, text] : scheduled_texts(take_networks(prompt).prompt, steps)) {
        Tensor& embedding = known[text];
        if (!embedding.defined()) embedding = encode_weighted(model, text);
        conditions.push_back({until, embedding});
    }
    return conditions;
}

Denoiser scheduled_denoiser(const UNet& unet, std::vector<StepCondition> cond,
                            std::vector<StepCondition> uncond, double guidance_scale) {
    if (guidance_scale <= 1) uncond.clear();
    return [&unet, cond = std::move(cond), uncond = std::move(uncond), guidance_scale, step = 0,
            at = std::pair<const void*, const void*>(),
            denoise = Denoiser()](const Tensor& x, double t) mutable {
        const Tensor& now = cond.at(index_at(cond, step)).embedding;
        const Tensor none, &base = uncond.empty() ? none : uncond[index_at(uncond, step)].embedding;
        // As long as nothing changes it is one denoiser, which keeps what it has computed.
        const std::pair<const void*, const void*> wanted(now.unsafeGetTensorImpl(),
                                                         base.unsafeGetTensorImpl());
        if (!denoise || at != wanted) denoise = guided(unet, now, base, guidance_scale);
        at = wanted;
        ++step;
        return denoise(x, t);
    };
}

std::string prompt_reading(std::string_view prompt, int steps) {
    const PromptWithNetworks taken = take_networks(prompt);
    std::string text;
    const std::vector<ScheduledText> schedule = scheduled_texts(taken.prompt, steps);
    for (const auto& [until, part] : schedule) {
        if (schedule.size() > 1) text += "up to step " + std::to_string(until) + ":\n";
        for (const WeightedText& stretch : weighted_texts(part)) {
            if (stretch.starts_block) text += "  BREAK\n";
            text += "  " + weight_text(stretch.weight) + "  \"" + stretch.text + "\"\n";
        }
    }
    for (const NamedNetwork& network : taken.networks)
        text += "  " + network.kind + " " + network.name + " " + weight_text(network.weight) + "\n";
    return text;
}

}  // namespace keepsake::pipeline
