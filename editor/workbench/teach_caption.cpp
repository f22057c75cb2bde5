#include "editor/workbench/teach_caption.h"

#include <memory>
#include <utility>

#include "editor/edit/model_captioner.h"
#include "editor/session/caption_words.h"
#include "editor/workbench/bench.h"

namespace keepsake::editor {
namespace {

void change_captions(Bench& bench, const std::function<void(CaptionBoard&)>& edit) {
    bench.board.change([&](Document& document) { edit(document.teach.captions); });
}

// The bench's own model is used: a second copy would cost as much memory again.
Describe describer(const Bench& bench, const CaptionJob& job) {
    if (job.request.captioner) return make_describer(job.request);
    const auto captioner =
        std::make_shared<const ModelCaptioner>(*bench.model, read_caption_words(bench.model->path));
    return [captioner](const Pixels& pixels) { return (*captioner)(pixels); };
}

void end(Bench& bench) {
    bench.captions.reset();
    change_captions(bench, [](CaptionBoard& board) { board.running = false; });
}

}  // namespace

void begin_captions(Bench& bench, const TeachCaptionRequest& request) {
    CaptionJob job;
    job.photos = request.photos;
    if (!request.captioner.empty()) job.request.captioner = request.captioner;
    if (!job.request.captioner && !bench.model)
        throw Error("captions", "there is no model; choose one in the room Edit");
    if (!job.request.captioner && !has_caption_words(bench.model->path))
        throw Error(bench.model->path.filename().string(),
                    "has no words for captions; give the folder of a captioner (BLIP)");
    const std::size_t total = job.photos.size();
    bench.captions = std::move(job);
    change_captions(bench, [&](CaptionBoard& board) {
        board.running = total > 0;
        board.done = 0;
        board.total = total;
    });
    if (total == 0) bench.captions.reset();
}

void stop_captions(Bench& bench) {
    end(bench);
}

bool wants_captions(const Bench& bench) {
    return bench.captions.has_value();
}

void caption_next(Bench& bench) {
    CaptionJob& job = *bench.captions;
    if (!job.describe) {
        try {
            job.describe = describer(bench, job);
        } catch (const std::exception&) {
            end(bench);
            throw;
        }
    }
    const std::filesystem::path photo = job.photos[job.next++];
    CaptionSaid said{photo, {}};
    try {
        said.caption = job.describe(load_photo(photo).pixels);
        if (job.request.captioner) said.caption = tidy_caption(said.caption);
    } catch (const Error& error) {
        bench.board.tell(Notice::Kind::fault, std::string(error.what()) + "; left out");
    }
    change_captions(bench, [&](CaptionBoard& board) {
        board.done = job.next;
        if (!said.caption.empty()) board.said.push_back(std::move(said));
    });
    if (job.next == job.photos.size()) end(bench);
}

}  // namespace keepsake::editor
