#include "editor/session/recipe.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "editor/edit/edit_recipe.h"
#include "editor/session/option_overrides.h"
#include "pipeline/error.h"
#include "pipeline/files/atomic_file.h"
#include "tests/pipeline/temporary_folder.h"

namespace keepsake::editor {
namespace {

using nlohmann::json;
using testing::TemporaryFolder;
using testing::thrown_message;

Recipe unusual() {
    Recipe recipe;
    recipe.prompt = "a \"red\" rose\n\u82b1 \\ / \u00e9";
    recipe.photo = "my photo.jpg";
    recipe.crop = {1, 2, 300, 300};
    recipe.size = 256;
    recipe.model = {"/models/some where", "0123456789abcdef"};
    recipe.seed = std::numeric_limits<std::uint64_t>::max();
    recipe.embedding = {7, 1.0 / 3.0, 2, {0.8, 0.95, 1e-7}};
    recipe.finetune = {11, 5e-7, 4, {}};
    recipe.sample = {pipeline::Sampler::dpmpp_2m, 17, 3.25, "blurry", 0.5, 0.25};
    return recipe;
}

TEST(Recipe, SurvivesJsonExactly) {
    const Recipe recipe = unusual();
    const Recipe read = recipe_from_json(to_json(recipe), "test");
    EXPECT_EQ(to_json(read), to_json(recipe));
    EXPECT_EQ(read.prompt, recipe.prompt);
    EXPECT_EQ(read.seed, recipe.seed);
    EXPECT_EQ(read.embedding.learning_rate, recipe.embedding.learning_rate);
    EXPECT_EQ(read.embedding.adam.eps, 1e-7);
    EXPECT_EQ(read.finetune.learning_rate, 5e-7);
    EXPECT_EQ(read.finetune.batch_size, 4);
    EXPECT_EQ(read.sample.sampler, pipeline::Sampler::dpmpp_2m);
    EXPECT_EQ(read.sample.ddim_eta, 0.5);
    EXPECT_EQ(read.sample.noise_share, 0.25);
    EXPECT_EQ(read.crop, recipe.crop);
}

TEST(Recipe, KeepsWhatFewStepsAreSampledBy) {
    Recipe recipe = unusual();
    EXPECT_EQ(to_json(recipe).find("tcd_eta"), std::string::npos)
        << "as it was before there was one";
    EXPECT_EQ(to_json(recipe).find("spacing"), std::string::npos);
    recipe.sample.sampler = pipeline::Sampler::tcd;
    recipe.sample.tcd_eta = 0.75;
    recipe.sample.spacing = pipeline::TimestepSpacing::trailing;
    const Recipe read = recipe_from_json(to_json(recipe), "test");
    EXPECT_EQ(to_json(read), to_json(recipe));
    EXPECT_EQ(read.sample.sampler, pipeline::Sampler::tcd);
    EXPECT_EQ(read.sample.tcd_eta, 0.75);
    EXPECT_EQ(read.sample.spacing, pipeline::TimestepSpacing::trailing);
    nlohmann::json wrong = nlohmann::json::parse(to_json(recipe));
    wrong["keepsake"]["sample"]["spacing"] = "uniform";
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
    wrong["keepsake"]["sample"]["spacing"] = "leading";
    wrong["keepsake"]["sample"]["tcd_eta"] = 1.5;
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
}

TEST(Recipe, WhatTheModelWasBesidesItsFiles) {
    Recipe recipe = unusual();
    const std::string tag = tuning_tag(recipe);
    EXPECT_EQ(to_json(recipe).find("model_changes"), std::string::npos);
    recipe.changes = {
        "0123", {{"/l/a.safetensors", "45", -0.5}}, {"/v/b.safetensors", "67"}, 2, ""};
    recipe.sample.schedule = pipeline::NoiseSchedule::beta;
    EXPECT_EQ(tuning_tag(recipe), tag) << "the model's fingerprint says it";
    recipe.changes.prediction = "v_prediction";
    EXPECT_NE(tuning_tag(recipe), tag);
    const Recipe read = recipe_from_json(to_json(recipe), "test");
    EXPECT_EQ(read.changes, recipe.changes);
    EXPECT_EQ(read.sample.schedule, pipeline::NoiseSchedule::beta);
    EXPECT_EQ(to_json(read), to_json(recipe));
    const std::string chunk = to_chunk(EditRender{recipe});
    EXPECT_EQ(chunk.find("/l/"), std::string::npos) << chunk;
    EXPECT_NE(chunk.find("a.safetensors"), std::string::npos) << chunk;
    json wrong = json::parse(to_json(recipe));
    wrong["keepsake"]["model_changes"]["clip_skip"] = 99;
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
    wrong = json::parse(to_json(recipe));
    wrong["keepsake"]["model_changes"]["loras"] = {{{"path", ""}}};
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
    wrong = json::parse(to_json(recipe));
    wrong["keepsake"]["sample"]["schedule"] = "magic";
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
}

// Recipes are older than the words' way; they meant the line, and keep their tags.
TEST(Recipe, OlderOnesGoByTheLine) {
    Recipe recipe = unusual();
    recipe.way = Way::line;
    EXPECT_EQ(to_json(recipe).find("\"way\""), std::string::npos);
    EXPECT_EQ(recipe_from_json(to_json(recipe), "old").way, Way::line);
    const std::string tag = tuning_tag(recipe);
    recipe.way = Way::words;
    EXPECT_EQ(recipe_from_json(to_json(recipe), "new").way, Way::words);
    // What an earlier edition drew has another key.
    json file = json::parse(to_json(recipe));
    EXPECT_EQ(file["keepsake"]["way_edition"], words_edition);
    file["keepsake"].erase("way_edition");
    EXPECT_EQ(recipe_from_json(file.dump(), "earlier").way, Way::words);
    EXPECT_EQ(to_json(unusual()).find("way_edition"), std::string::npos);
    EXPECT_EQ(tuning_tag(recipe), tag) << "how it is sampled is no part of a tuning";
    json wrong = json::parse(to_json(recipe));
    wrong["keepsake"]["way"] = "magic";
    EXPECT_NE(thrown_message<Error>([&] {
                  recipe_from_json(wrong.dump(), "wrong");
              }).find("'magic' is none of words, line"),
              std::string::npos);
}

TEST(Recipe, NamesTheWordsOfItsTexts) {
    Recipe recipe = unusual();
    const std::string tag = tuning_tag(recipe);
    EXPECT_EQ(to_json(recipe).find("\"words\""), std::string::npos);
    recipe.sample.negative_prompt = "a <Bad> one";
    recipe.words = {{"<bad>", "0123456789abcdef"}};
    EXPECT_EQ(recipe_from_json(to_json(recipe), "test").words, recipe.words);
    EXPECT_EQ(tuning_tag(recipe), tag) << "nothing is tuned with the negative text";
    recipe.prompt = "a photo of <MY-rose>";
    const std::string plain = tuning_tag(recipe);
    recipe.words.push_back({"<my-rose>", "0123456789abcdef"});
    const std::string with = tuning_tag(recipe);
    EXPECT_NE(with, plain);
    recipe.words[1].fingerprint[0] = '1';
    EXPECT_NE(tuning_tag(recipe), with);
    json wrong = json::parse(to_json(recipe));
    wrong["keepsake"]["words"][0].erase("fingerprint");
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
    wrong["keepsake"]["words"] = 3;
    EXPECT_THROW(recipe_from_json(wrong.dump(), "test"), Error);
}

// Recipes are older than the share of the noise; they meant noise alone, and their sessions' files
// carry the tag of a recipe without it.
TEST(Recipe, WithoutTheShareOfTheNoiseItIsNoiseAlone) {
    json old = json::parse(to_json(unusual()));
    old["keepsake"]["sample"].erase("noise_share");
    const Recipe read = recipe_from_json(old.dump(), "old");
    EXPECT_EQ(read.sample.noise_share, 1);
    EXPECT_EQ(to_json(read).find("noise_share"), std::string::npos);
    EXPECT_EQ(tuning_tag(read), tuning_tag(unusual()));
    EXPECT_EQ(to_chunk(GenerateRender{.prompt = "x"}).find("noise_share"), std::string::npos);
    old["keepsake"]["sample"]["noise_share"] = "much";
    EXPECT_EQ(thrown_message<Error>([&] { recipe_from_json(old.dump(), "old"); }),
              "old: is not a recipe: 'keepsake.sample.noise_share' is string, expected number");
}

TEST(Recipe, SaysItsKindAndVersionAndReadsThoseOfBefore) {
    const std::string text = to_json(unusual());
    json file = json::parse(text);
    EXPECT_EQ(file["kind"], "keepsake session");
    EXPECT_EQ(file["version"], 4);
    EXPECT_EQ(recipe_kind(text), RecipeKind::ours);
    file.erase("kind");
    file.erase("version");
    EXPECT_EQ(recipe_kind(file.dump()), RecipeKind::ours);
    const Recipe old = recipe_from_json(file.dump(), "old");
    EXPECT_EQ(to_json(old), text);
    // As before there was a kind: the files of such sessions carry it.
    EXPECT_EQ(tuning_tag(old), "dfe317ad5f9e88a5");
    for (const char* other : {"{}", "[]", "null", R"({"keepsake": 1})", R"({"name": "pancakes"})",
                              R"({"kind": "keepsake run", "keepsake": {"prompt": "x"}})"}) {
        EXPECT_EQ(recipe_kind(other), RecipeKind::another) << other;
    }
    EXPECT_EQ(recipe_kind("{\"keepsake"), RecipeKind::damaged);
    file["kind"] = "keepsake run";
    EXPECT_EQ(thrown_message<Error>([&] { recipe_from_json(file.dump(), "r"); }),
              "r: kind: \"keepsake run\" is not \"keepsake session\"");
}

TEST(Recipe, OfANewerKeepsakeKeepsWhatIsUnknown) {
    json file = json::parse(to_json(unusual()));
    file["keepsake"]["sample"]["speed"] = 3;
    file["keepsake"]["note"] = "mine";
    file["keepsake"]["more"] = {{"a", 1}};
    const auto read = [&] { return recipe_from_json(file.dump(), "r"); };
    EXPECT_EQ(thrown_message<Error>(read),
              "r: is not a recipe: the field 'keepsake.sample.speed' is unknown")
        << "of our own version it is a mistake";
    file["version"] = 5;
    file["colour"] = "red";
    Recipe recipe = read();
    EXPECT_EQ(recipe.prompt, unusual().prompt);
    EXPECT_EQ(unknown_fields(recipe), "more.a, note, sample.speed, colour");
    EXPECT_EQ(unknown_fields(unusual()), "");
    EXPECT_EQ(json::parse(to_json(recipe)), file);
    recipe.sample.steps = 99;
    file["keepsake"]["sample"]["steps"] = 99;
    EXPECT_EQ(json::parse(to_json(recipe)), file);
    EXPECT_EQ(tuning_tag(recipe), tuning_tag(unusual()));
    file["version"] = "2";
    EXPECT_EQ(thrown_message<Error>(read), "r: version: \"2\" is no version");
}

// A session may be a stranger's.
TEST(Recipe, NumbersAreRangeChecked) {
    const json good = json::parse(to_json(unusual()))["keepsake"];
    const auto refused = [&](const char* pointer, const json& value) {
        json recipe = good;
        recipe[json::json_pointer(pointer)] = value;
        const std::string message = thrown_message<Error>([&] {
            recipe_from_json(json{{"keepsake", recipe}}.dump(), "my/recipe.json");
        });
        EXPECT_EQ(message.find("my/recipe.json: "), 0u) << pointer << " " << value << message;
    };
    for (const json& value : {json(0), json(-8), json(257), json(8192), json(1LL << 32)})
        refused("/size", value);
    for (const json& value : {json(-1), json(2147483647), json(1LL << 40)}) {
        refused("/crop/x", value);
        refused("/crop/y", value);
    }
    for (const json& value : {json(0), json(-300), json(1 << 29)}) refused("/crop/width", value);
    refused("/seed", -1);
    for (const std::string stage : {"/embedding", "/finetune"}) {
        refused((stage + "/steps").c_str(), -1);
        refused((stage + "/steps").c_str(), 9e18);
        refused((stage + "/learning_rate").c_str(), -0.1);
        refused((stage + "/batch_size").c_str(), 0);
        refused((stage + "/batch_size").c_str(), 1 << 20);
        refused((stage + "/warmup_steps").c_str(), -1);
        refused((stage + "/adam/beta1").c_str(), 1);
        refused((stage + "/adam/beta2").c_str(), -0.5);
        refused((stage + "/adam/eps").c_str(), -1e-8);
    }
    refused("/finetune/rank", -1);
    refused("/finetune/rank", 1 << 20);
    refused("/sample/steps", 0);
    refused("/sample/steps", 1 << 30);
    refused("/sample/guidance_scale", -1);
    refused("/sample/ddim_eta", 1.5);
    refused("/sample/noise_share", -0.5);
    refused("/sample/inversion_steps", 0);
    refused("/sample/inversion_steps", 1 << 30);
    const std::string text = json{{"keepsake", good}}.dump();
    std::string huge = text;
    huge.replace(huge.find("\"guidance_scale\":3.25"), 21, "\"guidance_scale\":1e999");
    EXPECT_EQ(thrown_message<Error>([&] { recipe_from_json(huge, "r"); }).find("r: "), 0u);
}

TEST(Recipe, HowManyStepsInvertIsToldWhereTheyAreFewer) {
    Recipe recipe = unusual();
    EXPECT_EQ(to_json(recipe).find("inversion_steps"), std::string::npos);
    EXPECT_EQ(recipe_from_json(to_json(recipe), "r").sample.inversion_steps, 25);
    recipe.sample.inversion_steps = 6;
    EXPECT_EQ(recipe_from_json(to_json(recipe), "r").sample.inversion_steps, 6);
}

TEST(Recipe, IsReadableText) {
    const std::string text = to_json(unusual());
    EXPECT_NE(text.find("\"sampler\": \"dpmpp_2m\""), std::string::npos) << text;
    EXPECT_NE(text.find("\"mode\": \"fast\""), std::string::npos);
    EXPECT_NE(text.find("\u82b1"), std::string::npos);
    EXPECT_NE(text.find("5e-7"), std::string::npos);
}

TEST(Recipe, MalformedIsAnErrorThatNamesTheFile) {
    const auto message = [](const json& content) {
        return thrown_message<Error>([&] { recipe_from_json(content.dump(), "my/recipe.json"); });
    };
    const json good = json::parse(to_json(unusual()));
    json bad = good;
    bad["keepsake"].erase("prompt");
    EXPECT_EQ(message(bad),
              "my/recipe.json: is not a recipe: the field 'keepsake.prompt' is missing");
    bad = good;
    bad["keepsake"]["finetune"]["stepz"] = 3;
    EXPECT_EQ(message(bad),
              "my/recipe.json: is not a recipe: the field 'keepsake.finetune.stepz' is unknown");
    bad = good;
    bad["keepsake"]["crop"] = "all";
    EXPECT_EQ(message(bad),
              "my/recipe.json: is not a recipe: 'keepsake.crop' is string, expected object");
    bad = good;
    bad["keepsake"]["sample"]["sampler"] = "magic";
    EXPECT_NE(message(bad).find("my/recipe.json: "), std::string::npos);
    EXPECT_NE(message(bad).find("magic"), std::string::npos);
    bad = good;
    bad["keepsake"]["size"] = 1.5;
    EXPECT_EQ(message(bad).find("my/recipe.json: is not a recipe"), 0u) << message(bad);
    for (const char* text : {"", "{", "[]", "null", "\xff\xfe"}) {
        EXPECT_EQ(thrown_message<Error>([&] {
                      recipe_from_json(text, "my/recipe.json");
                  }).find("my/recipe.json: is not "),
                  0u)
            << text;
    }
}

TEST(Recipe, ChunkIsAsciiOnOneLine) {
    const std::string chunk = to_chunk(EditRender{unusual(), 0.8, 5});
    for (const char c : chunk) EXPECT_TRUE(c >= ' ' && c < 0x7f);
    const json content = json::parse(chunk);
    EXPECT_EQ(content["edit"]["eta"], 0.8);
    EXPECT_EQ(content["edit"]["recipe"]["prompt"], unusual().prompt);
    EXPECT_EQ(json::parse(to_chunk(GenerateRender{.prompt = "x"}))["generate"]["prompt"], "x");
}

TEST(Recipe, TuningTagFollowsWhatTheWeightsDependOn) {
    const std::string tag = tuning_tag(unusual());
    EXPECT_EQ(tag.size(), 16u);
    Recipe other = unusual();
    other.sample.steps = 3;
    other.model.path = "/elsewhere";
    EXPECT_EQ(tuning_tag(other), tag);
    const auto differs = [&](auto change) {
        Recipe changed = unusual();
        change(changed);
        EXPECT_NE(tuning_tag(changed), tag);
    };
    differs([](Recipe& r) { r.prompt += "!"; });
    differs([](Recipe& r) { r.model.fingerprint[0] = 'f'; });
    differs([](Recipe& r) { r.crop.x += 1; });
    differs([](Recipe& r) { r.size += 8; });
    differs([](Recipe& r) { r.seed -= 1; });
    differs([](Recipe& r) { r.embedding.steps += 1; });
    differs([](Recipe& r) { r.finetune.adam.beta1 += 0.01; });
}

TEST(Recipe, TextThatIsNoUtf8IsMendedBeforeItGetsHere) {
    EXPECT_EQ(checked_utf8("a\xff"
                           "b"),
              "a\ufffd"
              "b");
    EXPECT_EQ(checked_utf8("\u82b1"), "\u82b1");
}

TEST(Eta, NumberOrRange) {
    EXPECT_EQ(eta_values(parse_eta("0.8")), std::vector<double>{0.8});
    EXPECT_EQ(eta_values(parse_eta("0:1:3")), (std::vector<double>{0, 0.5, 1}));
    EXPECT_EQ(eta_values(parse_eta("-1:2.5:1")), std::vector<double>{-1});
    const std::vector<double> four = eta_values(parse_eta("0.6:1.2:4"));
    EXPECT_NEAR(four[1], 0.8, 1e-12);
    EXPECT_EQ(four[3], 1.2);
    for (const char* text : {"", "x", "0.8x", "1:2", "1:2:", "1:2:3:4", "nan", "inf", "0:inf:3",
                             "1:2:0", "1:2:-1", "1:2:1001", " 1", "1:2:3.5"}) {
        EXPECT_NE(thrown_message<Error>([&] { parse_eta(text); }).find(text), std::string::npos);
    }
}

TEST(ModelDefaults, StandAboveTheStructsAndBelowTheUser) {
    const TemporaryFolder folder;
    write_file_atomically(folder.path / "keepsake.json", R"({
        "paper": {"embedding": {"steps": 150, "learning_rate": 5e-3}, "finetune": {"batch_size": 2},
                  "eta": "0.6:1.2:4"},
        "fast": {"finetune": {"rank": 8}, "noise_share": 0.75},
        "sample": {"sampler": "dpmpp_2m", "guidance_scale": 3},
        "word": {"steps": 300, "init": "rose", "templates": ["a photo of a {}"]},
        "subject": {"steps": 200, "rank": 4}, "captions": {"learning_rate": 2e-4}})");
    const ModelDefaults defaults = load_model_defaults(folder.path);
    EXPECT_EQ(defaults.word.stage.steps, 300);
    EXPECT_FALSE(defaults.word.stage.batch_size);
    EXPECT_EQ(defaults.subject.steps, 200);
    EXPECT_EQ(defaults.subject.rank, 4);
    EXPECT_EQ(defaults.captions.learning_rate, 2e-4);
    EXPECT_EQ(defaults.word.init, "rose");
    EXPECT_EQ(defaults.word.templates, std::vector<std::string>{"a photo of a {}"});
    optimize::StageOptions embedding = optimize::paper_embedding_options();
    optimize::StageOptions finetune = optimize::paper_finetune_options();
    pipeline::SampleOptions sample;
    apply(defaults.paper.embedding, embedding);
    apply(defaults.paper.finetune, finetune);
    apply(defaults.sample, sample);
    EXPECT_EQ(embedding.steps, 150);
    EXPECT_EQ(embedding.learning_rate, 5e-3);
    EXPECT_EQ(embedding.batch_size, optimize::paper_embedding_options().batch_size);
    EXPECT_EQ(finetune.steps, optimize::paper_finetune_options().steps);
    EXPECT_EQ(finetune.batch_size, 2);
    EXPECT_EQ(sample.sampler, pipeline::Sampler::dpmpp_2m);
    EXPECT_EQ(sample.guidance_scale, 3);
    EXPECT_EQ(sample.steps, pipeline::SampleOptions{}.steps);
    EXPECT_EQ(defaults.paper.eta->count, 4);
    EXPECT_FALSE(defaults.fast.eta);
    EXPECT_EQ(default_sample(defaults, Mode::fast).noise_share, 0.75);
    EXPECT_EQ(default_sample(defaults, Mode::fast).guidance_scale, 1) << "of the words' way";
    EXPECT_EQ(default_sample(defaults, Mode::paper).noise_share, 1);
    EXPECT_LT(default_sample({}, Mode::fast).noise_share, 1);
    EXPECT_EQ(finetune.rank, 0);
    apply(defaults.fast.finetune, finetune);
    EXPECT_EQ(finetune.rank, 8);
    EXPECT_EQ(finetune.batch_size, 2) << "what is not given stays";
    apply(SampleOverrides{.guidance_scale = 5.0}, sample);
    EXPECT_EQ(sample.guidance_scale, 5);
    EXPECT_EQ(sample.sampler, pipeline::Sampler::dpmpp_2m);
}

TEST(ModelDefaults, LieBesideASingleFileToo) {
    const TemporaryFolder folder;
    testing::write_bytes(folder.path / "sd15.safetensors", "x");
    EXPECT_FALSE(load_model_defaults(folder.path / "sd15.safetensors").paper.eta);
    write_file_atomically(folder.path / "sd15.keepsake.json", R"({"sample": {"steps": 20}})");
    EXPECT_EQ(load_model_defaults(folder.path / "sd15.safetensors").sample.steps, 20);
}

TEST(ModelDefaults, FaultsAreNamed) {
    const TemporaryFolder folder;
    const auto path = folder.path / "keepsake.json";
    const std::pair<const char*, const char*> faults[] = {
        {R"({"papers": {}})", "the key 'papers' is unknown"},
        {R"({"paper": {"embedding": {"rate": 1}}})", "the key 'paper.embedding.rate' is unknown"},
        {R"({"sample": {"steps": "many"}})", "'sample.steps' is \"many\""},
        {R"({"sample": {"sampler": "magic"}})", "magic"},
        {R"({"fast": {"eta": "1:2"}})", "eta '1:2'"},
        {R"({"paper": {"finetune": {"steps": -1}}})", "'steps' is out of range"},
        {R"({"fast": {"noise_share": 1.5}})", "'noise_share' is out of range"},
        {R"({"paper": 3})", "'paper' is no object"},
        {R"({"word": {"rank": 3}})", "the key 'word.rank' is unknown"},
        {R"({"word": {"templates": [3]}})", "'word.templates' is no list of texts"},
        {R"({"paper")", "is not JSON"}};
    for (const auto& [content, why] : faults) {
        write_file_atomically(path, content);
        const std::string message =
            thrown_message<Error>([&] { load_model_defaults(folder.path); });
        EXPECT_EQ(message.find(path.string() + ": "), 0u) << message;
        EXPECT_NE(message.find(why), std::string::npos) << message;
    }
}

}  // namespace
}  // namespace keepsake::editor
