#include "editor/workbench/history.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "editor/session/own_json.h"
#include "editor/workbench/draft_json.h"
#include "pipeline/error.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

bool same_result(const HistoryItem& a, const HistoryItem& b) {
    return a.draft == b.draft && a.eta == b.eta && a.seed == b.seed && a.session == b.session;
}

constexpr const char* history_file = "history.json";
constexpr OwnKind kind = {"keepsake history", 2};
constexpr double most_eta = 1e6;  // far beyond what anybody can see

fs::path history_path(const fs::path& session) {
    return session / history_file;
}

// Throws Error or json::exception saying what is wrong with it.
HistoryItem read_item(const json& entry, const fs::path& session) {
    HistoryItem item;
    item.session = session;
    item.eta = entry.at("eta").get<double>();
    if (!(std::abs(item.eta) <= most_eta)) throw Error("eta", "is out of range");
    // nlohmann takes a negative or too large number without a word.
    if (!entry.at("seed").is_number_unsigned()) throw Error("seed", "is no whole number from 0 up");
    item.seed = entry.at("seed").get<std::uint64_t>();
    item.draft.sample = sample_from(entry);
    return item;
}

json entry_of(const HistoryItem& item) {
    json entry = json_of(item.draft.sample);
    entry["eta"] = item.eta;
    entry["seed"] = item.seed;
    return entry;
}

bool has_unknown_field(const json& results) {
    const json known = entry_of({});
    for (const json& entry : results) {
        for (const auto& [key, value] : entry.items()) {
            if (!known.contains(key)) return true;
        }
    }
    return false;
}

}  // namespace

void History::show(HistoryItem item) {
    if (at_ && same_result(items_[*at_], item)) return;
    item.before = at_;
    items_.push_back(std::move(item));
    at_ = items_.size() - 1;
}

bool History::can_undo() const {
    return at_ && items_[*at_].before;
}

std::optional<std::size_t> History::next() const {
    if (!at_) return std::nullopt;
    for (std::size_t i = items_.size(); i-- > 0;) {
        if (items_[i].before == at_) return i;
    }
    return std::nullopt;
}

bool History::can_redo() const {
    return next().has_value();
}

bool History::undo() {
    if (!can_undo()) return false;
    at_ = items_[*at_].before;
    return true;
}

bool History::redo() {
    const auto forward = next();
    if (forward) at_ = forward;
    return forward.has_value();
}

void History::go_to(std::size_t index) {
    if (index < items_.size()) at_ = index;
}

void History::clear() {
    items_.clear();
    at_.reset();
}

void save_history(const fs::path& session, const History& history) {
    json list = json::array();
    json shown;  // the index in `list` of the item that is shown
    for (std::size_t i = 0; i < history.items().size(); ++i) {
        const HistoryItem& item = history.items()[i];
        if (item.session != session) continue;
        if (history.at() == i) shown = list.size();
        list.push_back(entry_of(item));
    }
    write_own_json(own_file(session, history_file), kind, {{"results", list}, {"shown", shown}});
}

SavedHistory load_history(const fs::path& session) {
    std::error_code code;
    if (!fs::exists(history_path(session), code)) return {};
    SavedHistory saved;
    std::size_t left_out = 0;
    std::string why;
    try {
        const json file = read_own_json(history_path(session), kind);
        const json shown = file.value("shown", json());
        const json& results = file.at("results");
        if (!results.is_array()) throw Error("results", "is no list");
        for (std::size_t i = 0; i < results.size(); ++i) {
            try {
                saved.items.push_back(read_item(results[i], session));
                if (shown.is_number_unsigned() && shown.get<std::size_t>() < i) continue;
                // The one that was shown, or what is left before it; else the newest.
                saved.shown = saved.items.size() - 1;
            } catch (const std::exception& error) {
                ++left_out;
                why = error.what();
            }
        }
        if (is_newer(file, kind) && has_unknown_field(results))
            saved.fault = history_path(session).string() +
                          ": was written by a newer Keepsake; what its results say besides is not "
                          "kept";
    } catch (const std::exception& error) {
        return {
            {}, 0, history_path(session).string() + ": is damaged and left out: " + error.what()};
    }
    if (left_out > 0) {
        saved.fault = history_path(session).string() + ": " + std::to_string(left_out) +
                      (left_out == 1 ? " result" : " results") +
                      " of this session's history cannot be read and " +
                      (left_out == 1 ? "is" : "are") + " left out: " + why;
    }
    return saved;
}

}  // namespace keepsake::editor
