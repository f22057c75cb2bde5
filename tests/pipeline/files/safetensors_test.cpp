#include "pipeline/files/safetensors.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <limits>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/failing_disk.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::pipeline {
namespace {

using testing::Child;
using testing::error_in_child;
using testing::TemporaryFolder;
using testing::thrown_message;
using testing::write_bytes;

// The bytes of a file with that header text and as many bytes of data.
std::string file_bytes(const std::string& header, std::size_t data_size) {
    const std::uint64_t size = header.size();
    std::string bytes(sizeof size, '\0');
    std::memcpy(bytes.data(), &size, sizeof size);
    return bytes + header + std::string(data_size, '\1');
}

// Writes `bytes` to "<folder>/file.safetensors", or another name, and returns why it does not open,
// without the file's name in front.
std::string why_not(const std::string& bytes, const std::string& name = "file.safetensors") {
    const TemporaryFolder folder;
    const auto path = folder.path / name;
    write_bytes(path, bytes);
    const auto message = thrown_message<Error>([&] { SafetensorsFile{path}; });
    EXPECT_EQ(message.find(path.string() + ": "), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message.substr(std::min(message.size(), path.string().size() + 2));
}

// Why a file with that one tensor entry does not open.
std::string why_not_entry(const std::string& entry, std::size_t data_size = 8) {
    return why_not(file_bytes(R"({"t":)" + entry + "}", data_size));
}

void expect_contains(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

TEST(Safetensors, RoundTripOfEveryDtype) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    TensorMap tensors;
    for (const auto dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt,
                             at::kShort, at::kChar, at::kByte, at::kBool})
        tensors[at::toString(dtype)] = at::arange(15).sub(7).view({3, 5}).to(dtype);
    tensors["scalar"] = at::scalar_tensor(2.5f);
    tensors["empty"] = at::zeros({0, 4});
    tensors["name with \" and \xc3\xa9"] = at::ones({1});
    write_safetensors(path, tensors, {{"format", "pt"}, {"note", "a \"quoted\" one\n"}});

    const SafetensorsFile file(path);
    EXPECT_EQ(file.metadata().at("format"), "pt");
    EXPECT_EQ(file.metadata().at("note"), "a \"quoted\" one\n");
    const auto read = read_safetensors(path);
    ASSERT_EQ(read.size(), tensors.size());
    for (const auto& [name, tensor] : tensors) {
        EXPECT_EQ(read.at(name).scalar_type(), tensor.scalar_type()) << name;
        EXPECT_TRUE(at::equal(read.at(name), tensor)) << name;
    }
    EXPECT_EQ(read.at("scalar").dim(), 0);
    EXPECT_EQ(file.tensors().at("Half").shape, (std::vector<std::int64_t>{3, 5}));
    EXPECT_EQ(safetensors_dtype_name(file.tensors().at("Half").dtype), "F16");
}

TEST(Safetensors, WritesAnyMemoryFormatRowByRow) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    const Tensor base = at::arange(48, at::kFloat).view({2, 4, 2, 3});
    write_safetensors(path, {{"channels_last", base.contiguous(at::MemoryFormat::ChannelsLast)},
                             {"transposed", base.view({8, 6}).t()},
                             {"needs_grad", base.clone().requires_grad_()}});
    const auto read = read_safetensors(path);
    EXPECT_TRUE(at::equal(read.at("channels_last"), base));
    EXPECT_TRUE(read.at("channels_last").is_contiguous());
    EXPECT_TRUE(at::equal(read.at("transposed"), base.view({8, 6}).t()));
    EXPECT_TRUE(at::equal(read.at("needs_grad"), base));
}

// The reader goes through a large tensor piece by piece.
TEST(Safetensors, ConvertsATensorOfSeveralPieces) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    const Tensor large = at::arange(5'000'011, at::kFloat).sub(2'500'000).div(1000);
    write_safetensors(path, {{"large", large}});
    const SafetensorsFile file(path);
    EXPECT_TRUE(at::equal(file.read("large"), large));
    EXPECT_TRUE(at::equal(file.read("large", at::kHalf), large.to(at::kHalf)));
    EXPECT_TRUE(at::equal(file.read("large", at::kBFloat16), large.to(at::kBFloat16)));
}

TEST(Safetensors, ReadsDataThatIsNotAligned) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    auto bytes = file_bytes(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                            R"("f":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
                            9);
    const float values[] = {1.5f, -2.25f};
    std::memcpy(bytes.data() + bytes.size() - 8, values, 8);
    write_bytes(path, bytes);
    const SafetensorsFile file(path);
    EXPECT_TRUE(at::equal(file.read("f"), at::tensor({1.5f, -2.25f})));
    EXPECT_TRUE(at::equal(file.read("f", at::kHalf), at::tensor({1.5f, -2.25f}).to(at::kHalf)));
}

