// A captioner: a network that says in words what a picture shows. BLIP (Li et al., arXiv
// 2201.12086) in the layout of transformers.
#pragma once

#include <filesystem>
#include <string>

#include "pipeline/model/caption_search.h"
#include "pipeline/model/clip.h"
#include "pipeline/networks/blip_decoder.h"
#include "pipeline/networks/blip_vision.h"
#include "pipeline/text/word_piece.h"

namespace keepsake::pipeline {

struct Captioner {
    std::filesystem::path path;
    std::string name;  // of the folder: what captions are to be told with
    WordPiece tokenizer;
    ClipPreprocessing preprocessing;  // pictures are squeezed to its square, whatever their shape
    BlipVision vision;
    BlipDecoder decoder;
    std::uintmax_t bytes = 0;  // of the weights' file
};

// A folder of transformers' BlipForConditionalGeneration: config.json, model.safetensors (float32,
// float16 or bfloat16; computed in float32), vocab.txt or tokenizer.json, and
// preprocessor_config.json where it is. Throws Error naming the file that is missing, does not fit
// or is a pickle.
Captioner load_captioner(const std::filesystem::path& folder);

// What the captioner says of a picture, in lower case. picture: (1, 3, S, S), normalised as its
// preprocessing says; prompt: how the caption begins, empty for none; it is part of the result.
// Throws Error as search_caption does.
std::string caption(const Captioner& captioner, const Tensor& picture,
                    const std::string& prompt = {}, const CaptionSearch& search = {});

}  // namespace keepsake::pipeline
