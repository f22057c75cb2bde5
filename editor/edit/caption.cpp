#include "editor/edit/caption.h"

#include <map>
#include <memory>
#include <optional>
#include <system_error>

#include "editor/edit/model_captioner.h"
#include "editor/edit/score.h"
#include "editor/photo/photo.h"
#include "editor/photo/pil_resize.h"
#include "editor/session/bundled_model.h"
#include "editor/session/find_pictures.h"
#include "editor/session/recipe.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
    return checked_utf8(path.string());
}

// Whatever lies there, a link that leads nowhere too.
bool lies_there(const fs::path& path) {
    std::error_code error;
    return fs::exists(fs::symlink_status(path, error));
}

bool has_caption(const fs::path& photo) {
    for (const char* extension : {".txt", ".caption"})
        if (lies_there(fs::path(photo).replace_extension(extension))) return true;
    return false;
}

// Lists are read in place of text files (picture_set.h).
void tell_lists(const std::vector<fs::path>& places, const CaptionControls& controls) {
    for (const fs::path& place : places)
        for (const char* list : {"metadata.jsonl", "metadata.csv"})
            if (type_at(place) == fs::file_type::directory && is_there(place / list))
                controls.warn(text_of(place / list) +
                              ": is what `keepsake learn` reads there in place of text files; "
                              "move it away for these captions to count");
}

std::vector<SetPicture> all_pictures(const CaptionRequest& request,
                                     const CaptionControls& controls) {
    std::vector<std::string> remarks;
    std::vector<SetPicture> pictures;
    for (const fs::path& place : request.places)
        for (SetPicture& picture : find_pictures(place, remarks)) {
            if (picture.in_shard && request.write)
                throw Error(place.string(),
                            "holds its pictures in a tar file, into which no captions are "
                            "written: unpack it");
            pictures.push_back(std::move(picture));
        }
    for (const std::string& remark : remarks) controls.warn(remark);
    tell_lists(request.places, controls);
    return pictures;
}

// Captions photos one by one.
class Captioning {
  public:
    Captioning(const CaptionRequest& request, const CaptionControls& controls)
        : request_(request), controls_(controls) {}

    void take(const fs::path& photo) {
        const fs::path file = fs::path(photo).replace_extension(".txt");
        const auto [owner, is_first] = owners_.emplace(file, photo);
        if (!is_first) {
            ++result.failed;
            controls_.warn(text_of(photo) + ": its caption would lie where that of " +
                           text_of(owner->second) + " does; left out");
        } else if (request_.write && !request_.overwrite && has_caption(photo)) {
            ++result.kept;
        } else {
            caption_one(photo, file);
        }
    }

    CaptionResult result;

  private:
    void caption_one(const fs::path& photo, const fs::path& file) {
        try {
            const Pixels pixels = load_photo(photo).pixels;
            if (!describe_) load();
            std::string text = (*describe_)(pixels);
            if (request_.clean) text = tidy_caption(text, request_.prompt);
            const PhotoCaption one{photo, file, request_.prefix + text + request_.postfix};
            if (request_.write)
                write_file_atomically(own_file(folder_of(file), file.filename()),
                                      one.caption + "\n");
            ++result.captioned;
            controls_.said(one);
        } catch (const Error& error) {
            if (loading_) throw;
            ++result.failed;
            controls_.warn(std::string(error.what()) + "; left out");
        }
    }

    void load() {
        loading_ = true;
        describe_ = make_describer(request_);
        loading_ = false;
    }

    static fs::path folder_of(const fs::path& file) {
        return file.has_parent_path() ? file.parent_path() : fs::path(".");
    }

    const CaptionRequest& request_;
    const CaptionControls& controls_;
    std::optional<Describe> describe_;
    bool loading_ = false;
    std::map<fs::path, fs::path> owners_;  // of each caption's file, the photo
};

}  // namespace

Describe make_describer(const CaptionRequest& request) {
    if (!request.captioner) {
        const fs::path model = request.model.value_or(default_model());
        CaptionWords words = read_caption_words(model);
        const auto captioner =
            std::make_shared<const ModelCaptioner>(pipeline::load_model(model), std::move(words));
        return [captioner](const Pixels& pixels) { return (*captioner)(pixels); };
    }
    const auto captioner =
        std::make_shared<const pipeline::Captioner>(pipeline::load_captioner(*request.captioner));
    // Told once rather than of each photo.
    pipeline::check_search(request.search, captioner->tokenizer.encode(request.prompt).size() + 1,
                           captioner->decoder.config());
    return [captioner, prompt = request.prompt, search = request.search](const Pixels& pixels) {
        const auto side = static_cast<int>(captioner->preprocessing.crop);
        const at::Tensor values =
            picture_values(pil_resize(pixels, side, side), captioner->preprocessing);
        return pipeline::caption(*captioner, values, prompt, search);
    };
}

CaptionResult caption_photos(const CaptionRequest& request, const CaptionControls& controls) {
    const std::vector<SetPicture> pictures = all_pictures(request, controls);
    Captioning captioning(request, controls);
    captioning.result.photos = pictures.size();
    std::int64_t done = 0;
    const auto total = static_cast<std::int64_t>(pictures.size());
    for (const SetPicture& picture : pictures) {
        captioning.take(picture.file);
        controls.monitor->step(++done, total, "caption");
    }
    return captioning.result;
}

}  // namespace keepsake::editor
