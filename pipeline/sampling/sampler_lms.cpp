// K-LMS: the linear multistep method (Adams-Bashforth on the uneven grid of sigmas) for the ODE of
// Karras et al., arXiv 2206.00364, eq. 4; after k-diffusion's sample_lms by Katherine Crowson.
#include <algorithm>
#include <cmath>
#include <deque>

#include "pipeline/sampling/sampler_run.h"
#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

constexpr std::size_t most_slopes = 4;

// The integral from sigmas[i] to sigmas[i + 1] of the Lagrange polynomial that is 1 at
// sigmas[i - which] and 0 at the other `order` - 1 sigmas before sigmas[i + 1]. Its degree is at
// most 3, which two-point Gauss-Legendre quadrature integrates exactly.
double coefficient(const std::vector<double>& sigmas, std::size_t i, std::size_t order,
                   std::size_t which) {
    const auto lagrange = [&](double tau) {
        double product = 1;
        for (std::size_t k = 0; k < order; ++k) {
            if (k == which) continue;
            product *= (tau - sigmas[i - k]) / (sigmas[i - which] - sigmas[i - k]);
        }
        return product;
    };
    const double middle = (sigmas[i] + sigmas[i + 1]) / 2;
    const double half = (sigmas[i + 1] - sigmas[i]) / 2;
    const double node = half / std::sqrt(3.0);
    return half * (lagrange(middle - node) + lagrange(middle + node));
}

}  // namespace

Timetable lms_timetable(const Schedule& schedule, int num_inference_steps) {
    return sigma_timetable(Sampler::lms, schedule, num_inference_steps);
}

Tensor sample_lms(const SamplerRun& run, Tensor x) {
    const std::vector<double>& sigmas = run.timetable.sigmas;
    std::deque<Tensor> slopes;  // newest first
    for (std::size_t i = run.begin(); i < run.end(); ++i) {
        const Tensor output = call_model(run, x / std::sqrt(sigmas[i] * sigmas[i] + 1), i);
        const Tensor x0 = read_x0(run.schedule.config.prediction_type, output, x, sigmas[i]);
        slopes.push_front((x - x0) / sigmas[i]);
        if (slopes.size() > most_slopes) slopes.pop_back();
        // The reference takes the order from the index in the whole table. In image to image its
        // first steps so lack slopes; that is kept, for the same picture.
        const std::size_t order = std::min(i + 1, most_slopes);
        Tensor next = x;
        for (std::size_t k = 0; k < std::min(order, slopes.size()); ++k) {
            next = next + slopes[k] * coefficient(sigmas, i, order, k);
        }
        x = next;
        x = end_call(run, i, x);
    }
    return x;
}

}  // namespace keepsake::pipeline
