#include "pipeline/files/number_text.h"

#include <cstdio>

namespace keepsake {

std::string number_text(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", value);
    return text;
}

}  // namespace keepsake
