// LoRA and its relatives as other programs write them, added to a model's weights as these are
// read: no second copy of the network, and nothing slower afterwards.
//
// LoRA: Hu et al., arXiv 2106.09685. LoCon (convolutions, Tucker's decomposition), LoHa, LoKr:
// LyCORIS, Yeh et al., arXiv 2309.14859. DoRA: Liu et al., arXiv 2402.09353. (IA)^3: Liu et al.,
// arXiv 2205.05638, in LyCORIS' form.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/files/safetensors.h"

namespace keepsake::pipeline {

struct AdapterFile {
    std::filesystem::path path;  // a file, or peft's or diffusers' folder with one in it
    double weight = 1;           // how much of its change is added
    bool operator==(const AdapterFile&) const = default;
};

// "FILE" or "FILE:0.8"; the weight is what stands behind the last colon, where that is a number.
// Throws Error naming a text without a file or with a weight that is not finite.
AdapterFile parse_adapter(std::string_view text);
std::string adapter_text(const AdapterFile& adapter);

// The tensors of one component by name, "down_blocks.0.attentions.0.proj_in.weight", and their
// shapes.
using ShapeMap = std::map<std::string, std::vector<std::int64_t>>;

// One layer's change, as yet unread.
struct LayerChange {
    std::shared_ptr<const SafetensorsFile> file = {};
    std::map<std::string, std::string> parts = {};  // adapter_names.h: part -> the tensor's name
    double strength = 1;                            // AdapterFile::weight
    double alpha = 0;  // what peft's and diffusers' metadata say; 0: as the file's `alpha`, or rank
    bool rank_stabilised = false;  // scaled by alpha / sqrt(rank): Kalajdzievski, arXiv 2312.03732
};

// By the changed tensor's name, in the order in which they are added.
using ChangeMap = std::map<std::string, std::vector<LayerChange>>;

// What of a file was used.
struct AdapterReport {
    std::filesystem::path file = {};
    std::string kind = {};    // "LoRA", "LoHa, DoRA"
    std::size_t tensors = 0;  // in the file
    std::size_t unused = 0;   // of which these fit nothing here
    std::string first_unused = {};
    std::string made_for =
        {};  // "SDXL", "Flux" and the like, where the file's names or shapes tell
    std::vector<std::string> trigger_words = {};

    // For people: "12 of 280 tensors are not used: they are for SDXL (lora_te2_...)"; empty where
    // all are.
    std::string complaint() const;
};

struct Adapters {
    ChangeMap unet, text_encoder;
    std::vector<AdapterReport> reports;  // one a file
};

// Reads the headers and finds the layers of every tensor; what fits none, by name or by shape, is
// left out and told. A file made for a network of another text width changes nothing. Throws Error
// naming a file that cannot be read or is no adapter.
Adapters open_adapters(const std::vector<AdapterFile>& files, const ShapeMap& unet,
                       const ShapeMap& text_encoder);

// The tensor with these changes: `weight` float32, contiguous, is changed in place and returned.
// Throws Error naming the file and the tensor whose numbers are not finite.
Tensor changed(Tensor weight, const std::vector<LayerChange>& changes);

// What a file says it is, without a model: kind, made_for, tensors, trigger words.
AdapterReport describe_adapter(const SafetensorsFile& file);

// Whether a file's tensors are an adapter's.
bool is_adapter(const SafetensorsFile& file);

}  // namespace keepsake::pipeline
