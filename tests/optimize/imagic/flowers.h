// The bundled model, loaded once.
#pragma once

#include "pipeline/model/model.h"

namespace keepsake::optimize {

inline const pipeline::Model& flowers() {
    static const pipeline::Model model = pipeline::load_model(KEEPSAKE_ASSETS "/models/flowers");
    return model;
}

}  // namespace keepsake::optimize
