#include "editor/session/json_fields.h"

#include <utility>

namespace keepsake::editor {
namespace {

using nlohmann::json;

void add_names(const json& fields, const std::string& prefix, std::string& names) {
    for (const auto& [key, value] : fields.items()) {
        if (value.is_object() && !value.empty()) {
            add_names(value, prefix + key + ".", names);
        } else {
            names += (names.empty() ? "" : ", ") + prefix + key;
        }
    }
}

}  // namespace

std::string fault_in(const json& found, const json& expected, const std::string& name) {
    if (found.is_number() != expected.is_number() ||
        (!found.is_number() && found.type() != expected.type())) {
        return "'" + name + "' is " + found.type_name() + ", expected " + expected.type_name();
    }
    if (!expected.is_object()) return {};
    const std::string prefix = name.empty() ? "" : name + ".";
    for (const auto& [key, value] : expected.items()) {
        if (!found.contains(key)) return "the field '" + prefix + key + "' is missing";
        if (std::string inner = fault_in(found[key], value, prefix + key); !inner.empty())
            return inner;
    }
    for (const auto& [key, value] : found.items()) {
        if (!expected.contains(key)) return "the field '" + prefix + key + "' is unknown";
    }
    return {};
}

json take_unknown(json& found, const json& expected) {
    json unknown = json::object();
    for (auto field = found.begin(); field != found.end();) {
        if (!expected.contains(field.key())) {
            unknown[field.key()] = *field;
            field = found.erase(field);
            continue;
        }
        const json& known = expected[field.key()];
        if (field->is_object() && known.is_object()) {
            json inner = take_unknown(*field, known);
            if (!inner.empty()) unknown[field.key()] = std::move(inner);
        }
        ++field;
    }
    return unknown;
}

void add_missing(json& file, const char* place, json fields) {
    const json::json_pointer at(place);
    if (!file.contains(at) || !file[at].is_object()) return;
    fields.update(file[at]);
    file[at] = std::move(fields);
}

std::string names_of(const json& fields) {
    std::string names;
    add_names(fields, "", names);
    return names;
}

}  // namespace keepsake::editor
