// The rules by which sigmas are spaced, in plain doubles.
#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/sampling/timetable.h"

namespace keepsake::pipeline {
namespace {

// i of count places from 0 to 1.
double ramp(int i, int count) {
    return count > 1 ? static_cast<double>(i) / (count - 1) : 0.0;
}

double karras_sigma(const SigmaEnds& ends, double place) {
    constexpr double rho = 7.0;
    const double from = std::pow(ends.highest, 1 / rho), to = std::pow(ends.lowest, 1 / rho);
    return std::pow(from + place * (to - from), rho);
}

double exponential_sigma(const SigmaEnds& ends, double place) {
    const double from = std::log(ends.highest), to = std::log(ends.lowest);
    return std::exp(from + place * (to - from));
}

double beta_sigma(const SigmaEnds& ends, double place) {
    constexpr double shape = 0.6;
    return ends.lowest + beta_quantile(1 - place, shape, shape) * (ends.highest - ends.lowest);
}

// The eleven noise levels that the paper's authors give for Stable Diffusion 1.5, ten steps; other
// numbers of steps by their rule, linearly in log sigma. The last level is where sampling ends at
// 0.
std::vector<double> align_your_steps(int count) {
    constexpr std::array levels = {14.615, 6.475, 3.861, 2.697, 1.886, 1.396,
                                   0.963,  0.652, 0.399, 0.152, 0.029};
    std::vector<double> sigmas;
    for (int i = 0; i < count; ++i) {
        const double at = static_cast<double>(i) * (levels.size() - 1) / count;
        const auto low = static_cast<std::size_t>(at);
        const double part = at - static_cast<double>(low);
        const double next = levels[std::min(low + 1, levels.size() - 1)];
        sigmas.push_back(
            std::exp(std::log(levels[low]) + part * (std::log(next) - std::log(levels[low]))));
    }
    return sigmas;
}

// The continued fraction of the incomplete beta function, by Lentz' method (Press et al., Numerical
// Recipes, 3rd ed., section 6.4). Converges quickly below (a + 1) / (a + b + 2).
double beta_fraction(double x, double a, double b) {
    constexpr double tiny = 1e-300;
    const auto away_from_zero = [](double value) { return std::abs(value) < tiny ? tiny : value; };
    double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), result = d;
    for (int m = 1; m < 500; ++m) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double change = 1;
        for (const double term : {even, odd}) {
            d = 1 / away_from_zero(1 + term * d);
            c = away_from_zero(1 + term / c);
            change = c * d;
            result *= change;
        }
        if (std::abs(change - 1) < 1e-16) break;
    }
    return result;
}

// The share of B(a, b) below x.
double beta_share(double x, double a, double b) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - beta_share(1 - x, b, a);
    const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                  a * std::log(x) + b * std::log1p(-x));
    return front * beta_fraction(x, a, b) / a;
}

}  // namespace

double beta_quantile(double p, double a, double b) {
    if (p <= 0) return 0;
    if (p >= 1) return 1;
    double low = 0, high = 1;
    for (int i = 0; i < 200 && low < high; ++i) {
        const double middle = low + (high - low) / 2;
        if (middle == low || middle == high) break;
        (beta_share(middle, a, b) < p ? low : high) = middle;
    }
    return low + (high - low) / 2;
}

std::vector<double> spaced_sigmas(SigmaSpacing spacing, const SigmaEnds& ends, int count) {
    if (spacing == SigmaSpacing::ays) return align_your_steps(count);
    std::vector<double> sigmas;
    for (int i = 0; i < count; ++i) {
        const double place = ramp(i, count);
        sigmas.push_back(spacing == SigmaSpacing::karras        ? karras_sigma(ends, place)
                         : spacing == SigmaSpacing::exponential ? exponential_sigma(ends, place)
                                                                : beta_sigma(ends, place));
    }
    return sigmas;
}

}  // namespace keepsake::pipeline
