// Compares ways to carry an edit to a photo's own size. Prints Markdown tables; README.md beside
// this file has those that the choice was made by.
//
//   full_resolution_bench edit OUT NAME PHOTO X,Y,SIDE RECONSTRUCTION EDIT
//       a real edit: how sharp the result is and how like the original's structure, in what changed
//   full_resolution_bench truth OUT NAME PHOTO X,Y,SIDE SIZE
//       a made one: the photo recoloured at its own size is what the methods should give from a
//       small pair of the kind that a model makes, soft and bent
//   full_resolution_bench time OUT.jpg PHOTO X,Y,SIDE RECONSTRUCTION EDIT
//       how long the preview and the export of a photo take, and the memory above the loaded photo
//
// METHODS=upscaled,Keepsake in the environment runs only these. Into the folder OUT it writes what
// was made, NAME-<method>.png.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "editor/photo/image_file.h"
#include "editor/photo/photo.h"
#include "editor/transfer/export_photo.h"
#include "editor/transfer/full_resolution.h"
#include "pipeline/error.h"
#include "tests/bench/full_resolution_methods.h"

namespace keepsake::bench {
namespace {

namespace fs = std::filesystem;
using cv::Mat;
using cv::Vec3f;

Mat to_mat(const editor::Pixels& pixels) {
    Mat image;
    Mat(pixels.height, pixels.width, CV_8UC3, const_cast<std::uint8_t*>(pixels.rgb.data()))
        .convertTo(image, CV_32F, 1.0 / 255);
    return image;
}

void save(const fs::path& path, const Mat& image) {
    Mat bytes;
    image.convertTo(bytes, CV_8U, 255);
    editor::write_image(
        path, {bytes.cols, bytes.rows, std::vector<std::uint8_t>(bytes.datastart, bytes.dataend)});
}

Mat square_of(const editor::Photo& photo, const std::string& place) {
    editor::Crop crop;
    if (std::sscanf(place.c_str(), "%d,%d,%d", &crop.x, &crop.y, &crop.width) != 3) {
        throw Error(place, "is no X,Y,SIDE");
    }
    crop.height = crop.width;
    editor::check_crop(photo, crop);
    return to_mat(photo.pixels)(cv::Rect(crop.x, crop.y, crop.width, crop.height)).clone();
}

Mat resized(const Mat& image, int side) {
    Mat out;
    cv::resize(image, out, {side, side}, 0, 0,
               side < image.cols ? cv::INTER_AREA : cv::INTER_CUBIC);
    return out;
}

Mat luma(const Mat& image) {
    Mat grey, clipped = cv::min(cv::max(image, 0.0), 1.0);
    cv::cvtColor(clipped, grey, cv::COLOR_RGB2GRAY);
    return grey;
}

Mat gradient(const Mat& grey) {
    Mat dx, dy, size;
    cv::Sobel(grey, dx, CV_32F, 1, 0);
    cv::Sobel(grey, dy, CV_32F, 0, 1);
    cv::magnitude(dx, dy, size);
    return size / 4;
}

// Wang et al. 2004, windows and constants as there.
Mat ssim(const Mat& a, const Mat& b) {
    const auto soft = [](const Mat& m) {
        Mat out;
        cv::GaussianBlur(m, out, {11, 11}, 1.5);
        return out;
    };
    constexpr double c1 = 0.01 * 0.01, c2 = 0.03 * 0.03;
    const Mat ma = soft(a), mb = soft(b);
    const Mat va = soft(a.mul(a)) - ma.mul(ma), vb = soft(b.mul(b)) - mb.mul(mb);
    const Mat cov = soft(a.mul(b)) - ma.mul(mb);
    const Mat top = (2 * ma.mul(mb) + c1).mul(2 * cov + c2);
    const Mat bottom = (ma.mul(ma) + mb.mul(mb) + c1).mul(va + vb + c2);
    return top / bottom;
}

// Where the edit changes more than a just visible step.
Mat changed(const Scene& scene) {
    Mat size, large;
    std::vector<Mat> planes;
    cv::split(cv::abs(scene.edit - scene.reconstruction), planes);
    size = cv::max(cv::max(planes[0], planes[1]), planes[2]);
    cv::GaussianBlur(size, size, {0, 0}, 1);
    cv::resize(size, large, scene.photo.size());
    return large > 0.06;
}

// The share of the asked-for change of colour that is in the result, at the model's own size and
// softened, so that it says nothing of structure.
double carried(const Scene& scene, const Mat& result) {
    Mat change = scene.edit - scene.reconstruction,
        got = resized(result, change.cols) - scene.small;
    const double sigma = 0.03 * change.cols;
    cv::GaussianBlur(change, change, {0, 0}, sigma);
    cv::GaussianBlur(got, got, {0, 0}, sigma);
    return change.dot(got) / change.dot(change);
}

double psnr(const Mat& a, const Mat& b) {
    const Mat d = a - b;
    return -10 * std::log10(d.dot(d) / (3.0 * double(a.total())));
}

// Those named in $METHODS, separated by commas; all of them when it is not set.
std::vector<Method> chosen_methods() {
    const char* names = std::getenv("METHODS");
    if (!names) return methods();
    std::istringstream stream(names);
    std::vector<Method> all = methods(), chosen;
    for (std::string name; std::getline(stream, name, ',');) {
        for (const Method& method : all) {
            if (method.name == name) chosen.push_back(method);
        }
    }
    return chosen;
}

void compare_edit(const Scene& scene, const fs::path& out, const std::string& name) {
    const Mat where = changed(scene), grey = luma(scene.photo), edges = gradient(grey);
    std::printf("| %s (%.1fx, %.0f %% changed) | sharpness | gradient SSIM | change carried |\n",
                name.c_str(), double(scene.photo.cols) / scene.small.cols,
                100.0 * cv::countNonZero(where) / double(where.total()));
    std::printf("| --- | --- | --- | --- |\n");
    for (const Method& method : chosen_methods()) {
        const Mat result = cv::min(cv::max(method.run(scene), 0.0), 1.0);
        const Mat own = gradient(luma(result));
        std::printf("| %s | %.2f | %.3f | %.2f |\n", method.name.c_str(),
                    cv::mean(own, where)[0] / cv::mean(edges, where)[0],
                    cv::mean(ssim(edges, own), where)[0], carried(scene, result));
        std::fflush(stdout);
        save(out / (name + "-" + method.name + ".png"), result);
    }
}

// Colours turned by a third around the grey axis where they are saturated: petals change, the rest
// stays.
Mat recoloured(const Mat& photo) {
    Mat out = photo.clone();
    for (int y = 0; y < out.rows; ++y) {
        for (int x = 0; x < out.cols; ++x) {
            const Vec3f c = photo.at<Vec3f>(y, x);
            const float most = std::max({c[0], c[1], c[2]}), least = std::min({c[0], c[1], c[2]});
            const float warm = std::clamp((c[0] - c[2] - 0.25f) / 0.2f, 0.0f, 1.0f);
            const Vec3f turned(least + 0.9f * (most - least), least, least + 0.5f * (most - least));
            out.at<Vec3f>(y, x) = c + (turned - c) * warm;
        }
    }
    return out;
}

// What a small model makes of a picture: softer, and bent by about a pixel.
Mat as_a_model_would(const Mat& small) {
    Mat x(small.size(), CV_32FC1), y(small.size(), CV_32FC1), bent, soft;
    for (int j = 0; j < small.rows; ++j) {
        for (int i = 0; i < small.cols; ++i) {
            x.at<float>(j, i) = i + 1.2f * std::sin(j * 0.21f) * std::cos(i * 0.13f);
            y.at<float>(j, i) = j + 1.2f * std::cos(j * 0.17f) * std::sin(i * 0.19f);
        }
    }
    cv::remap(small, bent, x, y, cv::INTER_LINEAR, cv::BORDER_REFLECT);
    cv::GaussianBlur(bent, soft, {0, 0}, 1.0);
    return soft;
}

void compare_truth(const Mat& square, int size, const fs::path& out, const std::string& name) {
    const Mat truth = recoloured(square), small = resized(square, size);
    const Scene scene{square, small, as_a_model_would(small),
                      as_a_model_would(resized(truth, size))};
    save(out / (name + "-truth.png"), truth);
    std::printf("| %s (%.1fx) | PSNR to the truth | SSIM to the truth |\n", name.c_str(),
                double(square.cols) / size);
    std::printf("| --- | --- | --- |\n");
    for (const Method& method : chosen_methods()) {
        const Mat result = cv::min(cv::max(method.run(scene), 0.0), 1.0);
        std::printf("| %s | %.2f dB | %.3f |\n", method.name.c_str(), psnr(result, truth),
                    cv::mean(ssim(luma(result), luma(truth)))[0]);
        std::fflush(stdout);
        save(out / (name + "-" + method.name + ".png"), result);
    }
}

// A line of /proc/self/status, in MiB.
double memory_mib(const std::string& key) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(key)) return std::stod(line.substr(key.size() + 1)) / 1024;
    }
    throw Error("/proc/self/status", "has no " + key);
}

