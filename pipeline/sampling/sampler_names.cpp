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
    Name{"keulera", "euler_a"},
    Name{"eulerancestral", "euler_a"},
    Name{"keulerancestral", "euler_a"},
    Name{"eulerancestraldiscretescheduler", "euler_a"},
    Name{"kheun", "heun"},
    Name{"heundiscretescheduler", "heun"},
    Name{"kdpm2", "dpm2"},
    Name{"kdpm2discretescheduler", "dpm2"},
    Name{"dpm2ancestral", "dpm2_a"},
    Name{"kdpm2a", "dpm2_a"},
    Name{"kdpm2ancestraldiscretescheduler", "dpm2_a"},
    Name{"dpm++2sa", "dpmpp_2s_a"},
    Name{"dpmpp2sancestral", "dpmpp_2s_a"},
    Name{"kdpmpp2sa", "dpmpp_2s_a"},
    Name{"dpm++2msde", "dpmpp_2m_sde"},
    Name{"kdpmpp2msde", "dpmpp_2m_sde"},
    Name{"dpmpp2msdegpu", "dpmpp_2m_sde"},
    Name{"dpm++sde", "dpmpp_sde"},
    Name{"kdpmppsde", "dpmpp_sde"},
    Name{"dpmppsdegpu", "dpmpp_sde"},
    Name{"dpmsolversdescheduler", "dpmpp_sde"},
    Name{"dpm++3msde", "dpmpp_3m_sde"},
    Name{"kdpmpp3msde", "dpmpp_3m_sde"},
    Name{"dpmpp3msdegpu", "dpmpp_3m_sde"},
    Name{"unipcbh2", "unipc"},
    Name{"unipcmultistepscheduler", "unipc"},
};

struct ScheduleName {
    std::string_view text;  // likewise
    NoiseSchedule ours;
};
constexpr std::array schedules = {
    ScheduleName{"normal", NoiseSchedule::normal},
    ScheduleName{"uniform", NoiseSchedule::normal},
    ScheduleName{"karras", NoiseSchedule::karras},
    ScheduleName{"exponential", NoiseSchedule::exponential},
    ScheduleName{"sgmuniform", NoiseSchedule::sgm_uniform},
    ScheduleName{"simple", NoiseSchedule::sgm_uniform},
    ScheduleName{"ddimuniform", NoiseSchedule::ddim_uniform},
    ScheduleName{"ddim", NoiseSchedule::ddim_uniform},
    ScheduleName{"beta", NoiseSchedule::beta},
    ScheduleName{"ays", NoiseSchedule::ays},
    ScheduleName{"alignyoursteps", NoiseSchedule::ays},
};

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

// A sampler's name and the schedule at its end.
struct Ended {
    std::optional<Sampler> sampler;
    std::optional<NoiseSchedule> schedule;
};

Ended read(std::string_view name) {
    const std::string text = bare(name);
    if (const auto found = find(text)) return {found, std::nullopt};
    // Longest first: "sgmuniform" ends with "uniform".
    Ended read;
    std::size_t longest = 0;
    for (const auto& [end, schedule] : schedules) {
        if (end.size() <= longest || !text.ends_with(end)) continue;
        const auto sampler = find(text.substr(0, text.size() - end.size()));
        if (!sampler) continue;
        read = {sampler, schedule};
        longest = end.size();
    }
    if (read.sampler) return read;
    // InvokeAI's mark of Karras' schedule.
    if (!text.ends_with('k')) return {};
    const auto sampler = find(text.substr(0, text.size() - 1));
    return {sampler, sampler ? std::optional(NoiseSchedule::karras) : std::nullopt};
}

}  // namespace

std::optional<Sampler> sampler_by_any_name(std::string_view name) {
    return read(name).sampler;
}

std::optional<NoiseSchedule> schedule_in_name(std::string_view sampler) {
    return read(sampler).schedule;
}

std::optional<NoiseSchedule> schedule_by_any_name(std::string_view name) {
    const std::string text = bare(name);
    for (const auto& [known, ours] : schedules)
        if (known == text) return ours;
    return std::nullopt;
}

std::string_view a1111_sampler_name(Sampler sampler) {
    static constexpr std::array usual = {
        Name{"DDIM", "ddim"},
        Name{"PLMS", "pndm"},
        Name{"LMS", "lms"},
        Name{"Euler", "euler"},
        Name{"DPM++ 2M", "dpmpp_2m"},
        Name{"LCM", "lcm"},
        Name{"TCD", "tcd"},
        Name{"Euler a", "euler_a"},
        Name{"Heun", "heun"},
        Name{"DPM2", "dpm2"},
        Name{"DPM++ 2M SDE", "dpmpp_2m_sde"},
        Name{"DPM++ SDE", "dpmpp_sde"},
        Name{"DPM++ 3M SDE", "dpmpp_3m_sde"},
        Name{"UniPC", "unipc"},
        Name{"DPM2 a", "dpm2_a"},
        Name{"DPM++ 2S a", "dpmpp_2s_a"},
    };
    for (const auto& [text, ours] : usual)
        if (sampler_name(sampler) == ours) return text;
    return {};
}

std::string_view a1111_schedule_name(NoiseSchedule schedule) {
    switch (schedule) {
        case NoiseSchedule::normal:
            return "Uniform";
        case NoiseSchedule::sgm_uniform:
            return "SGM Uniform";
        case NoiseSchedule::ddim_uniform:
            return "DDIM";
        case NoiseSchedule::karras:
            return "Karras";
        case NoiseSchedule::exponential:
            return "Exponential";
        case NoiseSchedule::beta:
            return "Beta";
        case NoiseSchedule::ays:
            return "Align Your Steps";
    }
    return {};
}

}  // namespace keepsake::pipeline
