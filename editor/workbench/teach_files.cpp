#include "editor/workbench/teach_files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "editor/edit/learn.h"
#include "editor/edit/learn_files.h"
#include "editor/photo/photo.h"
#include "editor/photo/thumbnail.h"
#include "editor/session/picture_set.h"
#include "editor/session/recipe.h"
#include "editor/session/run_folder.h"
#include "editor/workbench/my_words.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

constexpr int thumbnail_side = 192, sample_side = 256;

Picture small_picture(const fs::path& path, int side) {
    try {
        return std::make_shared<const Pixels>(load_thumbnail(path, side));
    } catch (const Error&) {
        return nullptr;
    }
}

TeachPicture picture_of(const SetPicture& found) {
    TeachPicture picture;
    picture.file = found.file;
    picture.name = found.name;
    picture.repeats = found.repeats;
    if (!found.captions.empty()) {
        picture.caption = found.captions.front();
        picture.captions.assign(found.captions.begin() + 1, found.captions.end());
    }
    picture.thumbnail = small_picture(found.file, thumbnail_side);
    return picture;
}

void read_pictures(const std::vector<fs::path>& places, Monitor& monitor, TeachOffer& offer) {
    const PictureSet set = read_picture_set(places, monitor);
    offer.remarks.insert(offer.remarks.end(), set.remarks.begin(), set.remarks.end());
    for (const SetPicture& found : set.pictures) {
        offer.pictures.push_back(picture_of(found));
        monitor.step(static_cast<std::int64_t>(offer.pictures.size()),
                     static_cast<std::int64_t>(set.pictures.size()), "thumbnails");
    }
}

// A run of the command line's or the window's as the board shows it.
TeachBoard board_of(const fs::path& run, const LearnRequest& request, const TeachDraft& draft) {
    TeachBoard board;
    board.folder = run;
    board.draft = draft;
    board.steps = request.options.stage.steps;
    RunCurves curves = read_run_curves(run);
    board.progress.done = static_cast<std::int64_t>(curves.losses.size());
    board.progress.total = board.steps;
    board.losses = std::make_shared<const std::vector<float>>(std::move(curves.losses));
    board.evaluations = std::move(curves.evaluations);
    const bool whole = board.progress.done >= board.steps && !words_of_run(run).empty();
    board.state = whole ? TeachBoard::State::finished : TeachBoard::State::stopped;
    read_samples(board);
    return board;
}

// Shows a run, and where it is finished puts its word on the list.
void open_run_folder(DocumentBoard& board, const fs::path& library, const fs::path& run,
                     Monitor& monitor, TeachOffer& offer) {
    const LearnRequest request = learn_request_of(run);
    read_pictures(request.pictures, monitor, offer);
    TeachDraft draft = draft_of(request);
    draft.pictures = std::move(offer.pictures);
    offer.pictures.clear();
    TeachBoard shown = board_of(run, request, draft);
    const bool finished = shown.state == TeachBoard::State::finished;
    if (finished) add_words_of_run(library, run);
    board.change([&](Document& document) {
        if (document.teach.run.state == TeachBoard::State::running)
            throw Error("run " + run.string(),
                        "is not opened while another one is under way; stop that first");
        document.teach.run = std::move(shown);
    });
    offer.run = std::move(draft);
    if (finished) show_words(board, library);
}

