#include "editor/session/files_root.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

namespace fs = std::filesystem;

class FilesRoot : public ::testing::Test {
  protected:
    FilesRoot() {
        for (const char* file :
             {"models/Lora/roses.safetensors", "models/loras/styles/grain v2.safetensors",
              "models/VAE/mse.safetensors", "models/checkpoints/sd15.safetensors",
              "models/Lora/roses.txt"}) {
            fs::create_directories((folder.path / file).parent_path());
            write_file_atomically(folder.path / file, "x");
        }
        ::setenv("KEEPSAKE_FILES", folder.path.c_str(), 1);
    }
    ~FilesRoot() override { ::unsetenv("KEEPSAKE_FILES"); }
    const testing::TemporaryFolder folder;
};

TEST_F(FilesRoot, NamesOfBothPrograms) {
    EXPECT_EQ(find_file(FileKind::lora, "roses"), folder.path / "models/Lora/roses.safetensors");
    EXPECT_EQ(find_file(FileKind::lora, "roses.safetensors"),
              folder.path / "models/Lora/roses.safetensors");
    const fs::path grain = folder.path / "models/loras/styles/grain v2.safetensors";
    EXPECT_EQ(find_file(FileKind::lora, "grain v2"), grain);
    EXPECT_EQ(find_file(FileKind::lora, "styles/grain v2"), grain);
    EXPECT_EQ(find_file(FileKind::vae, "mse"), folder.path / "models/VAE/mse.safetensors");
    EXPECT_EQ(find_file(FileKind::checkpoint, "sd15"),
              folder.path / "models/checkpoints/sd15.safetensors");
}

TEST_F(FilesRoot, NamesToChooseFrom) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(file_names(FileKind::lora), (Names{"roses", "styles/grain v2"}));
    EXPECT_EQ(file_names(FileKind::checkpoint), Names{"sd15"});
    EXPECT_EQ(file_names(FileKind::embedding), Names{});
    for (const std::string& name : file_names(FileKind::lora))
        EXPECT_TRUE(find_file(FileKind::lora, name)) << name;
    ::unsetenv("KEEPSAKE_FILES");
    EXPECT_EQ(file_names(FileKind::lora), Names{});
}

TEST_F(FilesRoot, WhatIsNotThere) {
    EXPECT_FALSE(find_file(FileKind::lora, "mse"));
    EXPECT_FALSE(find_file(FileKind::lora, ""));
    EXPECT_FALSE(find_file(FileKind::lora, "rose"));
    const fs::path plain = folder.path / "models/Lora/roses.txt";
    EXPECT_EQ(find_file(FileKind::lora, plain.string()), plain);  // a path is itself
    ::unsetenv("KEEPSAKE_FILES");
    EXPECT_FALSE(files_root());
    EXPECT_FALSE(find_file(FileKind::lora, "roses"));
}

}  // namespace
}  // namespace keepsake::editor
