#include "app/cli/usage_error.hpp"

#include "app/cli/command_info.hpp"
#include "app/cli/terminal_text.hpp"
#include "pure/codec/did_you_mean.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace memseal::app {

namespace {

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  // Two edits make another word of a short one. Dashes are no letters of the word.
  const auto letters = word.size() - std::min(word.find_first_not_of('-'), word.size());
  const auto edits_max = letters <= 4 ? std::size_t{1} : std::max<std::size_t>(2, letters / 4);
  const auto near = codec::did_you_mean(word, candidates, edits_max);
  return near ? "; did you mean " + std::string(*near) + "?" : "";
}

/// A word that came from the command line, safe to print.
std::string in_quotes(const std::string& word) { return "\"" + one_line(word, 60) + "\""; }

std::vector<std::string> option_names(const CommandInfo& command, const CommandInfo& program) {
  std::vector<std::string> names;
  for (const auto* options : {&command.options, &program.options})
    for (const auto& option : *options)
      names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

bool has_option(const CommandInfo& command, const std::string& name) {
  return std::ranges::any_of(command.options, [&](const OptionInfo& option) {
    return std::ranges::find(option.names, name) != option.names.end();
  });
}

/// The path of a command that has the option `name`: `command` itself, or one below it. A group
/// like `memseal publish` does not have the options of its commands. Empty if there is none.
std::string command_with(const CLI::App& program, const CommandInfo& command,
                         const std::string& name) {
  for (const auto& one : describe_commands(program))
    if ((one.path == command.path || one.path.starts_with(command.path + " ")) &&
        has_option(one, name))
      return one.path;
  return "";
}

/// The first word that nothing took. Where a command is known, an option comes before other words,
/// because the value of an unknown option is left over too.
std::string stray_word(const CLI::App& program, const CommandInfo& command) {
  auto words = program.remaining(true);
  std::erase(words, "--");
  if (words.empty()) return "";
  const auto option = std::ranges::find_if(
      words, [](const std::string& word) { return word.size() > 1 && word.starts_with('-'); });
  return command.is_group() || option == words.end() ? words.front() : *option;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

/// CLI11's sentence about a value, in plain words.
std::string value_sentence(const CLI::ParseError& failure) {
  const std::string text = failure.what();
  const auto colon = text.find(": ");
  const auto after = colon == text.npos ? std::string() : text.substr(colon + 2);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&failure) != nullptr && colon != text.npos &&
      after.ends_with(" missing"))
    return text.substr(0, colon) + " needs a value";
  if (dynamic_cast<const CLI::ConversionError*>(&failure) != nullptr)
    if (const auto equals = after.find(" = "); equals != after.npos)
      return after.substr(0, equals) + " cannot be " + in_quotes(after.substr(equals + 3));
  if (dynamic_cast<const CLI::ValidationError*>(&failure) != nullptr && colon != text.npos) {
    auto rest = after.starts_with("Value ") ? after.substr(6) : after;
    const auto split = rest.find(" not in ");
    if (split != rest.npos) {
      auto range = rest.substr(split + 8);
      if (range.starts_with("range ")) range = "from " + range.substr(6);
      if (range.starts_with('{') && range.ends_with('}'))
        range = "one of " + range.substr(1, range.size() - 2);
      return text.substr(0, colon) + " must be " + range + ", not " +
             in_quotes(rest.substr(0, split));
    }
  }
  return one_line(text, 300);
}

}  // namespace

const CLI::App& chosen_command(const CLI::App& program) {
  const auto* command = &program;
  for (;;) {
    const auto chosen =
        command->get_subcommands([](const CLI::App* one) { return one->count() > 0; });
    if (chosen.empty()) return *command;
    command = chosen.front();
  }
}

bool names_unknown_command(const CLI::App& program) {
  const auto command = describe_command(chosen_command(program));
  const auto stray = stray_word(program, command);
  return command.is_group() && !stray.empty() && !stray.starts_with('-');
}

UsageError usage_error(const CLI::App& program, const CLI::ParseError& failure) {
  const auto command = describe_command(chosen_command(program));
  const auto whole = describe_command(program);
  UsageError found{{Errc::bad_request, ""}, "see `" + command.path + " --help`"};
  auto& sentence = found.error.message;
  const auto stray = stray_word(program, command);
  const bool required = dynamic_cast<const CLI::RequiredError*>(&failure) != nullptr;
  const bool extra = dynamic_cast<const CLI::ExtrasError*>(&failure) != nullptr;
  if ((required || extra) && stray.starts_with('-') && stray.size() > 1) {
    const auto name = stray.substr(0, stray.find('='));
    const auto owner = command_with(program, command, name);
    if (!owner.empty())
      sentence = name + " stands after its command, as in `" + owner + " " + name + "`";
    else
      sentence = command.path + " has no option " + one_line(name, 60) +
                 suggestion(name, option_names(command, whole));
  } else if (names_unknown_command(program)) {
    sentence =
        command.path + " has no command " + in_quotes(stray) + suggestion(stray, command.commands);
  } else if (command.is_group() && required) {
    sentence = command.path + " needs a command: " + list_of(command.commands);
    found.nothing = true;
  } else if (extra) {
    sentence = command.path + " does not take the word " + in_quotes(stray);
  } else if (required) {
    const std::string text = failure.what();  // "--user is required"
    const auto name = text.substr(0, text.find(' '));
    sentence = command.path + " needs " + name;
    for (const auto& argument : command.arguments)
      if (argument.names.front() == name) sentence += ": " + argument.help;
  } else {
    sentence = value_sentence(failure);
  }
  return found;
}

}  // namespace memseal::app
