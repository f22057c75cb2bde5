// Memory for large tensors that is not given back to the system each time.
#pragma once

namespace keepsake::pipeline {

// From now on LibTorch's CPU tensors of 1 MiB and more are made in buffers that earlier ones of
// about their size left behind, of which 768 MiB are kept at most. The C library would return such
// a buffer to the system at once, and get it back page by page, cleared. For the whole process;
// every load_model() calls it, and calling it again changes nothing.
void keep_large_buffers();

// Gives the system what is kept, and what the C library holds. Before a moment of much memory.
void give_back_buffers();

}  // namespace keepsake::pipeline
