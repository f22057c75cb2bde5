// Captions for the photos of the room Teach, one after the other on the Worker's thread. Nothing is
// written beside the photos: what is said goes into the room's fields.
#pragma once

#include <filesystem>
#include <vector>

#include "editor/edit/caption.h"
#include "editor/workbench/requests.h"

namespace keepsake::editor {

struct Bench;

struct CaptionJob {
    CaptionRequest request;  // of a captioner's folder; without, the bench's model says it
    std::vector<std::filesystem::path> photos;
    std::size_t next = 0;
    Describe describe;  // empty until the first photo
};

// Throws Error when there is no model that could say anything, and no captioner's folder.
void begin_captions(Bench& bench, const TeachCaptionRequest& request);
void stop_captions(Bench& bench);
bool wants_captions(const Bench& bench);

// Captions the next photo. One that cannot be read is told and passed over. Throws Error when the
// captioner cannot be loaded, after which none is wanted.
void caption_next(Bench& bench);

}  // namespace keepsake::editor
