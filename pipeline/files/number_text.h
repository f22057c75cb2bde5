// A number as a person reads it.
#pragma once

#include <string>

namespace keepsake {

// Six digits at the most, without trailing zeros: "7.5", "0.0004", "1e-06".
std::string number_text(double value);

}  // namespace keepsake
