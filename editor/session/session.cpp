#include "editor/session/session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "editor/session/elsewhere_files.h"
#include "editor/session/session_region.h"
#include "editor/session/tuning_files.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/own_folder.h"
#include "pipeline/files/safetensors.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;
using optimize::Tuning;

constexpr const char* recipe_file = "recipe.json";
constexpr const char* embeddings_file = "embeddings.safetensors";
constexpr const char* unet_file = "unet.safetensors";
constexpr const char* lora_file = "lora.safetensors";
constexpr const char* start_file = "start.safetensors";
constexpr const char* start_embeddings_file = "start-embeddings.safetensors";
constexpr const char* start_losses_file = "start-losses.json";
constexpr const char* words_file = "words.safetensors";
constexpr const char* lock_file = "lock";
constexpr const char* temporary = ".keepsake-tmp-";  // what is being written; see atomic_file.h
constexpr const char* staging_folder = ".keepsake-tmp-new";
// What a session begins with beside its recipe and photo; each where it has such.
constexpr std::array begun_with = {start_file, start_embeddings_file, start_losses_file,
                                   words_file};
constexpr std::array photo_extensions = {"jpg", "png", "webp", "tif"};

std::string noun(const fs::path& folder) {
    return "session " + folder.string();
}

std::string stage_name(Stage stage) {
    return stage == Stage::embedding ? "embedding" : "finetune";
}

void remove_file(const fs::path& path) {
    std::error_code code;
    fs::remove(path, code);
    if (code) throw Error(path.string(), "cannot be removed: " + code.message());
}

void make_folder(const fs::path& folder) {
    std::error_code code;
    fs::create_directories(folder, code);
    if (code) throw Error(noun(folder), "cannot be made: " + code.message());
}

// Everything that was tuned, the results first: what is left at any moment is a session of the old
// recipe that has less done.
void remove_tuning(const fs::path& folder) {
    for (const char* name : {unet_file, lora_file, checkpoint_file, embeddings_file, losses_file}) {
        remove_file(folder / name);
    }
    remove_elsewhere_files(folder);
}

// What write_file_atomically leaves when the power goes. Only the lock's holder may do this.
void remove_leftovers(const fs::path& folder) {
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (!entry.path().filename().string().starts_with(temporary)) continue;
        std::error_code code;
        fs::remove_all(entry.path(), code);  // of a link, the link
        if (code) throw Error(entry.path().string(), "cannot be removed: " + code.message());
    }
}

// Of the file at `path`; damaged where it cannot be read.
RecipeKind kind_of(const fs::path& path) {
    try {
        return recipe_kind(read_file(path));
    } catch (const Error&) {
        return RecipeKind::damaged;
    }
}

// Throws Error naming the folder when it holds what no session holds, or an interrupted creation
// leaves: only what lies in a session is ever replaced.
void check_replaceable(const fs::path& folder) {
    if (is_there(folder / recipe_file)) {
        const RecipeKind kind = kind_of(folder / recipe_file);
        if (kind == RecipeKind::ours) return;
        throw Error(noun(folder), kind == RecipeKind::damaged
                                      ? "has a damaged recipe.json; give another --session"
                                      : "is a folder with another program's recipe.json in it; "
                                        "give another --session");
    }
    // A creation begins with the lock; without one a photo is the user's own.
    const bool begun = is_there(folder / lock_file);
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        const bool ours = name == lock_file || name == "renders" || name.starts_with(temporary) ||
                          (begun && (name.starts_with("photo.") ||
                                     std::ranges::find(begun_with, name) != begun_with.end()));
        if (ours) continue;
        throw Error(noun(folder),
                    "is a folder with other things in it ('" + name + "'); give another --session");
    }
}

// The recipe's words, of `words`; no file where it has none.
void write_words(const fs::path& folder, const Recipe& recipe,
                 const std::vector<pipeline::LearnedWord>& words) {
    pipeline::TensorMap vectors;
    for (const WordReference& wanted : recipe.words)
        for (const pipeline::LearnedWord& word : words)
            if (pipeline::fingerprint_of_word(word) == wanted.fingerprint)
                vectors[wanted.fingerprint] = word.vectors;
    if (!vectors.empty()) pipeline::write_safetensors(own_file(folder, words_file), vectors);
}

// Everything that a new session begins with, in a folder of its own within the session's: when the
// disk is full, it is full before anything was removed. Returns that folder.
fs::path stage(const fs::path& folder, const Recipe& recipe, const Photo& photo,
               const SessionSources& sources) {
    const fs::path staging = own_folder(folder, staging_folder);
    write_file_atomically(own_file(staging, "photo." + photo.extension), photo.bytes);
    write_words(staging, recipe, sources.words);
    if (const Session* start = sources.start) {
        write_file_atomically(own_file(staging, start_file), read_file(start->folder / lora_file));
        write_file_atomically(own_file(staging, start_embeddings_file),
                              read_file(start->folder / embeddings_file));
        if (is_there(start->folder / losses_file))
            write_file_atomically(own_file(staging, start_losses_file),
                                  read_file(start->folder / losses_file));
    }
    save_recipe(own_file(staging, recipe_file), recipe);
    return staging;
}

