// The fixture of sessions through the real program.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "editor/session/session.h"
#include "pipeline/files/safetensors.h"
#include "tests/editor/commands/command_lines.h"
#include "tests/editor/commands/run_program.h"
#include "tests/editor/test_model.h"
#include "tests/editor/test_photo.h"

namespace keepsake::testing {

namespace fs = std::filesystem;

class SessionRuns : public ::testing::Test {
  protected:
    static constexpr int embedding_steps = 12, finetune_steps = 6;

    SessionRuns() { save_photo(photo, quarters(64, 64)); }

    // A tuning of a few seconds that saves after every step.
    std::vector<std::string> edit(const fs::path& session,
                                  const std::vector<std::string>& more = {}) {
        return joined({"edit",
                       photo.string(),
                       "a red rose",
                       "--session",
                       session.string(),
                       "--out",
                       out.string(),
                       "--size",
                       "64",
                       "--embedding-steps",
                       std::to_string(embedding_steps),
                       "--finetune-steps",
                       std::to_string(finetune_steps),
                       "--finetune-lr",
                       "1e-4",
                       "--steps",
                       "2",
                       "--sampler",
                       "ddim",
                       "--eta",
                       "1",
                       "--checkpoint-seconds",
                       "0",
                       "--threads",
                       "1",
                       "--quiet"},
                      more);
    }

    // Whatever was going on: what is there can be opened and read whole.
    void expect_complete(const fs::path& session) {
        if (!editor::is_session(session)) return;
        const auto opened = editor::open_session(session, editor::SessionLock::Access::read);
        EXPECT_EQ(read_file(editor::photo_path(opened)), read_file(photo));
        for (const char* name : {"checkpoint", "embeddings", "unet", "lora"}) {
            const fs::path path = session / (std::string(name) + ".safetensors");
            if (fs::exists(path)) {
                EXPECT_NO_THROW(pipeline::read_safetensors(path)) << path;
            }
        }
        EXPECT_NO_THROW(editor::describe_session(session));
    }

    // Files of the same tuning, byte for byte.
    void expect_same_result(const fs::path& a, const fs::path& b) {
        for (const char* name : {"embeddings.safetensors", "lora.safetensors", "losses.json"}) {
            EXPECT_TRUE(read_file(a / name) == read_file(b / name)) << name << " differs";
        }
        EXPECT_FALSE(fs::exists(a / "checkpoint.safetensors"));
    }

    // Waits for `path`, then some milliseconds more. False when the program ended before.
    static bool wait_for(Program& program, const fs::path& path, int milliseconds) {
        while (!fs::exists(path)) {
            if (!program.running()) return false;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
        return program.running();
    }

    const TemporaryFolder folder;
    const fs::path photo = folder.path / "photo.png";
    const fs::path out = folder.path / "out";
    const fs::path whole = folder.path / "whole.keepsake";
    const fs::path broken = folder.path / "broken.keepsake";
};

}  // namespace keepsake::testing
