// How the recipe of an edit comes about, and which model it runs on.
#pragma once

#include "editor/edit/edit.h"

namespace keepsake::editor {

ModelReference reference_to(const pipeline::Model& model);

// The recipe of a new session: options structs, above them the model's defaults, above them what
// was asked for. start: the session of request.from. Throws Error naming the crop when it does not
// fit the photo, or the session that cannot be the start.
Recipe make_recipe(const EditRequest& request, const Photo& photo, const pipeline::Model& model,
                   const ModelDefaults& defaults, const Session* start = nullptr);

// The sampling of a mode where nothing else is asked for.
pipeline::SampleOptions default_sample(const ModelDefaults& defaults, Mode mode);

// How `recipe`, of which the mode is settled, samples where the request does not say otherwise: the
// mode's way and the model's defaults.
void sample_as_asked(const RenderRequest& request, const ModelDefaults& defaults, Recipe& recipe);

// The etas in which edits of this mode mostly lie.
EtaRange eta_range(const ModelDefaults& defaults, Mode mode);

// Throws Error naming everything in which the request differs from what the session has tuned
// (photo, text, mode, and those options that were given) and how to go on. Sampling is free to
// differ.
void check_same_tuning(const Session& session, const EditRequest& request, const Photo& photo);

// Reads the model of a new session, or (session given) the one it was made with: the asked-for
// path, else the recorded path, else the default model, whichever has the fingerprint; with the
// session's LoRAs, VAE, layer of the text encoder and prediction where the request says none
// (model_changes.h). Throws Error naming the session when none has.
// The model knows the session's words and those of request.compute; of one that both have, throws
// Error naming the file where they are not the same.
pipeline::Model load_session_model(const RenderRequest& request, const Session* session);
// Throws Error naming a model for inpainting or for edits by instruction, which can be neither
// tuned nor learned with here.
void refuse_other_purposes(const pipeline::Model& model, Mode mode);
// Whether this is the session's model, as it was made.
bool is_model_of(const Session& session, const pipeline::Model& model);
// Throws Error naming the session when it was made with another model.
void check_session_model(const Session& session, const pipeline::Model& model);

// Those of the model's words that stand in the recipe's texts.
std::vector<WordReference> words_in(const pipeline::Model& model, const std::string& prompt,
                                    const std::string& negative_prompt);

// Whether the model knows the words of the recipe, with the same vectors.
bool knows_words(const pipeline::Model& model, const Recipe& recipe);

// Throws Error naming the session and each word of its text that `model` knows and the session does
// not: it was tuned with another meaning.
void check_same_words(const Session& session, const pipeline::Model& model);

// Makes `asked`, else what is measured on squares of `size` pixels, the number of threads, and
// returns it.
int set_threads(const std::optional<int>& asked, const pipeline::Model& model, std::int64_t size);

}  // namespace keepsake::editor
