// The fields of a JSON file, seen beside those of one that is known to be right.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace keepsake::editor {

// What is wrong with `found`, which lies at `name` ("" for the whole file): a field that is
// missing, unknown or of another kind than in `expected`. Empty: nothing.
std::string fault_in(const nlohmann::json& found, const nlohmann::json& expected,
                     const std::string& name);

// Takes out of the object `found` what the object `expected` has not, and returns it in the same
// places.
nlohmann::json take_unknown(nlohmann::json& found, const nlohmann::json& expected);

// Adds those of `fields` that the object at `place` (a JSON pointer) has not; where there is none,
// nothing.
void add_missing(nlohmann::json& file, const char* place, nlohmann::json fields);

// "sample.speed, more", for a person: each field that holds no others.
std::string names_of(const nlohmann::json& fields);

}  // namespace keepsake::editor
