#include "pipeline/files/safetensors.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string_view>
#include <system_error>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/files/pickle.h"

namespace keepsake::pipeline {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

// The file, held open: what is renamed over its path does not change what is read. It is read and
// not mapped, because a file that becomes shorter under a mapping ends the program by a signal.
struct SafetensorsFile::OpenFile {
    std::filesystem::path path;
    int descriptor = -1;
    std::size_t size = 0;
    explicit OpenFile(const std::filesystem::path& path);
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;
    ~OpenFile() {
        if (descriptor >= 0) ::close(descriptor);
    }

    // Throws Error naming the file, also when it has become shorter than that.
    void read(char* to, std::size_t begin, std::size_t count) const;
    std::string bytes(std::size_t begin, std::size_t count) const {
        std::string result(count, '\0');
        read(result.data(), begin, count);
        return result;
    }
};

namespace {

using nlohmann::json;
using std::filesystem::path;

constexpr std::size_t prefix_size = 8;
// The reference implementation's own limit, so that no file of ours is unreadable elsewhere.
constexpr std::uint64_t max_header_size = 100'000'000;

struct DtypeName {
    std::string_view name;
    at::ScalarType dtype;
};
constexpr std::array<DtypeName, 15> dtype_names = {{{"F64", at::kDouble},
                                                    {"F32", at::kFloat},
                                                    {"F16", at::kHalf},
                                                    {"BF16", at::kBFloat16},
                                                    {"F8_E4M3", at::kFloat8_e4m3fn},
                                                    {"F8_E5M2", at::kFloat8_e5m2},
                                                    {"I64", at::kLong},
                                                    {"I32", at::kInt},
                                                    {"I16", at::kShort},
                                                    {"I8", at::kChar},
                                                    {"U64", at::kUInt64},
                                                    {"U32", at::kUInt32},
                                                    {"U16", at::kUInt16},
                                                    {"U8", at::kByte},
                                                    {"BOOL", at::kBool}}};

[[noreturn]] void refuse_pickle(const path& path) {
    auto converted = path;
    converted.replace_extension(".safetensors");
    throw Error(path.string(),
                "is a pickle checkpoint; loading one can run any program hidden in it, so it is "
                "refused. Convert it where you trust it: python -c \"import torch; from "
                "safetensors.torch import save_file; m = torch.load('" +
                    path.string() +
                    "', map_location='cpu', weights_only=True); m = m.get('state_dict', m); "
                    "save_file({k: v.clone().contiguous() for k, v in m.items() if "
                    "torch.is_tensor(v)}, '" +
                    converted.string() + "')\"");
}

// The length of the JSON header, once the file of `file_size` bytes can hold it. bytes: its first
// ones.
std::size_t checked_header_size(const path& path, std::string_view bytes, std::size_t file_size) {
    if (bytes.empty()) throw Error(path.string(), "is empty, not a safetensors file");
    if (is_pickle(path, bytes)) refuse_pickle(path);
    if (bytes.size() < prefix_size)
        throw Error(path.string(),
                    "is no safetensors file: only " + std::to_string(bytes.size()) + " bytes");
    std::uint64_t size = 0;
    std::memcpy(&size, bytes.data(), prefix_size);
    if (size > max_header_size)
        throw Error(path.string(), "is no safetensors file: says its header has " +
                                       std::to_string(size) + " bytes, and at most " +
                                       std::to_string(max_header_size) + " are allowed");
    if (size > file_size - prefix_size)
        throw Error(path.string(), "is truncated, or no safetensors file: says its header has " +
                                       std::to_string(size) + " bytes, and the file has " +
                                       std::to_string(file_size));
    return static_cast<std::size_t>(size);
}

// The header, a JSON object; parse_json alone would let the last of two equal keys win.
json parse_header(const path& path, std::string_view text) {
    std::vector<std::set<std::string>> keys;
    std::string twice;
    const auto check_keys = [&](int, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key &&
            !keys.back().insert(value.get<std::string>()).second && twice.empty())
            twice = value.get<std::string>();
        return true;
    };
    constexpr JsonLimits limits{.size = max_header_size, .depth = 8};  // it takes three levels
    json header;
    try {
        header = parse_json(text, "its header", limits, check_keys);
    } catch (const Error& error) {
        throw Error(path.string(), std::string("is no safetensors file: ") + error.what());
    }
    if (!twice.empty()) throw Error(path.string(), "header has two entries '" + twice + "'");
    if (!header.is_object())
        throw Error(path.string(), "is no safetensors file: its header is no JSON object");
    return header;
}

std::map<std::string, std::string> parse_metadata(const path& path, const json& value) {
    std::map<std::string, std::string> metadata;
    bool fits = value.is_object();
    if (fits)
        for (const auto& [key, text] : value.items()) {
            fits = fits && text.is_string();
            if (fits) metadata[key] = text.get<std::string>();
        }
    if (!fits) throw Error(path.string(), "header: __metadata__ is no object of strings");
    return metadata;
}

// A list of `count` (0: any number of) integers in [0, 2^63).
bool is_size_list(const json& value, std::size_t count) {
    return value.is_array() && (count == 0 || value.size() == count) &&
           std::ranges::all_of(value, [](const json& item) {
               return item.is_number_unsigned() &&
                      item.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
           });
}

// One header entry. `data_begin` and `data_size`: where the tensors' bytes lie in the file.
TensorInfo parse_tensor(const std::string& noun, const json& entry, std::size_t data_begin) {
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
        !entry.contains("shape") || !is_size_list(entry["shape"], 0) ||
        !entry.contains("data_offsets") || !is_size_list(entry["data_offsets"], 2))
        throw Error(noun, "its header entry is not {dtype, shape, data_offsets}: " + brief(entry));
    TensorInfo info;
    const auto name = entry["dtype"].get<std::string>();
    const auto* known = std::ranges::find(dtype_names, name, &DtypeName::name);
    if (known == dtype_names.end())
        throw Error(noun,
                    "has dtype " + name + ", which is not supported; convert it to F16 or F32");
    info.dtype = known->dtype;
    info.shape = entry["shape"].get<std::vector<std::int64_t>>();
    std::int64_t bytes = static_cast<std::int64_t>(at::elementSize(info.dtype));
    for (const auto side : info.shape)
        if (__builtin_mul_overflow(bytes, side, &bytes))
            throw Error(noun, "shape " + brief(entry["shape"]) + " is too large");
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>();
    const auto end = entry["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end - begin != static_cast<std::uint64_t>(bytes))
        throw Error(noun, "offsets " + brief(entry["data_offsets"]) + " do not fit dtype " + name +
                              " and shape " + brief(entry["shape"]) + ", which take " +
                              std::to_string(bytes) + " bytes");
    // No overflow: both offsets are below 2^63, and the header is small.
    info.begin = data_begin + begin;
    info.end = data_begin + end;
    return info;
}

// The tensors must follow one another without overlap or hole and fill the file: what is not in a
// tensor could hide another file, and overlapping ones would make a small file expand without
// limit.
void check_layout(const path& path, const std::map<std::string, TensorInfo>& tensors,
                  std::size_t data_begin, std::size_t file_size) {
    std::vector<std::pair<std::string_view, const TensorInfo*>> order;
    for (const auto& [name, info] : tensors) order.emplace_back(name, &info);
    std::ranges::stable_sort(order, {}, [](const auto& item) {
        return std::pair(item.second->begin, item.second->end);
    });
    std::size_t position = data_begin;
    for (const auto& [name, info] : order) {
        const auto noun = path.string() + ": tensor '" + std::string(name) + "'";
        if (info->begin < position) throw Error(noun, "overlaps the tensor before it");
        if (info->begin > position)
            throw Error(noun, std::to_string(info->begin - position) +
                                  " bytes before it belong to no tensor");
        if (info->end > file_size)
            throw Error(noun, "the file is truncated: the tensor ends at byte " +
                                  std::to_string(info->end) + ", and the file has " +
                                  std::to_string(file_size));
        position = info->end;
    }
    if (position != file_size)
        throw Error(path.string(), std::to_string(file_size - position) +
                                       " bytes after the last tensor belong to no tensor");
}

}  // namespace

