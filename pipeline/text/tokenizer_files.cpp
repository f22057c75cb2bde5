#include "pipeline/text/tokenizer_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "pipeline/files/json_file.h"
#include "pipeline/text/vocabulary_files.h"

namespace keepsake::pipeline {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

struct Configuration {
    fs::path path;  // tokenizer_config.json, for errors
    json values = json::object();
    bool lists_added_tokens = false;  // newer files do; then they alone say how a token is matched
};

// bos_token and its like: the names the model calls its tokens by.
struct NamedToken {
    std::string name;
    AddedToken token;
};

// A token as a file declares it: a bare string, or an object with flags. A special token is looked
// for as it is written, unless its object says otherwise.
AddedToken declared_token(const fs::path& path, const json& value, bool special) {
    AddedToken token;
    try {
        token.special = special || value.is_string() || value.value("special", false);
        token.content = (value.is_string() ? value : value.at("content")).get<std::string>();
        if (value.is_string()) return token;
        token.normalized = value.value("normalized", !token.special);
        token.single_word = value.value("single_word", false);
        token.lstrip = value.value("lstrip", false);
        token.rstrip = value.value("rstrip", false);
    } catch (const json::exception&) {
        throw Error(path.string(), "not a token: " + brief(value));
    }
    return token;
}

Configuration read_configuration(const fs::path& folder) {
    Configuration configuration{.path = folder / "tokenizer_config.json"};
    json& values = configuration.values;
    // CLIPTokenizer's own defaults.
    values = {{"bos_token", "<|startoftext|>"},
              {"eos_token", "<|endoftext|>"},
              {"unk_token", "<|endoftext|>"},
              {"pad_token", "<|endoftext|>"}};
    if (is_there(configuration.path)) values.update(read_json_object(configuration.path));
    configuration.lists_added_tokens = values.contains("added_tokens_decoder");
    const fs::path map = folder / "special_tokens_map.json";
    if (!configuration.lists_added_tokens && is_there(map)) values.update(read_json_object(map));
    for (const char* side : {"padding_side", "truncation_side"})
        if (values.value(side, json("right")) != "right")
            throw Error(
                configuration.path.string(),
                std::string(side) + " is " + brief(values[side]) + ", only \"right\" is known");
    return configuration;
}

// In the order in which the reference adds them: of two declarations of one token the later counts.
std::vector<NamedToken> named_tokens(const Configuration& configuration) {
    static const std::vector<std::string> kFirst = {
        "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
    std::vector<NamedToken> named;
    const auto add = [&](const std::string& name, const json& value) {
        if (value.is_string() || value.is_object())
            named.push_back({name, declared_token(configuration.path, value, true)});
    };
    for (const std::string& name : kFirst) add(name, configuration.values.value(name, json()));
    for (const auto& [name, value] : configuration.values.items())
        if (name.ends_with("_token") &&
            std::find(kFirst.begin(), kFirst.end(), name) == kFirst.end())
            add(name, value);
    return named;
}

// The tokens that the files list with an id, in the order of their ids: of added_tokens_decoder; in
// older folders of added_tokens.json and of tokenizer.json's own list.
std::vector<AddedToken> listed_tokens(const fs::path& folder, const Configuration& configuration,
                                      const VocabularyFiles& files) {
    std::map<std::uint64_t, AddedToken> listed;
    if (configuration.lists_added_tokens) {
        for (const auto& [id, value] : configuration.values["added_tokens_decoder"].items()) {
            if (id.empty() || id.size() > 9 || id.find_first_not_of("0123456789") != id.npos)
                throw Error(configuration.path.string(),
                            "added_tokens_decoder: '" + id + "' is no id");
            listed[std::stoul(id)] = declared_token(configuration.path, value, false);
        }
    } else {
        const fs::path added = folder / "added_tokens.json";
        const json contents = is_there(added) ? read_json_object(added) : json::object();
        for (const auto& [content, id] : contents.items()) {
            if (!id.is_number_unsigned())
                throw Error(added.string(), "token '" + content + "' has the id " + brief(id));
            listed[id.get<std::uint64_t>()] =
                declared_token(added, {{"content", content}, {"special", false}}, false);
        }
        for (const json& value : files.added_tokens) {
            const json id = value.is_object() ? value.value("id", json()) : json();
            if (!id.is_number_unsigned())
                throw Error(files.vocabulary_path.string(),
                            "added_tokens: not a token with an id: " + brief(value));
            listed[id.get<std::uint64_t>()] = declared_token(files.vocabulary_path, value, false);
        }
    }
    std::vector<AddedToken> tokens;
    for (auto& [id, token] : listed) tokens.push_back(std::move(token));
    return tokens;
}

bool contains(const std::vector<AddedToken>& tokens, const std::string& content) {
    return std::any_of(tokens.begin(), tokens.end(),
                       [&](const AddedToken& token) { return token.content == content; });
}

// All declarations in the reference's order: the listed ones, then the named ones that are not
// listed, then the extra ones that are not listed.
std::vector<AddedToken> declarations(const Configuration& configuration,
                                     const std::vector<AddedToken>& listed,
                                     const std::vector<NamedToken>& named) {
    constexpr std::array extra_lists = {"additional_special_tokens", "extra_special_tokens"};
    std::size_t count = listed.size() + named.size();
    for (const char* list : extra_lists) count += configuration.values.value(list, json()).size();
    // Each is compared with the others, and with every place of a text; files in use have some
    // hundreds.
    constexpr std::size_t most = 10'000;
    if (count > most)
        throw Error(configuration.path.parent_path().string(),
                    "its files declare " + std::to_string(count) +
                        " tokens beside the vocabulary, and at most " + std::to_string(most) +
                        " are read");
    std::vector<AddedToken> tokens = listed;
    const auto add = [&](const AddedToken& token) {
        if (!contains(listed, token.content) &&
            std::find(tokens.begin(), tokens.end(), token) == tokens.end())
            tokens.push_back(token);
    };
    for (const NamedToken& name : named) add(name.token);
    for (const char* list : extra_lists) {
        const json values = configuration.values.value(list, json::array());
        for (const json& value : values) add(declared_token(configuration.path, value, false));
    }
    for (AddedToken& token : tokens)
        for (const NamedToken& name : named)
            if (name.token.content == token.content) token.special = true;
    return tokens;
}

// Gives each token its id, the vocabulary's or the next free one; a later declaration replaces an
// earlier one of the same token.
std::vector<AddedToken> with_ids(std::vector<AddedToken> declared, const Vocabulary& vocabulary) {
    std::vector<AddedToken> tokens;
    auto next = static_cast<std::uint32_t>(vocabulary.size());
    for (AddedToken& token : declared) {
        if (token.content.empty()) continue;
        const auto same = std::find_if(tokens.begin(), tokens.end(), [&](const AddedToken& other) {
            return other.content == token.content;
        });
        if (same != tokens.end()) {
            token.id = same->id;
            *same = std::move(token);
        } else {
            const auto known = vocabulary.find(token.content);
            token.id = known ? *known : next++;
            tokens.push_back(std::move(token));
        }
    }
    return tokens;
}

std::optional<std::string> content_of(const std::vector<NamedToken>& named,
                                      const std::string& name) {
    for (const NamedToken& token : named)
        if (token.name == name) return token.token.content;
    return std::nullopt;
}

std::size_t max_length(const Configuration& configuration) {
    const json value = configuration.values.value("model_max_length", json());
    // "No limit" is written as a huge number, and CLIP's positions are the limit then.
    if (value.is_null() || (value.is_number() && value.get<double>() > 1e6))
        return TokenizerTables().max_length;
    if (!value.is_number_unsigned() || value.get<std::size_t>() < 3)
        throw Error(configuration.path.string(),
                    "model_max_length is " + brief(value) + ", not a number from 3 on");
    return value.get<std::size_t>();
}

}  // namespace

TokenizerTables read_tokenizer(const fs::path& folder) {
    VocabularyFiles files = read_vocabulary(folder);
    const Configuration configuration = read_configuration(folder);
    const std::vector<NamedToken> named = named_tokens(configuration);
    const std::vector<AddedToken> listed = listed_tokens(folder, configuration, files);
    const std::vector<AddedToken> tokens =
        with_ids(declarations(configuration, listed, named), files.bpe.vocabulary);

    // The reference would make up an id for a name without a token; the model has no vector for it.
    const auto id_of = [&](const std::string& name) {
        const auto content = content_of(named, name);
        if (!content) throw Error(configuration.path.string(), "no " + name);
        for (const AddedToken& token : tokens)
            if (token.content == *content &&
                (files.bpe.vocabulary.find(*content) || contains(listed, *content)))
                return token.id;
        throw Error(files.vocabulary_path.string(), "no token '" + *content + "' (" + name + ")");
    };
    TokenizerTables tables;
    tables.start_id = id_of("bos_token");
    tables.end_id = id_of("eos_token");
    tables.pad_id = content_of(named, "pad_token") ? id_of("pad_token") : tables.end_id;
    tables.max_length = max_length(configuration);

    const std::string unknown = content_of(named, "unk_token").value_or("");
    const std::string lacking = set_byte_ids(files.bpe, files.bpe.vocabulary.find(unknown));
    if (!lacking.empty())
        throw Error(files.vocabulary_path.string(),
                    "neither the token '" + lacking + "' nor an unknown token");
    tables.bpe = std::move(files.bpe);
    tables.added = with_patterns(tokens);
    return tables;
}

}  // namespace keepsake::pipeline
