// keepsake learn subject
#include <memory>

#include "editor/commands/commands_learn.h"
#include "editor/commands/learn_options.h"
#include "editor/commands/run_places.h"

namespace keepsake::editor {
namespace {

struct SubjectArguments {
    LearnArguments learn;
    std::string token;
    std::optional<std::string> class_words, class_folder, prior;
    std::optional<int> class_pictures;
    std::optional<double> prior_weight;
};

void add_options(CLI::App& command, SubjectArguments& arguments) {
    const optimize::PictureOptions defaults = optimize::subject_options();
    command
        .add_option("PHOTOS", arguments.learn.pictures,
                    "Photos of the subject, or folders of them; captions beside them count")
        ->type_name("PATH")
        ->required();
    command
        .add_option("--token", arguments.token,
                    "The words that will call it: \"sks flower\", a rare word and what it is")
        ->required();
    command.add_option("--class", arguments.class_words,
                       "What kind of thing it is: \"flower\". Turns prior preservation on: the "
                       "kind stays what it was");
    command.add_option("--class-pictures", arguments.class_pictures,
                       "With --class: how many the model draws of it; default " +
                           std::to_string(PriorRequest{}.pictures));
    command
        .add_option("--class-folder", arguments.class_folder,
                    "With --class: pictures of it, real ones or another run's class/")
        ->type_name("FOLDER");
    command.add_option("--prior-weight", arguments.prior_weight,
                       "With --class: how much its pictures count; default 1");
    command
        .add_option("--prior", arguments.prior,
                    "With --class: the loss as diffusers' scripts have it (default) or kohya's")
        ->type_name("diffusers|kohya");
    add_network_options(command, arguments.learn, defaults);
    add_learn_options(command, arguments.learn, defaults);
}

LearnRequest subject_request(const SubjectArguments& arguments) {
    const std::string token = checked_text("--token", arguments.token);
    LearnRequest request = learn_request(arguments.learn, LearnKind::subject, file_name_of(token));
    request.token = token;
    PriorRequest& prior = request.prior;
    const bool on = arguments.class_words.has_value();
    if (on) prior.class_words = checked_text("--class", *arguments.class_words);
    require(on || !arguments.class_pictures, "--class-pictures", "is only for --class");
    require(on || !arguments.class_folder, "--class-folder", "is only for --class");
    require(on || !arguments.prior_weight, "--prior-weight", "is only for --class");
    require(on || !arguments.prior, "--prior", "is only for --class");
    require(!arguments.class_folder || !arguments.class_pictures, "--class-pictures",
            "are those of --class-folder where that is given");
    if (arguments.class_folder) prior.folder = *arguments.class_folder;
    prior.pictures = arguments.class_pictures.value_or(prior.pictures);
    require(prior.pictures >= 1 && prior.pictures <= 10'000, "--class-pictures",
            "is not between 1 and 10000");
    request.options.prior_weight = arguments.prior_weight.value_or(1);
    require(request.options.prior_weight >= 0 && request.options.prior_weight <= 1000,
            "--prior-weight", "is not between 0 and 1000");
    const std::string form = arguments.prior.value_or("diffusers");
    require(form == "diffusers" || form == "kohya", "--prior",
            "'" + form + "' is none of diffusers, kohya");
    if (form == "kohya") request.options.prior_form = optimize::PriorForm::kohya;
    return request;
}

}  // namespace

void add_learn_subject(CLI::App& learn, Command& chosen, optimize::MessagePassing& processes) {
    CLI::App& command = *learn.add_subcommand(
        "subject", "A thing or a person from a few photos of it (DreamBooth)");
    const auto arguments = std::make_shared<SubjectArguments>();
    add_options(command, *arguments);
    command.callback([&chosen, &processes, arguments] {
        chosen = [arguments, &processes](const Interrupt& interrupt) {
            const optimize::Ranks ranks = join_ranks(processes, interrupt);
            run_learn(subject_request(*arguments), arguments->learn, interrupt, ranks);
        };
    });
}

}  // namespace keepsake::editor