// O_NONBLOCK so that a named pipe is refused below and not waited for.
SafetensorsFile::OpenFile::OpenFile(const std::filesystem::path& path_)
    : path(path_), descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (descriptor < 0)
        throw Error(path.string(), "cannot read: " + std::generic_category().message(errno));
    struct stat status {};
    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        ::close(descriptor);
        throw Error(path.string(), S_ISDIR(status.st_mode) ? "is a folder, not a safetensors file"
                                                           : "is no regular file");
    }
    size = static_cast<std::size_t>(status.st_size);
}

void SafetensorsFile::OpenFile::read(char* to, std::size_t begin, std::size_t count) const {
    while (count > 0) {
        const auto got = ::pread(descriptor, to, count, static_cast<off_t>(begin));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            throw Error(path.string(), "cannot read: " + std::generic_category().message(errno));
        if (got == 0)
            throw Error(path.string(), "was cut short while it was read: it ended at byte " +
                                           std::to_string(begin) + ", and had " +
                                           std::to_string(size));
        to += got;
        begin += static_cast<std::size_t>(got);
        count -= static_cast<std::size_t>(got);
    }
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
    const auto file = std::make_shared<const OpenFile>(path);
    file_ = file;
    const std::string first = file->bytes(0, std::min(file->size, prefix_size + 1));
    const auto header_size = checked_header_size(path, first, file->size);
    const auto header = parse_header(path, file->bytes(prefix_size, header_size));
    const auto data_begin = prefix_size + header_size;
    for (const auto& [name, entry] : header.items()) {
        if (name == "__metadata__")
            metadata_ = parse_metadata(path, entry);
        else
            tensors_[name] =
                parse_tensor(path.string() + ": tensor '" + name + "'", entry, data_begin);
    }
    check_layout(path, tensors_, data_begin, file->size);
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) throw Error(path_.string(), "has no tensor '" + name + "'");
    return found->second;
}