void move_file(const fs::path& from, const fs::path& to) {
    std::error_code code;
    fs::rename(from, to, code);
    if (code) throw Error(to.string(), "cannot be written: " + code.message());
}

// What was staged takes the place of what was there.
void take_place(const fs::path& folder, const fs::path& staging, const Photo& photo) {
    remove_tuning(folder);
    remove_file(folder / recipe_file);
    for (const char* name : begun_with) remove_file(folder / name);
    remove_region(folder);
    for (const char* extension : photo_extensions) {
        remove_file(folder / (std::string("photo.") + extension));
    }
    const auto take = [&](const std::string& name) {
        if (is_there(staging / name)) move_file(staging / name, folder / name);
    };
    for (const char* name : begun_with) take(name);
    take("photo." + photo.extension);
    move_file(staging / recipe_file, folder / recipe_file);  // last: now it is a session
    remove_leftovers(folder);
}

}  // namespace

SessionLock::SessionLock(const fs::path& folder, Access access) {
    const fs::path path = own_file(folder, lock_file);
    const int flags = O_CLOEXEC | O_CREAT | O_RDWR | O_NOFOLLOW;
    file_ = ::open(path.c_str(), flags, 0666);
    const int reason = errno;
    if (file_ < 0 && access == Access::read) {
        // Nothing can be written here, by us at least; an existing lock file is still respected.
        file_ = ::open(path.c_str(), O_CLOEXEC | O_RDONLY | O_NOFOLLOW);
        if (file_ < 0) return;
    }
    if (file_ < 0) throw Error(noun(folder), "cannot be written: " + std::string(strerror(reason)));
    const int kind = access == Access::write ? LOCK_EX : LOCK_SH;
    if (::flock(file_, kind | LOCK_NB) == 0) return;
    const bool in_use = errno == EWOULDBLOCK;
    const std::string why = in_use ? "is in use by another keepsake; wait for it or stop it"
                                   : "cannot be locked: " + std::string(strerror(errno));
    ::close(file_);
    file_ = -1;
    throw Error(noun(folder), why);
}