TEST(Safetensors, OutlivesItsNameAndReadsBytes) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    write_safetensors(path, {{"t", at::tensor({1, 2, 3, 4}).to(at::kByte)}});
    const SafetensorsFile file(path);
    std::filesystem::remove(path);
    EXPECT_EQ(file.read_bytes("t", 1, 2), "\2\3");
    EXPECT_EQ(file.read_bytes("t", 3, 100), "\4");
    EXPECT_EQ(file.read_bytes("t", 9, 1), "");
    expect_contains(thrown_message<Error>([&] { file.read("u"); }), "has no tensor 'u'");
}

TEST(Safetensors, NoSuchFile) {
    const TemporaryFolder folder;
    const auto path = folder.path / "none.safetensors";
    EXPECT_EQ(thrown_message<Error>([&] { SafetensorsFile{path}; }),
              path.string() + ": cannot read: No such file or directory");
}

TEST(Safetensors, Folder) {
    const TemporaryFolder folder;
    EXPECT_EQ(thrown_message<Error>([&] { SafetensorsFile{folder.path}; }),
              folder.path.string() + ": is a folder, not a safetensors file");
}

TEST(Safetensors, NamedPipeIsNotWaitedFor) {
    const TemporaryFolder folder;
    const auto path = folder.path / "pipe.safetensors";
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_EQ(thrown_message<Error>([&] { SafetensorsFile{path}; }),
              path.string() + ": is no regular file");
}

TEST(Safetensors, UnreadableFile) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    write_safetensors(path, {{"t", at::ones({1})}});
    ::chmod(folder.path.c_str(), 0755);
    ::chmod(path.c_str(), 0);
    EXPECT_EQ(error_in_child(Child::nobody, [&] { SafetensorsFile{path}; }),
              path.string() + ": cannot read: Permission denied");
}

TEST(Safetensors, EmptyFile) {
    EXPECT_EQ(why_not(""), "is empty, not a safetensors file");
}

TEST(Safetensors, FewerBytesThanTheLengthTakes) {
    EXPECT_EQ(why_not("abc"), "is no safetensors file: only 3 bytes");
}

TEST(Safetensors, AbsurdHeaderLengths) {
    std::string bytes(64, '\0');
    for (const std::uint64_t size : {std::numeric_limits<std::uint64_t>::max(),
                                     std::uint64_t{1} << 63, std::uint64_t{100'000'001}}) {
        std::memcpy(bytes.data(), &size, sizeof size);
        expect_contains(why_not(bytes), "says its header has " + std::to_string(size) + " bytes");
    }
    const std::uint64_t size = 57;  // one more than there are
    std::memcpy(bytes.data(), &size, sizeof size);
    EXPECT_EQ(
        why_not(bytes),
        "is truncated, or no safetensors file: says its header has 57 bytes, and the file has 64");
}

TEST(Safetensors, HeaderThatIsNoJsonObject) {
    const std::string no_json = "is no safetensors file: its header: is not JSON: wrong at byte ";
    EXPECT_EQ(why_not(file_bytes("", 8)), no_json + "1");
    EXPECT_EQ(why_not(file_bytes("{\"t\":", 8)), no_json + "6");
    EXPECT_EQ(why_not(file_bytes("hello, world", 8)), no_json + "1");
    EXPECT_EQ(why_not(file_bytes("{\"\xff\":1}", 8)), no_json + "3");
    EXPECT_EQ(why_not(file_bytes("[1,2]", 8)),
              "is no safetensors file: its header is no JSON object");
    EXPECT_EQ(why_not(file_bytes(std::string(1'000'000, '['), 0)),
              "is no safetensors file: its header: is JSON nested more than 8 deep at byte 8");
}

