// A session: a folder that holds one photo's tuning, from the first step to the renders.
//
//   recipe.json             what is tuned, on which model; written first
//   photo.<jpg|png|...>     the photo, byte for byte as given
//   checkpoint.safetensors  a stage under way: embeddings, weights, Adam's state, losses
//   embeddings.safetensors  after stage A: "target", "optimised"
//   lora.safetensors        after stage B of a fast tuning: the LoRA, as diffusers and the common
//                           web interfaces load it
//   unet.safetensors        after stage B of a paper tuning: the tuned weights by diffusers name
//   start.safetensors       where the tuning started from another session: that one's LoRA;
//                           start-embeddings.safetensors its embeddings, start-losses.json its
//                           losses
//   words.safetensors       the vectors of recipe.words, by their fingerprints
//   losses.json             of the stages that are done
//   mask.json, mask.png     the edit region that was set in the window (session_region.h)
//   elsewhere/              the edit for other programs, where it was asked for
//                           (elsewhere_files.h)
//   renders/                pictures, unless they are asked for elsewhere
//   lock                    held by the program that works on it
//
// Every file is written whole and through no link (house rule 10), and a stage's result is written
// before its checkpoint is removed, so that the folder opens as its last complete state whenever
// the power goes. All names are relative: the folder may be moved and copied.
#pragma once

#include <filesystem>
#include <string>

#include "editor/session/is_session.h"
#include "editor/session/recipe.h"
#include "optimize/imagic/imagic.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Holds the session's lock file while it lives.
class SessionLock {
  public:
    enum class Access { read, write };

    // read: others may read, nobody writes; a folder that cannot be written at all needs no lock.
    // Throws Error naming the folder when it is in use, or (write) cannot be written.
    SessionLock(const std::filesystem::path& folder, Access access);
    SessionLock(SessionLock&& other) noexcept;
    ~SessionLock();
    SessionLock(const SessionLock&) = delete;
    SessionLock& operator=(const SessionLock&) = delete;

  private:
    int file_ = -1;
};

struct Session {
    std::filesystem::path folder;
    Recipe recipe;
    SessionLock lock;
};

enum class Stage { embedding, finetune, done };  // what is to be worked on next

// Throws Error naming the folder when create_session would refuse it: it is a file, or holds other
// things than a session.
void check_can_create(const std::filesystem::path& folder);

// Makes the folder (its parents too) and writes photo and recipe. A session that is there already
// is replaced (its renders stay), after everything of the new one has been written: an Error leaves
// what was. Throws Error naming the folder or file as check_can_create does, when it is in use, and
// when it cannot be written.
struct SessionSources {
    const Session* start = nullptr;  // that recipe.start names; its LoRA and embeddings are copied
    std::vector<pipeline::LearnedWord> words = {};  // those of recipe.words among them are copied
};
Session create_session(const std::filesystem::path& folder, const Recipe& recipe,
                       const Photo& photo, const SessionSources& sources = {});

// The words of its recipe, of its own copy. Throws Error naming the file when one is missing or
// damaged.
std::vector<pipeline::LearnedWord> read_session_words(const Session& session);

// Replaces the recipe; what a newer Keepsake wrote besides stays. First copies those of its words
// that the session has not yet from `words`.
void save_session_recipe(Session& session, Recipe recipe,
                         const std::vector<pipeline::LearnedWord>& words);

// What a tuning starts from that goes on from another text's.
struct TuningStart {
    pipeline::LoraSet loras;
    // (1, T, D): the other text's e_opt, with which they were learned; undefined in sessions of
    // before it was kept.
    at::Tensor optimised_embedding;
    // Of both on the evaluation pairs; none: not known.
    std::optional<double> loss = {};
};
// Throws Error naming the file when one is damaged.
TuningStart load_start(const Session& session, const pipeline::Model& model);

// Throws Error naming the folder or its file when it is no session, is damaged, or is in use.
Session open_session(const std::filesystem::path& folder, SessionLock::Access access);

// The photo's file in a session's folder; empty when there is none.
std::filesystem::path photo_in(const std::filesystem::path& folder);
// Likewise; throws Error naming the folder when there is none.
std::filesystem::path photo_path(const Session& session);

// The tuning as far as it got: nothing, a checkpoint's, or finished stages. Tensors on the model's
// device. Throws Error naming the file when one is damaged or belongs to another recipe or model.
optimize::Tuning load_tuning(const Session& session, const pipeline::Model& model);

// What is left to do, from the files alone.
Stage next_stage(const Session& session);
// Whether anything is done.
bool is_begun(const Session& session);

// The learning rate of its stage B: the recipe's or, where that is 0, the one that was found by
// trying; 0 where none is found yet. Throws Error naming the file of losses when that is damaged.
double finetune_rate(const Session& session);

// Saves the tuning under way of `stage`; replaces the checkpoint before.
void save_checkpoint(const Session& session, Stage stage, const optimize::Tuning& tuning);

// Saves the result of a stage that has just finished and removes the checkpoint that it supersedes.
void finish_stage(const Session& session, Stage stage, const optimize::Tuning& tuning);

// For the person, of a recipe that a newer Keepsake wrote: "was written by a newer Keepsake; ...".
std::string newer_text(const Recipe& recipe);

// Several lines for `keepsake info`.
std::string describe_session(const std::filesystem::path& folder);

}  // namespace keepsake::editor