// Seconds and MiB above what is held already that `work` takes.
void measure(const char* name, const std::function<void()>& work) {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    const double held = memory_mib("VmRSS");
    const auto begin = std::chrono::steady_clock::now();
    work();
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("| %s | %.2f s | %.0f MiB |\n", name, seconds, memory_mib("VmHWM") - held);
}

void time_export(const std::vector<std::string>& arguments) {
    editor::Photo photo;
    std::printf("| | time | memory above what was held |\n| --- | --- | --- |\n");
    measure("load", [&] { photo = editor::load_photo(arguments[2]); });
    editor::AreaEdit edit;
    if (std::sscanf(arguments[3].c_str(), "%d,%d,%d", &edit.crop.x, &edit.crop.y,
                    &edit.crop.width) != 3) {
        throw Error(arguments[3], "is no X,Y,SIDE");
    }
    edit.crop.height = edit.crop.width;
    edit.reconstruction = editor::load_photo(arguments[4]).pixels;
    edit.edit = editor::load_photo(arguments[5]).pixels;
    measure("preview", [&] { editor::full_resolution(photo.pixels, edit); });
    measure("export", [&] { editor::export_photo(arguments[1], photo, edit); });
}

int run(const std::vector<std::string>& arguments) {
    if (arguments.size() == 6 && arguments[0] == "time") {
        time_export(arguments);
        return 0;
    }
    if (arguments.size() != (arguments.empty() || arguments[0] == "truth" ? 6u : 7u)) {
        std::cerr << "usage: see the head of full_resolution_bench.cpp\n";
        return 2;
    }
    const fs::path out = arguments[1];
    fs::create_directories(out);
    const Mat square = square_of(editor::load_photo(arguments[3]), arguments[4]);
    save(out / (arguments[2] + "-photo.png"), square);
    if (arguments[0] == "truth") {
        compare_truth(square, std::stoi(arguments[5]), out, arguments[2]);
        return 0;
    }
    const Mat edit = to_mat(editor::load_photo(arguments[6]).pixels);
    compare_edit(
        {square, resized(square, edit.cols), to_mat(editor::load_photo(arguments[5]).pixels), edit},
        out, arguments[2]);
    return 0;
}

}  // namespace
}  // namespace keepsake::bench

int main(int argc, char** argv) {
    try {
        return keepsake::bench::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