// Well-formed JSON as deep as a file may be long ended the program where it was copied or written.
TEST(Safetensors, DeepHeader) {
    const std::string deep = std::string(199'000, '[') + std::string(199'000, ']');
    const std::string why = "is no safetensors file: its header: is JSON nested more than 8 deep";
    EXPECT_EQ(why_not_entry(deep).substr(0, why.size()), why);
    EXPECT_EQ(
        why_not(file_bytes(R"({"__metadata__":{"a":)" + deep + "}}", 0)).substr(0, why.size()),
        why);
}

// As by a download that starts anew, or a disk that is taken away.
TEST(Safetensors, FileThatIsCutShortOrReplacedWhileItIsRead) {
    const TemporaryFolder folder;
    const auto path = folder.path / "a.safetensors";
    const Tensor values = at::arange(1 << 20, at::kFloat);
    write_safetensors(path, {{"a", values}});
    const SafetensorsFile cut(path);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4096);
    for (const auto as : {at::kFloat, at::kHalf}) {
        const auto why = thrown_message<Error>([&] { cut.read("a", as); });
        EXPECT_EQ(why.find(path.string() + ": was cut short while it was read"), 0u) << why;
    }
    EXPECT_THROW(cut.read_bytes("a", values.nbytes() - 8, 8), Error);

    write_safetensors(path, {{"a", values}});
    const SafetensorsFile replaced(path);
    write_safetensors(path, {{"a", at::zeros({1})}});
    EXPECT_TRUE(at::equal(replaced.read("a"), values));
}

TEST(Safetensors, DuplicateKeys) {
    const std::string entry = R"({"dtype":"U8","shape":[8],"data_offsets":[0,8]})";
    EXPECT_EQ(why_not(file_bytes("{\"t\":" + entry + ",\"t\":" + entry + "}", 8)),
              "header has two entries 't'");
    EXPECT_EQ(why_not_entry(R"({"dtype":"U8","shape":[4],"shape":[8],"data_offsets":[0,8]})"),
              "header has two entries 'shape'");
}

TEST(Safetensors, EntriesThatAreNone) {
    const std::string why = "tensor 't': its header entry is not {dtype, shape, data_offsets}";
    for (const char* entry :
         {"1", "null", "[]", "{}", R"({"dtype":"U8","shape":[8]})",
          R"({"dtype":8,"shape":[8],"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":8,"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":[-8],"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":["8"],"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,8]})",
          R"({"dtype":"U8","shape":[8],"data_offsets":[0]})",
          R"({"dtype":"U8","shape":[8],"data_offsets":[0,8,8]})",
          R"({"dtype":"U8","shape":[8],"data_offsets":[0,8e0]})",
          R"({"dtype":"U8","shape":[8],"data_offsets":[-1,8]})"})
        EXPECT_EQ(why_not_entry(entry).find(why), 0u) << entry;
}

TEST(Safetensors, MetadataThatIsNone) {
    for (const char* metadata : {"1", "[]", R"({"a":1})", R"({"a":{"b":"c"}})"})
        EXPECT_EQ(why_not(file_bytes(std::string(R"({"__metadata__":)") + metadata + "}", 0)),
                  "header: __metadata__ is no object of strings");
}

TEST(Safetensors, UnsupportedDtypeIsNamed) {
    EXPECT_EQ(why_not_entry(R"({"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]})"),
              "tensor 't': has dtype F8_E8M0, which is not supported; convert it to F16 or F32");
}

// By the tables of Micikevicius et al., arXiv 2209.05433: four bits of exponent and three of
// mantissa without infinities, and five and two.
TEST(Safetensors, FloatsOfEightBits) {
    const auto read = [](const char* dtype, const std::string& bytes) {
        const TemporaryFolder folder;
        const std::string header =
            std::string(R"({"t":{"dtype":")") + dtype + R"(","shape":[4],"data_offsets":[0,4]}})";
        write_bytes(folder.path / "a.safetensors", file_bytes(header, 0) + bytes);
        const SafetensorsFile file(folder.path / "a.safetensors");
        EXPECT_EQ(safetensors_dtype_name(file.tensors().at("t").dtype), dtype);
        EXPECT_TRUE(at::equal(file.read("t", at::kHalf).to(at::kFloat), file.read("t", at::kFloat)))
            << "float16 holds them";
        return file.read("t", at::kFloat);
    };
    EXPECT_TRUE(at::equal(read("F8_E4M3", {'\x38', '\xB9', '\x7E', '\x01'}),
                          at::tensor({1.0, -1.125, 448.0, 0.001953125}, at::kFloat)));
    EXPECT_TRUE(at::equal(read("F8_E5M2", {'\x3C', '\xBD', '\x7B', '\x01'}),
                          at::tensor({1.0, -1.25, 57344.0, 1.52587890625e-05}, at::kFloat)));
}

TEST(Safetensors, OffsetsThatDoNotFitDtypeAndShape) {
    expect_contains(why_not_entry(R"({"dtype":"F32","shape":[1],"data_offsets":[0,8]})"),
                    "offsets [0,8] do not fit dtype F32 and shape [1], which take 4 bytes");
    expect_contains(why_not_entry(R"({"dtype":"U8","shape":[8],"data_offsets":[8,0]})"),
                    "offsets [8,0] do not fit");
}

TEST(Safetensors, ShapesThatOverflow) {
    expect_contains(
        why_not_entry(R"({"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]})", 0),
        "shape [4294967296,4294967296] is too large");
    expect_contains(
        why_not_entry(R"({"dtype":"F64","shape":[9223372036854775807],"data_offsets":[0,8]})"),
        "is too large");
}