SessionLock::SessionLock(SessionLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

SessionLock::~SessionLock() {
    if (file_ >= 0) ::close(file_);
}

bool is_session(const fs::path& folder) {
    if (!is_there(folder / recipe_file)) return false;
    const RecipeKind kind = kind_of(folder / recipe_file);
    return kind == RecipeKind::ours || (kind == RecipeKind::damaged && !photo_in(folder).empty());
}

void check_can_create(const fs::path& folder) {
    std::error_code code;
    if (!fs::exists(folder, code)) return;
    if (!fs::is_directory(folder, code))
        throw Error(noun(folder), "is a file; give another --session");
    check_replaceable(folder);
}

Session create_session(const fs::path& folder, const Recipe& recipe, const Photo& photo,
                       const SessionSources& sources) {
    check_can_create(folder);
    make_folder(folder);
    Session session{folder, recipe, SessionLock(folder, SessionLock::Access::write)};
    remove_leftovers(folder);
    try {
        take_place(folder, stage(folder, recipe, photo, sources), photo);
    } catch (const Error&) {
        std::error_code ignored;
        fs::remove_all(folder / staging_folder, ignored);
        throw;
    }
    return session;
}

Session open_session(const fs::path& folder, SessionLock::Access access) {
    std::error_code code;
    if (!fs::is_directory(folder, code)) throw Error(noun(folder), "there is no such folder");
    if (!is_session(folder))
        throw Error(noun(folder), is_there(folder / recipe_file)
                                      ? "is no session: its recipe.json is none of a session's"
                                      : "is no session: it holds no recipe.json");
    SessionLock lock(folder, access);
    Session session{folder, load_recipe(folder / recipe_file), std::move(lock)};
    if (access == SessionLock::Access::write) remove_leftovers(folder);
    return session;
}

fs::path photo_in(const fs::path& folder) {
    for (const char* extension : photo_extensions) {
        const fs::path path = folder / (std::string("photo.") + extension);
        std::error_code code;
        if (fs::exists(path, code)) return path;
    }
    return {};
}

fs::path photo_path(const Session& session) {
    const fs::path path = photo_in(session.folder);
    if (path.empty())
        throw Error(noun(session.folder),
                    "its photo is missing; put it back there as photo.jpg "
                    "(or .png, .webp, .tif)");
    return path;
}

std::vector<pipeline::LearnedWord> read_session_words(const Session& session) {
    if (session.recipe.words.empty()) return {};
    const pipeline::SafetensorsFile file(session.folder / words_file);
    std::vector<pipeline::LearnedWord> words;
    for (const WordReference& wanted : session.recipe.words) {
        const at::Tensor vectors = file.read(wanted.fingerprint, at::kFloat);
        pipeline::LearnedWord word{wanted.name, vectors, file.path().string()};
        if (vectors.dim() != 2 || vectors.numel() == 0 ||
            pipeline::fingerprint_of_word(word) != wanted.fingerprint)
            throw Error(file.path().string(), "its vectors of '" + wanted.name +
                                                  "' are damaged; they are not those that the "
                                                  "session was made with");
        words.push_back(std::move(word));
    }
    return words;
}

void save_session_recipe(Session& session, Recipe recipe,
                         const std::vector<pipeline::LearnedWord>& words) {
    recipe.newer = session.recipe.newer;
    if (recipe.words != session.recipe.words) {
        // Those of the old recipe stay beside the new ones until that is there: whenever the power
        // goes, the session has its words.
        Recipe both = recipe;
        both.words.insert(both.words.end(), session.recipe.words.begin(),
                          session.recipe.words.end());
        std::vector<pipeline::LearnedWord> all = read_session_words(session);
        all.insert(all.end(), words.begin(), words.end());
        write_words(session.folder, both, all);
    }
    save_recipe(own_file(session.folder, recipe_file), recipe);
    session.recipe = std::move(recipe);
}

Stage next_stage(const Session& session) {
    if (!is_there(session.folder / embeddings_file)) return Stage::embedding;
    const bool lora = session.recipe.finetune.rank > 0;
    return is_there(session.folder / (lora ? lora_file : unet_file)) ? Stage::done
                                                                     : Stage::finetune;
}

bool is_begun(const Session& session) {
    return next_stage(session) != Stage::embedding || is_there(session.folder / checkpoint_file);
}

TuningStart load_start(const Session& session, const pipeline::Model& model) {
    TuningStart start;
    start.loras = pipeline::load_loras(session.folder / start_file, model.unet);
    const fs::path embeddings = session.folder / start_embeddings_file;
    if (!is_there(embeddings)) return start;
    Tuning earlier;
    read_embeddings(embeddings, session.recipe.start, model, earlier);
    start.optimised_embedding = earlier.optimised_embedding;
    if (is_there(session.folder / start_losses_file)) {
        read_losses(session.folder / start_losses_file, earlier);
        start.loss = earlier.finetune_losses.after;
    }
    return start;
}

Tuning load_tuning(const Session& session, const pipeline::Model& model) {
    const std::string tag = tuning_tag(session.recipe);
    const fs::path& folder = session.folder;
    const Stage stage = next_stage(session);
    const fs::path checkpoint = folder / checkpoint_file;
    Tuning tuning;
    // A checkpoint of a stage whose result is there was only not removed yet.
    if (is_there(checkpoint) && checkpoint_stage(checkpoint, tag) == stage_name(stage)) {
        read_checkpoint(checkpoint, tag, model, tuning);
        return tuning;
    }
    if (stage == Stage::embedding) return tuning;
    read_embeddings(folder / embeddings_file, tag, model, tuning);
    if (stage == Stage::done && session.recipe.finetune.rank > 0)
        read_lora(folder / lora_file, tag, model, tuning);
    else if (stage == Stage::done)
        read_unet(folder / unet_file, tag, model, tuning);
    read_losses(folder / losses_file, tuning);
    return tuning;
}

double finetune_rate(const Session& session) {
    if (session.recipe.finetune.learning_rate > 0) return session.recipe.finetune.learning_rate;
    Tuning tuning;
    read_losses(session.folder / losses_file, tuning);
    return tuning.finetune_losses.rate.value_or(0);
}

void save_checkpoint(const Session& session, Stage stage, const Tuning& tuning) {
    write_checkpoint(own_file(session.folder, checkpoint_file), tuning_tag(session.recipe),
                     stage_name(stage), tuning);
}

void finish_stage(const Session& session, Stage stage, const Tuning& tuning) {
    const std::string tag = tuning_tag(session.recipe);
    // The losses first: until the result is there, the checkpoint (which has them too) counts.
    write_losses(own_file(session.folder, losses_file), tuning);
    if (stage == Stage::embedding) {
        write_embeddings(own_file(session.folder, embeddings_file), tag, tuning);
    } else if (session.recipe.finetune.rank > 0) {
        write_lora(own_file(session.folder, lora_file), tag, tuning);
    } else {
        write_unet(own_file(session.folder, unet_file), tag, tuning);
    }
    remove_file(session.folder / checkpoint_file);
}

}  // namespace keepsake::editor
