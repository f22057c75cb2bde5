// What can be learned from pictures.
#pragma once

namespace keepsake::editor {

enum class LearnKind { word, subject, captions, unet };

}  // namespace keepsake::editor
