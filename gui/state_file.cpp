#include "gui/state_file.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "gui/panels.h"
#include "pipeline/files/atomic_file.h"

namespace keepsake::gui {
namespace {

using nlohmann::json;

constexpr std::array activities = {"idle",  "loading",  "tuning",    "rendering",
                                   "queue", "teaching", "captioning"};
constexpr std::array rooms = {"edit", "teach", "queue"};
constexpr std::array queue_states = {"waiting", "working", "done", "failed"};
constexpr std::array kinds = {"word", "subject", "captions"};
constexpr std::array teach_states = {"nothing", "running", "stopped", "finished"};
constexpr std::array tuned_names = {"nothing", "partly", "fully"};
constexpr std::array views = {"crop",         "mask",       "edit",      "wipe",
                              "side_by_side", "difference", "variations"};
constexpr std::array drawn_names = {"exact", "live", "nearest", "other"};
constexpr std::array exports = {"nothing", "exists", "under_way", "written", "failed"};

constexpr std::array region_modes = {"none", "automatic", "painted", "words"};

constexpr std::array export_kinds = {"photo", "square", "strip", "before_after"};

template <std::size_t n, class Value>
const char* name_of(const std::array<const char*, n>& names, Value value) {
    return names.at(static_cast<std::size_t>(value));
}

json numbers(const Rect& place) {
    return {place.min.x, place.min.y, place.width(), place.height()};
}

json pixels_state(const std::optional<editor::PixelDifference>& difference) {
    if (!difference) return {};
    return {difference->differing, difference->pixels, difference->largest};
}

// What an exported photo kept; null until it is compared.
json proof_state(const editor::ExportProof* proof) {
    if (!proof) return {};
    json state = {{"text", editor::proof_text(*proof)},
                  {"fault", proof->fault},
                  {"outside", pixels_state(proof->compared.outside)},
                  {"inside", pixels_state(proof->compared.inside)},
                  {"lossy", proof->lossy},
                  {"lost", json::array()}};
    for (const editor::FieldComparison& field : proof->compared.fields)
        if (field.fate == editor::FieldFate::lost) state["lost"].push_back(field.name);
    return state;
}

// What is offered and not answered yet; null: nothing.
json offer_state(const editor::PictureOffer* offer, const OfferPanel& panel) {
    if (!offer || offer->number <= panel.answered) return {};
    return {{"path", offer->path.string()},
            {"by", offer->settings.written_by},
            {"asks", offer->asks},
            {"text", editor::offer_text(offer->settings)}};
}

json sample_state(const editor::SampleDraft& sample) {
    return {{"sampler", sample.sampler},   {"schedule", sample.schedule},
            {"spacing", sample.spacing},   {"steps", sample.steps},
            {"guidance", sample.guidance}, {"negative", sample.negative}};
}

json document_state(const editor::Document& document) {
    json state;
    state["activity"] = name_of(activities, document.activity);
    state["tuned"] = name_of(tuned_names, document.tuned);
    state["stage"] = document.progress.stage;
    state["done"] = document.progress.done;
    state["photo"] = document.photo ? document.photo->name : "";
    state["session"] = document.session.string();
    state["eta"] = document.eta;
    state["seed"] = document.seed;
    state["has_preview"] = document.preview.square != nullptr;
    state["shown"] = document.shown.after ? json{document.shown.eta, document.shown.seed} : json();
    json& etas = state["renders"] = json::array();
    for (const editor::Render& render : document.renders) etas.push_back(render.eta);
    json& quick = state["quick_looks"] = json::array();
    for (const editor::Render& render : document.quick_looks) quick.push_back(render.eta);
    state["live"] = document.live.size();
    state["variations"] = std::count_if(document.variations.begin(), document.variations.end(),
                                        [](const auto& variation) { return variation.square; });
    state["history"] = document.history.size();
    state["history_at"] = document.history_at ? json(*document.history_at) : json();
    state["notice"] = text_of(document.notice);
    state["exported"] = {name_of(exports, document.exported.kind), document.exported.path.string(),
                         document.exported.fault};
    state["proof"] = proof_state(document.exported.proof.get());
    state["recent"] = document.recent.size();
    state["model"] = document.model ? document.model->choice.path.string() : "";
    state["model_parts"] = document.model
                               ? json{document.model->choice.vae, document.model->choice.loras}
                               : json::array();
    state["model_fault"] = document.model ? document.model->fault : "";
    const editor::RegionView& region = document.region;
    state["region"] = {name_of(region_modes, region.settings.mode), region.settings.threshold,
                       region.settings.feather};
    state["region_shown"] = region.weights != nullptr;
    state["region_finding"] = region.finding;
    state["region_undo"] = {region.can_undo, region.can_redo};
    // Tiles of what is zoomed into, and of these how many have the edit that is shown.
    state["tiles"] = {document.detail.tiles.size(),
                      document.detail.of != document.shown.after
                          ? 0
                          : std::ranges::count_if(document.detail.tiles, [](const auto& tile) {
                                return tile->after != nullptr;
                            })};
    return state;
}

json teach_state(const editor::TeachView& teach, const TeachRoom& room) {
    const editor::TeachBoard& run = teach.run;
    json state;
    state["run"] = {name_of(teach_states, run.state), run.folder.string(), run.fault};
    state["done"] = run.progress.done;
    state["steps"] = run.steps;
    state["losses"] = run.losses ? run.losses->size() : 0;
    state["evaluations"] = run.evaluations.size();
    state["samples"] = run.samples.size();
    state["reading"] = teach.reading;
    state["words"] = json::object();
    for (const editor::WordShown& word : teach.words) state["words"][word.name] = word.strength;
    state["unfinished"] = teach.unfinished.size();
    state["kind"] = name_of(kinds, room.draft.kind);
    state["token"] = room.draft.token;
    state["remarks"] = room.remarks;
    state["captions"] = json::array();
    for (const editor::TeachPicture& picture : room.draft.pictures)
        state["captions"].push_back(picture.caption);
    state["captioning"] = {teach.captions.running, teach.captions.done, teach.captions.total};
    state["on_the_way"] = room.on_the_way;
    return state;
}

json queue_state(const editor::Document& document) {
    json state = {{"paused", document.queue->paused},
                  {"fraction", document.queue_progress.fraction},
                  {"edits", json::array()}};
    for (const editor::QueuedEdit& edit : document.queue->edits) {
        state["edits"].push_back({{"name", edit.name},
                                  {"text", edit.text},
                                  {"state", name_of(queue_states, edit.state)},
                                  {"remark", edit.remark},
                                  {"session", edit.session.string()},
                                  {"sampler", edit.settings ? edit.settings->sample.sampler : ""},
                                  {"pictures", {edit.before != nullptr, edit.after != nullptr}}});
    }
    return state;
}

}  // namespace

void write_state(const std::filesystem::path& path, const Frame& frame) {
    json state = document_state(frame.document);
    for (const Widget& widget : frame.widgets)
        state["widgets"][widget.name] = numbers(widget.place);
    state["room"] = name_of(rooms, frame.state.room);
    state["teach"] = teach_state(frame.document.teach, frame.state.teach);
    state["queue"] = queue_state(frame.document);
    state["view"] = name_of(views, frame.state.view);
    state["drawn"] = name_of(drawn_names, frame.state.drawn);
    state["zoom"] = frame.state.zoom;
    const float pixels = frame.state.pixel_zoom;
    state["percent"] = pixels > 0 ? 100 * frame.state.zoom / pixels : 0;
    state["detail"] = {frame.state.detail.x, frame.state.detail.y, frame.state.detail.width,
                       frame.state.detail.height};
    state["mask_tint"] = frame.state.mask.tint;
    state["brush"] = frame.state.mask.radius;
    state["field_text"] = frame.state.draft.prompt;
    state["field_sample"] = sample_state(frame.state.draft.sample);
    state["offer"] = offer_state(frame.document.offer.get(), frame.state.offer);
    const auto& taken = frame.document.taken_offer;
    state["taken"] = taken && frame.state.offer.told ? json{taken->used, taken->left} : json();
    state["field_eta"] = frame.state.eta;
    state["field_seed"] = frame.state.seed;
    state["crop"] = {frame.state.draft.tuning.crop.x, frame.state.draft.tuning.crop.y,
                     frame.state.draft.tuning.crop.width, frame.state.draft.tuning.crop.height};
    state["export_kind"] = name_of(export_kinds, frame.state.exporting.kind);
    state["export_path"] = frame.state.exporting.path;
    state["help"] = frame.state.help;
    // What a person typed or a file is called may be any bytes.
    write_file_atomically(path, state.dump(-1, ' ', false, json::error_handler_t::replace));
}

void FrameLog::add(const FrameTime& time, const FrameContent& content) {
    const std::chrono::duration<double> begin = time.begin.time_since_epoch();
    const std::chrono::duration<double, std::milli> taken = FrameTime::Clock::now() - time.begin;
    file_ << std::fixed << begin.count() << ' ' << taken.count() << ' '
          << name_of(activities, content.activity) << ' ' << time.inputs << ' '
          << name_of(drawn_names, content.drawn) << ' ' << content.eta << std::endl;
}

}  // namespace keepsake::gui
