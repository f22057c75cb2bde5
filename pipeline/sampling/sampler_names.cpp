#include "pipeline/sampling/sampler_names.h"

#include <array>

namespace keepsake::pipeline {
namespace {

struct Name {
    std::string_view text;  // in lower case, letters, digits and '+' alone
    std::string_view ours;  // sampler_name()
};

constexpr std::array names = {
    Name{"ddimscheduler", "ddim"},
    Name{"plms", "pndm"},
    Name{"pndmscheduler", "pndm"},
    Name{"klms", "lms"},
    Name{"lmsdiscretescheduler", "lms"},
    Name{"keuler", "euler"},
    Name{"eulerdiscretescheduler", "euler"},
    Name{"dpm++2m", "dpmpp_2m"},
    Name{"kdpmpp2m", "dpmpp_2m"},
    Name{"dpmsolvermultistepscheduler", "dpmpp_2m"},
    Name{"dpmsolver++", "dpmpp_2m"},
    Name{"lcmscheduler", "lcm"},
    Name{"tcdscheduler", "tcd"},
};

constexpr std::array schedules = {"karras", "exponential", "sgmuniform"};

std::string bare(std::string_view name) {
    std::string text;
    for (char c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+';
        if (kept) text += c;
    }
    return text;
}

std::optional<Sampler> find(const std::string& text) {
    for (const Sampler sampler : all_samplers())
        if (bare(sampler_name(sampler)) == text) return sampler;
    for (const auto& [known, ours] : names) {
        if (known != text) continue;
        for (const Sampler sampler : all_samplers())
            if (sampler_name(sampler) == ours) return sampler;
    }
    return std::nullopt;
}

}  // namespace

std::optional<Sampler> sampler_by_any_name(std::string_view name) {
    std::string text = bare(name);
    if (const auto found = find(text)) return found;
    for (const std::string_view schedule : schedules)
        if (text.ends_with(schedule)) return find(text.substr(0, text.size() - schedule.size()));
    // InvokeAI's mark of Karras' schedule.
    return text.ends_with('k') ? find(text.substr(0, text.size() - 1)) : std::nullopt;
}

std::string_view a1111_sampler_name(Sampler sampler) {
    static constexpr std::array usual = {
        Name{"DDIM", "ddim"},   Name{"PLMS", "pndm"},         Name{"LMS", "lms"},
        Name{"Euler", "euler"}, Name{"DPM++ 2M", "dpmpp_2m"}, Name{"LCM", "lcm"},
        Name{"TCD", "tcd"},
    };
    for (const auto& [text, ours] : usual)
        if (sampler_name(sampler) == ours) return text;
    return {};
}

}  // namespace keepsake::pipeline