TEST(Safetensors, OverlappingOffsets) {
    EXPECT_EQ(why_not(file_bytes(R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},)"
                                 R"("b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                                 8)),
              "tensor 'b': overlaps the tensor before it");
    EXPECT_EQ(why_not(file_bytes(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},)"
                                 R"("b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
                                 8)),
              "tensor 'b': overlaps the tensor before it");
}

TEST(Safetensors, Holes) {
    EXPECT_EQ(why_not_entry(R"({"dtype":"U8","shape":[6],"data_offsets":[2,8]})"),
              "tensor 't': 2 bytes before it belong to no tensor");
    EXPECT_EQ(why_not_entry(R"({"dtype":"U8","shape":[6],"data_offsets":[0,6]})"),
              "2 bytes after the last tensor belong to no tensor");
}

TEST(Safetensors, OffsetsBeyondTheFile) {
    expect_contains(why_not_entry(R"({"dtype":"U8","shape":[9],"data_offsets":[0,9]})"),
                    "the file is truncated: the tensor ends at byte ");
    expect_contains(
        why_not_entry(
            R"({"dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807]})"),
        "tensor 't': 9223372036854775806 bytes before it belong to no tensor");
}

TEST(Safetensors, EveryTruncationOfAFileIsRefused) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    write_safetensors(path, {{"a", at::ones({3})}, {"b", at::ones({2, 2})}});
    const auto whole = read_file(path);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        write_bytes(path, whole.substr(0, size));
        EXPECT_THROW(SafetensorsFile{path}, Error) << size;
    }
    write_bytes(path, whole);
    EXPECT_EQ(read_safetensors(path).size(), 2u);
}

TEST(Safetensors, PicklesAreRefusedWhateverTheirName) {
    const std::string zip = std::string("PK\x03\x04") + std::string(100, 'x');
    const std::string legacy =
        std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15) + std::string(100, 'x');
    for (const auto& bytes : {zip, legacy})
        for (const char* name : {"m.ckpt", "m.bin", "m.pt", "m.pth", "m.safetensors", "m"}) {
            const auto why = why_not(bytes, name);
            expect_contains(why, "is a pickle checkpoint");
            expect_contains(why, "torch.load(");
            expect_contains(why, "m.safetensors')");
        }
    expect_contains(why_not("no known magic, but the name of a pickle", "m.ckpt"), "is a pickle");
}

TEST(Safetensors, HeaderLengthThatLooksLikeAPickleIsNone) {
    const TemporaryFolder folder;
    const auto path = folder.path / "m.ckpt";
    std::string header = R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
    header.resize(0x280, ' ');  // the length's first bytes are 80 02, as a pickle's
    write_bytes(path, file_bytes(header, 1));
    EXPECT_EQ(SafetensorsFile(path).tensors().size(), 1u);
}

TEST(Safetensors, NothingIsLeftOfAFileThatCouldNotBeWritten) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    write_safetensors(path, {{"t", at::ones({1})}});
    const auto before = read_file(path);
    // Made here: LibTorch's threads do not survive into the child.
    const TensorMap large = {{"t", at::zeros({1 << 16})}, {"u", at::zeros({1 << 16})}};
    const auto message =
        error_in_child(Child::small_files, [&] { write_safetensors(path, large); });
    EXPECT_EQ(message, path.string() + ": cannot write: File too large");
    EXPECT_EQ(read_file(path), before);
    EXPECT_EQ(folder.file_count(), 1u);
}

TEST(Safetensors, TensorsThatCannotBeSavedAreNamed) {
    const TemporaryFolder folder;
    const auto path = folder.path / "file.safetensors";
    const auto why = [&](const std::string& name, const Tensor& tensor) {
        return thrown_message<Error>([&] { write_safetensors(path, {{name, tensor}}); });
    };
    expect_contains(why("none", Tensor()), "tensor 'none' cannot be saved");
    expect_contains(why("complex", at::zeros({2}, at::kComplexFloat)),
                    "tensor 'complex' cannot be saved");
    expect_contains(why("__metadata__", at::zeros({2})), "tensor '__metadata__' cannot be saved");
    expect_contains(why("\xff", at::zeros({2})), "is not UTF-8");
    EXPECT_EQ(folder.file_count(), 0u);
}

}  // namespace
}  // namespace keepsake::pipeline
