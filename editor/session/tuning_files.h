// A tuning as safetensors files, and its losses as JSON: what a session folder is made of.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "optimize/imagic/imagic.h"
#include "pipeline/model/model.h"

namespace keepsake::editor {

// Two of a session's files (session.h).
inline constexpr const char* checkpoint_file = "checkpoint.safetensors";
inline constexpr const char* losses_file = "losses.json";

// Every file carries `tag` (tuning_tag of the recipe) in its metadata. The readers throw Error
// naming the file when it is damaged, lacks a tensor, or carries another tag.

// A stage under way: everything that going on needs. stage: "embedding" or "finetune".
void write_checkpoint(const std::filesystem::path& path, const std::string& tag,
                      const std::string& stage, const optimize::Tuning& tuning);
void read_checkpoint(const std::filesystem::path& path, const std::string& tag,
                     const pipeline::Model& model, optimize::Tuning& tuning);
// "embedding" or "finetune", from the file's header alone.
std::string checkpoint_stage(const std::filesystem::path& path, const std::string& tag);
// Steps done in that stage, likewise.
std::int64_t checkpoint_steps(const std::filesystem::path& path);

// Stage A's result.
void write_embeddings(const std::filesystem::path& path, const std::string& tag,
                      const optimize::Tuning& tuning);
void read_embeddings(const std::filesystem::path& path, const std::string& tag,
                     const pipeline::Model& model, optimize::Tuning& tuning);

// Stage B's result.
void write_unet(const std::filesystem::path& path, const std::string& tag,
                const optimize::Tuning& tuning);
void read_unet(const std::filesystem::path& path, const std::string& tag,
               const pipeline::Model& model, optimize::Tuning& tuning);

// Stage B's result where a LoRA learned; see pipeline::save_loras.
void write_lora(const std::filesystem::path& path, const std::string& tag,
                const optimize::Tuning& tuning);
void read_lora(const std::filesystem::path& path, const std::string& tag,
               const pipeline::Model& model, optimize::Tuning& tuning);

// {"kind": "keepsake losses", "version": ..., "embedding": {"before", "after", "average",
// "training": [...]}, "finetune": {...}}; "rate" where it was found by trying
void write_losses(const std::filesystem::path& path, const optimize::Tuning& tuning);
void read_losses(const std::filesystem::path& path, optimize::Tuning& tuning);

}  // namespace keepsake::editor
