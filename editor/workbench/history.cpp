#include "editor/workbench/history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "editor/session/recipe.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

bool same_result(const HistoryItem& a, const HistoryItem& b) {
    return a.draft == b.draft && a.eta == b.eta && a.seed == b.seed && a.session == b.session;
}

constexpr const char* history_file = "history.json";

fs::path history_path(const fs::path& session) {
    return session / history_file;
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
        const SampleDraft& sample = item.draft.sample;
        list.push_back({{"eta", item.eta},
                        {"seed", item.seed},
                        {"sampler", sample.sampler},
                        {"steps", sample.steps},
                        {"guidance", sample.guidance},
                        {"negative", checked_utf8(sample.negative)},
                        {"ddim_eta", sample.ddim_eta},
                        {"noise_share", sample.noise_share}});
    }
    write_file_atomically(own_file(session, history_file),
                          json{{"results", list}, {"shown", shown}}.dump(1) + "\n");
}

SavedHistory load_history(const fs::path& session) {
    std::error_code code;
    if (!fs::exists(history_path(session), code)) return {};
    SavedHistory saved;
    try {
        const json file = json::parse(read_file(history_path(session)));
        for (const json& entry : file.at("results")) {
            HistoryItem item;
            item.session = session;
            item.eta = entry.at("eta").get<double>();
            item.seed = entry.at("seed").get<std::uint64_t>();
            SampleDraft& sample = item.draft.sample;
            sample.sampler = entry.at("sampler").get<std::string>();
            sample.steps = entry.at("steps").get<int>();
            sample.guidance = entry.at("guidance").get<double>();
            sample.negative = entry.at("negative").get<std::string>();
            sample.ddim_eta = entry.at("ddim_eta").get<double>();
            sample.noise_share = entry.value("noise_share", sample.noise_share);
            saved.items.push_back(std::move(item));
        }
        saved.shown = saved.items.empty() ? 0 : saved.items.size() - 1;
        if (file.at("shown").is_number_unsigned()) {
            saved.shown = std::min(saved.shown, file.at("shown").get<std::size_t>());
        }
    } catch (const json::exception&) {
        return {};
    } catch (const Error&) {
        return {};
    }
    return saved;
}

}  // namespace keepsake::editor