std::string caption_line(const TeachPicture& picture, const std::string& file) {
    nlohmann::ordered_json line;
    line["file_name"] = file;
    line["text"] = nlohmann::ordered_json::array();
    if (!picture.caption.empty()) line["text"].push_back(picture.caption);
    for (const std::string& more : picture.captions) line["text"].push_back(more);
    if (picture.repeats != 1) line["repeats"] = picture.repeats;
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// "0007-rose.jpg": no two are the same, and they stay in their order.
std::string copy_name(const TeachPicture& picture, std::size_t index) {
    std::string number = std::to_string(index + 1);
    number.insert(0, 4 - std::min<std::size_t>(4, number.size()), '0');
    const std::string stem = file_name_of(checked_utf8(picture.file.stem().string()));
    return number + "-" + stem + lower_extension(picture.file);
}

UnfinishedRun unfinished_run(const fs::path& run) {
    const LearnRequest request = learn_request_of(run);
    return {run, draft_of(request).token,
            static_cast<std::int64_t>(read_run_curves(run).losses.size()),
            request.options.stage.steps};
}

std::vector<UnfinishedRun> unfinished_runs(const fs::path& library) {
    std::vector<UnfinishedRun> runs;
    std::error_code code;
    for (fs::directory_iterator at(learned_folder(library), code);
         !code && at != fs::directory_iterator(); at.increment(code)) {
        try {
            if (is_run(at->path()) && words_of_run(at->path()).empty())
                runs.push_back(unfinished_run(at->path()));
        } catch (const Error&) {
            // Damaged: to open it says what is wrong.
        }
    }
    std::ranges::sort(runs, {}, &UnfinishedRun::token);
    return runs;
}

}  // namespace

void offer_pictures(DocumentBoard& board, const fs::path& library,
                    const std::vector<fs::path>& places, const std::function<bool()>& stopped) {
    const auto offer = std::make_shared<TeachOffer>();
    std::stop_source stop;
    Monitor monitor(
        [&](const Progress& progress) {
            if (stopped()) stop.request_stop();
            const std::string text =
                std::to_string(progress.done) + " of " + std::to_string(progress.total);
            board.change([&](Document& document) { document.teach.reading = text; });
        },
        stop.get_token());
    // A place that holds nothing does not take the others along.
    for (const fs::path& place : places) {
        try {
            if (is_run(place))
                open_run_folder(board, library, place, monitor, *offer);
            else
                read_pictures({place}, monitor, *offer);
        } catch (const Cancelled&) {
            break;
        } catch (const std::exception& error) {
            offer->remarks.push_back(error.what());
        }
    }
    board.change([&](Document& document) {
        document.teach.reading.clear();
        document.teach.offers.push_back(offer);
    });
}

void show_words(DocumentBoard& board, const fs::path& library) {
    std::vector<WordShown> shown;
    for (const MyWord& word : my_words(library)) {
        shown.push_back(
            {word.name, word.kind == MyWord::Kind::word, word.strength, word.model,
             word.picture.empty() ? nullptr : small_picture(word.picture, thumbnail_side),
             word.file});
    }
    const std::vector<UnfinishedRun> unfinished = unfinished_runs(library);
    board.change([&](Document& document) {
        document.teach.words = shown;
        document.teach.unfinished = unfinished;
    });
}

fs::path write_lesson(const TeachDraft& draft, const fs::path& run) {
    std::error_code code;
    fs::create_directories(run, code);
    if (code) throw Error(run.string(), "cannot be made: " + code.message());
    const fs::path folder = own_folder(run, run_pictures);
    std::string captions;
    for (std::size_t i = 0; i < draft.pictures.size(); ++i) {
        const std::string name = copy_name(draft.pictures[i], i);
        write_file_atomically(own_file(folder, name), read_file(draft.pictures[i].file));
        captions += caption_line(draft.pictures[i], name);
    }
    write_file_atomically(own_file(folder, "metadata.jsonl"), captions);
    return folder;
}

fs::path new_run_folder(const fs::path& library, const std::string& name) {
    for (int number = 1;; ++number) {
        fs::path folder =
            learned_folder(library) / (number == 1 ? name : name + "-" + std::to_string(number));
        if (!is_there(folder)) return folder;
    }
}

void read_samples(TeachBoard& board) {
    for (const SampleRow& row : sample_rows(board.folder)) {
        const auto known = std::ranges::find(board.samples, row.step, &SamplesShown::step);
        if (known != board.samples.end()) continue;
        SamplesShown shown{row.step, {}};
        for (const fs::path& path : row.pictures)
            shown.pictures.push_back(small_picture(path, sample_side));
        board.samples.push_back(std::move(shown));
    }
    std::ranges::sort(board.samples, {}, &SamplesShown::step);
    const fs::path sheet = board.folder / "samples" / "sheet.png";
    if (!board.samples.empty() && is_there(sheet)) board.sheet = sheet;
}

}  // namespace keepsake::editor
