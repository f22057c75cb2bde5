// The safetensors format: 8 bytes of little-endian header length, a JSON header, raw tensor data.
// Source: the format description of huggingface/safetensors.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keepsake::pipeline {

using at::Tensor;
using TensorMap = std::map<std::string, Tensor>;

// One tensor of an open file: dtype and shape as stored, and where its bytes lie.
struct TensorInfo {
    at::ScalarType dtype = at::kFloat;
    std::vector<std::int64_t> shape;
    std::size_t begin = 0;  // byte offset from the start of the file
    std::size_t end = 0;
};

// A safetensors file, held open. Cheap to open: only the header is read and checked.
class SafetensorsFile {
  public:
    // Throws Error naming the file when it is missing, shorter than its header says, when the
    // header is no JSON or absurdly long, when offsets overlap, leave holes, leave the file or do
    // not fit dtype x shape, or when the file is a pickle or zip checkpoint (and then how to
    // convert it).
    explicit SafetensorsFile(const std::filesystem::path& path);

    const std::filesystem::path& path() const { return path_; }
    const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
    const std::map<std::string, std::string>& metadata() const { return metadata_; }

    // The tensor `name` as a fresh contiguous CPU tensor of dtype `as` (Undefined: as stored). A
    // load's peak memory is the result's. Throws Error naming file and tensor when there is none of
    // that name, and naming the file when it cannot be read or has been cut short since.
    Tensor read(const std::string& name, at::ScalarType as = at::ScalarType::Undefined) const;

    // Up to `size` of the tensor's bytes as stored, from byte `offset` of the tensor on. Throws as
    // read.
    std::string read_bytes(const std::string& name, std::size_t offset, std::size_t size) const;

  private:
    const TensorInfo& info(const std::string& name) const;

    struct OpenFile;
    std::filesystem::path path_;
    std::shared_ptr<const OpenFile> file_;
    std::map<std::string, TensorInfo> tensors_;
    std::map<std::string, std::string> metadata_;
};

// Writes `tensors` whole: to a temporary file in the same folder, flushed to disk, renamed. On any
// failure (no permission, disk full) nothing that was there before is touched, the temporary file
// is removed and an Error names `path`. Tensors may lie on any device, in any memory format.
void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata = {});

// Reads every tensor of a file as stored.
TensorMap read_safetensors(const std::filesystem::path& path);

// The format's own name of a dtype: "F32", "BF16"; "?" for one that it lacks.
std::string_view safetensors_dtype_name(at::ScalarType dtype);

}  // namespace keepsake::pipeline