std::string SafetensorsFile::read_bytes(const std::string& name, std::size_t offset,
                                        std::size_t size) const {
    const TensorInfo& info = this->info(name);
    const auto total = info.end - info.begin;
    offset = std::min(offset, total);
    return file_->bytes(info.begin + offset, std::min(size, total - offset));
}

Tensor SafetensorsFile::read(const std::string& name, at::ScalarType as) const {
    const TensorInfo& info = this->info(name);
    if (as == at::ScalarType::Undefined) as = info.dtype;
    Tensor result = at::empty(info.shape, at::TensorOptions().dtype(as));
    if (as == info.dtype) {
        file_->read(static_cast<char*>(result.data_ptr()), info.begin, info.end - info.begin);
        return result;
    }
    // A few megabytes at a time, so that a large tensor is never in memory twice.
    constexpr std::int64_t chunk_bytes = std::int64_t{4} << 20;
    const auto element = static_cast<std::int64_t>(at::elementSize(info.dtype));
    const std::int64_t most = chunk_bytes / element;
    const Tensor flat = result.view(-1);
    const Tensor chunk =
        at::empty({std::min(most, flat.numel())}, at::TensorOptions().dtype(info.dtype));
    for (std::int64_t done = 0; done < flat.numel(); done += most) {
        const std::int64_t count = std::min(most, flat.numel() - done);
        file_->read(static_cast<char*>(chunk.data_ptr()),
                    info.begin + static_cast<std::size_t>(done * element),
                    static_cast<std::size_t>(count * element));
        flat.narrow(0, done, count).copy_(chunk.narrow(0, 0, count));
    }
    return result;
}

std::string_view safetensors_dtype_name(at::ScalarType dtype) {
    const auto* known = std::ranges::find(dtype_names, dtype, &DtypeName::dtype);
    return known == dtype_names.end() ? "?" : known->name;
}

TensorMap read_safetensors(const std::filesystem::path& path) {
    const SafetensorsFile file(path);
    TensorMap tensors;
    for (const auto& [name, info] : file.tensors()) tensors[name] = file.read(name);
    return tensors;
}

void write_safetensors(const std::filesystem::path& path, const TensorMap& tensors,
                       const std::map<std::string, std::string>& metadata) {
    json header = json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    // Wide types first, which aligns every tensor to its own element size, as the reference does.
    std::vector<std::pair<std::string, const Tensor*>> order;
    for (const auto& [name, tensor] : tensors) {
        if (!tensor.defined() || tensor.layout() != at::kStrided || name == "__metadata__")
            throw Error(path.string(), "tensor '" + name + "' cannot be saved");
        order.emplace_back(name, &tensor);
    }
    std::ranges::stable_sort(order, std::greater{},
                             [](const auto& item) { return item.second->element_size(); });
    std::size_t position = 0;
    for (const auto& [name, tensor] : order) {
        const auto* known =
            std::ranges::find(dtype_names, tensor->scalar_type(), &DtypeName::dtype);
        if (known == dtype_names.end())
            throw Error(path.string(), "tensor '" + name + "' cannot be saved: dtype " +
                                           at::toString(tensor->scalar_type()));
        const auto end = position + tensor->nbytes();
        header[name] = {{"dtype", known->name},
                        {"shape", tensor->sizes().vec()},
                        {"data_offsets", {position, end}}};
        position = end;
    }
    std::string text;
    try {
        text = header.dump();
    } catch (const json::exception&) {
        throw Error(path.string(), "a tensor's name or the metadata is not UTF-8");
    }
    text.resize((text.size() + 7) / 8 * 8, ' ');
    if (text.size() > max_header_size)
        throw Error(path.string(), "too many tensors or too much metadata");

    write_file_atomically(path, [&](std::ostream& stream) {
        const std::uint64_t size = text.size();
        stream.write(reinterpret_cast<const char*>(&size), sizeof size);
        stream.write(text.data(), static_cast<std::streamsize>(text.size()));
        for (const auto& [name, tensor] : order) {
            const Tensor plain = tensor->detach().cpu().contiguous();
            stream.write(static_cast<const char*>(plain.const_data_ptr()),
                         static_cast<std::streamsize>(plain.nbytes()));
            if (!stream) return;  // the disk is full: write_file_atomically says so
        }
    });
}

}  // namespace keepsake::pipeline
