// The panels, a source file each. Each draws its part of a frame and sends what the person asks
// for.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "gui/frame.h"

namespace keepsake::gui {

// Everything of one frame: takes over what the Document changed, then draws.
void draw_window(Frame& frame);

void handle_shortcuts(Frame& frame);
void draw_top_bar(Frame& frame, const Rect& place);
void draw_status_bar(Frame& frame, const Rect& place);
// With what to do about it.
std::string text_of(const editor::Notice& notice);
// An error, until it is dismissed. Its height is 0 while there is none.
float fault_bar_height(const Frame& frame, float width);
void draw_fault_bar(Frame& frame, const Rect& place);
// The empty window: samples, recent sessions, how to open a photo.
void draw_invitation(Frame& frame, const Rect& place);
// The picture in all its views.
void draw_canvas(Frame& frame, const Rect& place);
void draw_crop(Frame& frame, const Rect& place);
// The tint and the brush over the picture in the view Mask; the picture's item was drawn last.
void draw_mask_tool(Frame& frame, const Rect& area, const Rect& place);
void draw_variations(Frame& frame, const Rect& place);
// Text, advanced settings, progress, history.
void draw_edit_panel(Frame& frame, const Rect& place);
// In its place in the view Mask.
void draw_mask_panel(Frame& frame, const Rect& place);
void draw_advanced(Frame& frame);      // with its header
void draw_model_fields(Frame& frame);  // a part of that
void draw_progress(Frame& frame);
void draw_history(Frame& frame);
// The renders from 0 to 1.2 and the slider below them.
void draw_film_strip(Frame& frame, const Rect& place);
void draw_open_dialog(Frame& frame);
void draw_export_dialog(Frame& frame);
void draw_help(Frame& frame);

// Settings that a picture carries: of the open photo's a part of the edit panel, of a dropped one a
// question.
void take_over_offer(Frame& frame);
void draw_offer(Frame& frame);
void draw_dropped_offer(Frame& frame);

// The room Teach: the photos with their captions or the pictures on the way, what to learn and how
// far it is, and My words.
void take_over_offers(Frame& frame);
void draw_teach_room(Frame& frame, const Rect& place);
void draw_teach_photos(Frame& frame, const Rect& place);
void draw_teach_samples(Frame& frame, const Rect& place);
void draw_teach_fields(Frame& frame);
// In the line above the photos: has them captioned.
void draw_teach_captions(Frame& frame);
void take_over_captions(Frame& frame);
void draw_teach_progress(Frame& frame);
void draw_my_words(Frame& frame);
void draw_delete_word(Frame& frame);

// The room Queue: the edits that are worked off one after the other, and what to add to them.
void draw_queue_room(Frame& frame, const Rect& place);
void draw_queue_list(Frame& frame, const Rect& place);

// The middle of a room in which nothing lies yet: what it is for, in a title and two lines, and a
// button that adds photos. id: of the button, among those of the same label.
struct RoomInvitation {
    const char* title;
    std::array<const char*, 2> lines;
    const char* id;
};
void draw_room_invitation(Frame& frame, const Rect& place, const RoomInvitation& invitation);

// A text field in which Tab or a click completes the words of My words, with what is proposed
// below it.
struct FieldText {
    const char *id, *hint, *proposal;  // proposal: what the names are
};
// Likewise of any names. Returns whether Enter was pressed, with that flag.
bool completing_field(Frame& frame, const FieldText& of, std::string& text,
                      const std::vector<std::string>& names, ImGuiInputTextFlags flags = 0);
void word_field(Frame& frame, const char* id, const char* hint, std::string& text,
                ImGuiInputTextFlags flags = 0);

// What shortcuts and buttons share.
void close_notice(Frame& frame);
void open_file(Frame& frame, const std::filesystem::path& path);
// The photo or session among them, several photos into the queue; a plain folder is shown in the
// dialog. A picture beside an open photo may be there for its settings. paths: not empty.
void open_dropped(Frame& frame, const std::vector<std::filesystem::path>& paths);
void apply(Frame& frame);
bool can_apply(const Frame& frame);
// Whether the session is of the mode inpaint, whose pictures are drawn when the mask is left.
bool draws_anew(const Frame& frame);
void set_view(Frame& frame, View view);
void set_eta(Frame& frame, double eta);  // rounded to hundredths, within 0 to 1.2
void choose_seed(Frame& frame, std::uint64_t seed);
void begin_open(Frame& frame);
void begin_export(Frame& frame);
void set_room(Frame& frame, Room room);
void begin_add_photos(Frame& frame);
// Of the room Queue: gives the texts of its field to the photos that have none, else to the photo
// that is open.
void queue_texts(Frame& frame);
bool can_queue_texts(const Frame& frame);
// What the fields say; of the open photo with its crop. None while there is no model.
std::optional<editor::QueueSettings> queue_settings(const Frame& frame, bool of_open_photo);
// Adds photos, and shows them.
void queue_photos(Frame& frame, const std::vector<std::filesystem::path>& photos);
// Of the room Teach: learns what the fields say, or goes on with the run that they are of.
void start_teaching(Frame& frame);
bool can_start_teaching(const Frame& frame);
bool is_run_of_fields(const Frame& frame);
editor::TeachFaults teach_faults(const Frame& frame);
bool can_export(const Frame& frame);
// Of a window for one photo of another program's: writes the edit into its file, after which the
// window closes; closes without.
void save_external(Frame& frame);
bool can_save_external(const Frame& frame);
void finish_external(Frame& frame);
// Whether the request would put something else in that photo's place.
bool leaves_external(const WindowState& state, const editor::Request& request);
// In the view Mask, of what was painted; else of results.
bool can_undo(const Frame& frame);
bool can_redo(const Frame& frame);
void undo(Frame& frame);
void redo(Frame& frame);
// What the mask's fields show, and changing it.
editor::RegionSettings region_settings(const Frame& frame);
void set_region(Frame& frame, const editor::RegionSettings& settings);
void resize_brush(Frame& frame, float factor);
// Sends the look that is waiting, once it has rested. Returns whether one still waits.
bool send_rested_look(Frame& frame);

constexpr double largest_eta = 1.2;
constexpr float smallest_brush = 2, largest_brush = 200;  // radius, in units of the design
constexpr std::size_t variation_count = 9;

}  // namespace keepsake::gui
