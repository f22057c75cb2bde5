// Pictures as snapshots share them.
#pragma once

#include <memory>

#include "editor/photo/pixels.h"

namespace keepsake::editor {

using Picture = std::shared_ptr<const Pixels>;  // shared by all snapshots that show it

}  // namespace keepsake::editor
