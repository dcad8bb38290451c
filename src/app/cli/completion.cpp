#include "app/cli/completion.hpp"

#include <string_view>

namespace memseal::app {

namespace {

/// What a shell offers for a value.
enum class Values { none, files, directories, settings, choices };

Values values_of(const OptionInfo& option) {
  if (!option.choices.empty()) return Values::choices;
  if (option.value == "FILE") return Values::files;
  if (option.value == "DIR") return Values::directories;
  if (option.value == "KEY=VALUE") return Values::settings;
  return Values::none;
}

std::string joined_words(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const auto& word : words) text.append(text.empty() ? "" : between).append(word);
  return text;
}

/// In single quotes, which bash, zsh and fish read alike if no text has a quote or a backslash.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text)
    if (c == '\'')
      out += "’";
    else if (c == '\\')
      out += '/';
    else
      out += c;
  return out + "'";
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// 'memseal serve'|'memseal keys'|…: every path but the program's.
std::string paths(const std::vector<CommandInfo>& all) {
  std::vector<std::string> list;
  // The shells walk the words and keep the longest path that is a command; options and their values
  // do not move it.
  for (std::size_t i = 1; i < all.size(); ++i) list.push_back(shell_quoted(all[i].path));
  return joined_words(list, "|");
}

/// -c|--config|--set: the options of every command that take a value. That value is no command.
std::string valued(const CommandInfo& program) {
  std::vector<std::string> list;
  for (const auto& option : program.options)
    if (!option.value.empty()) list.insert(list.end(), option.names.begin(), option.names.end());
  return joined_words(list, "|");
}

std::vector<std::string> option_words(const CommandInfo& command, const CommandInfo& program) {
  std::vector<std::string> words;
  const auto add = [&](const CommandInfo& from) {
    for (const auto& option : from.options)
      words.insert(words.end(), option.names.begin(), option.names.end());
  };
  add(command);
  if (&command != &program) add(program);
  return words;
}

/// "memseal query:--source": each option of each command that takes a value, and what it takes.
template <class Visit>
void for_each_valued(const std::vector<CommandInfo>& all, Visit visit) {
  for (const auto& command : all) {
    for (const auto& option : command.options)
      if (!option.value.empty()) visit(command, option);
    if (&command == &all.front()) continue;
    for (const auto& option : all.front().options)
      if (!option.value.empty()) visit(command, option);
  }
}

/// The words that an argument of `command` may be.
std::vector<std::string> argument_words(const CommandInfo& command, const CommandInfo& program) {
  std::vector<std::string> words;
  for (const auto& argument : command.arguments) {
    const auto& some = argument.value == "COMMAND" ? program.commands : argument.choices;
    words.insert(words.end(), some.begin(), some.end());
  }
  return words;
}

bool takes_files(const CommandInfo& command) {
  for (const auto& argument : command.arguments)
    if (values_of(argument) == Values::files) return true;
  return false;
}

std::string patterns(const CommandInfo& command, const OptionInfo& option) {
  std::vector<std::string> list;
  for (const auto& name : option.names) list.push_back(shell_quoted(command.path + ":" + name));
  return joined_words(list, "|");
}

constexpr std::string_view bash_head =
    "# Completion of memseal for bash. Written by `memseal completion bash`.\n"
    "_memseal() {\n"
    "  local place=memseal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
    "  local words= i\n"
    "  COMPREPLY=()\n"
    "  for ((i = 1; i < COMP_CWORD; i++)); do\n";

constexpr std::string_view bash_tail =
    "  if [[ $words == @files && $current != -* ]]; then\n"
    "    compopt -o default 2>/dev/null\n"
    "    return\n"
    "  fi\n"
    "  mapfile -t COMPREPLY < <(compgen -W \"${words#@files}\" -- \"$current\")\n"
    "}\n"
    "complete -F _memseal memseal\n";

std::string bash_values(const OptionInfo& option, const std::vector<std::string>& settings) {
  switch (values_of(option)) {
    case Values::files:
      return "compopt -o default 2>/dev/null; return";
    case Values::directories:
      return "compopt -o dirnames 2>/dev/null; return";
    case Values::choices:
      return "words=" + shell_quoted(joined_words(option.choices, " "));
    case Values::settings:
      return "compopt -o nospace 2>/dev/null; words=" +
             shell_quoted(joined_words(settings, "= ") + "=");
    case Values::none:
      break;
  }
  return "return";
}

}  // namespace

std::string bash_completion(const std::vector<CommandInfo>& all,
                            const std::vector<std::string>& settings) {
  const auto& program = all.front();
  std::string text(bash_head);
  text += "    case ${COMP_WORDS[i]} in " + valued(program) + ") ((i++)); continue ;; esac\n";
  text += "    case \"$place ${COMP_WORDS[i]}\" in\n      " + paths(all) +
          ") place=\"$place ${COMP_WORDS[i]}\" ;;\n    esac\n  done\n";
  text += "  case \"$place:$previous\" in\n";
  for_each_valued(all, [&](const CommandInfo& command, const OptionInfo& option) {
    text += "    " + patterns(command, option) + ") " + bash_values(option, settings) + " ;;\n";
  });
  text += "    *) case $place in\n";
  for (const auto& command : all) {
    auto words = command.commands;
    const auto more = argument_words(command, program);
    words.insert(words.end(), more.begin(), more.end());
    const auto options = option_words(command, program);
    words.insert(words.end(), options.begin(), options.end());
    text += "      " + shell_quoted(command.path) + ") words=" +
            shell_quoted((takes_files(command) ? "@files " : "") + joined_words(words, " ")) +
            " ;;\n";
  }
  text += "    esac ;;\n  esac\n";
  return text + std::string(bash_tail);
}

namespace {

/// name:explanation, as _describe takes it.
std::string zsh_item(const std::string& name, const std::string& text) {
  std::string item;
  for (const char c : name) item += c == ':' ? std::string("\\:") : std::string(1, c);
  return "'" + item + ":" + shell_quoted(first_line(text)).substr(1);
}

std::string zsh_values(const OptionInfo& option, const std::vector<std::string>& settings) {
  switch (values_of(option)) {
    case Values::files:
      return "_files";
    case Values::directories:
      return "_files -/";
    case Values::choices:
      return "compadd -- " + joined_words(option.choices, " ");
    case Values::settings:
      return "compadd -S = -- " + joined_words(settings, " ");
    case Values::none:
      break;
  }
  return "_message " + shell_quoted(option.value);
}

}  // namespace

std::string zsh_completion(const std::vector<CommandInfo>& all,
                           const std::vector<std::string>& settings) {
  const auto& program = all.front();
  std::string text =
      "#compdef memseal\n"
      "# Completion of memseal for zsh. Written by `memseal completion zsh`.\n"
      "_memseal() {\n"
      "  local place=memseal i\n"
      "  local -a found\n"
      "  for (( i = 2; i < CURRENT; i++ )); do\n"
      "    case ${words[i]} in (" +
      valued(program) +
      ") (( i++ )); continue ;; esac\n"
      "    case \"$place ${words[i]}\" in\n      (" +
      paths(all) +
      ") place=\"$place ${words[i]}\" ;;\n    esac\n  done\n"
      "  case \"$place:${words[CURRENT-1]}\" in\n";
  for_each_valued(all, [&](const CommandInfo& command, const OptionInfo& option) {
    text +=
        "    (" + patterns(command, option) + ") " + zsh_values(option, settings) + "; return ;;\n";
  });
  text += "  esac\n  case $place in\n";
  for (const auto& command : all) {
    text += "    (" + shell_quoted(command.path) + ") found=(";
    for (std::size_t i = 0; i < command.commands.size(); ++i)
      text += "\n      " + zsh_item(command.commands[i], command.summaries[i]);
    for (const auto* from : {&command, &program})
      for (const auto& option : from->options)
        if (from == &command || &command != &program)
          text += "\n      " + zsh_item(option.names.back(), option.help);
    text += ")";
    // After the options, because zsh joins what several functions add.
    if (takes_files(command)) text += "; _files";
    if (const auto words = argument_words(command, program); !words.empty())
      text += "; compadd -- " + joined_words(words, " ");
    text += " ;;\n";
  }
  return text +
         "  esac\n"
         "  _describe -o memseal found\n"
         "}\n"
         "if [[ ${funcstack[1]} == _memseal ]]; then _memseal \"$@\"; else compdef _memseal "
         "memseal; "
         "fi\n";
}

namespace {

std::string fish_values(const OptionInfo& option, const std::vector<std::string>& settings) {
  switch (values_of(option)) {
    case Values::files:
      return " -r -F";
    case Values::directories:
      return " -x -a '(__fish_complete_directories)'";
    case Values::choices:
      return " -x -a " + shell_quoted(joined_words(option.choices, " "));
    case Values::settings:
      return " -x -a " + shell_quoted(joined_words(settings, "= ") + "=");
    case Values::none:
      break;
  }
  return option.value.empty() ? "" : " -x";
}

std::string fish_option(const std::string& where, const OptionInfo& option,
                        const std::vector<std::string>& settings) {
  std::string line = "complete -c memseal" + where;
  for (const auto& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  return line + fish_values(option, settings) + " -d " + shell_quoted(option.help) + "\n";
}

}  // namespace

std::string fish_completion(const std::vector<CommandInfo>& all,
                            const std::vector<std::string>& settings) {
  const auto& program = all.front();
  std::vector<std::string> places, skipped;
  for (std::size_t i = 1; i < all.size(); ++i) places.push_back(shell_quoted(all[i].path));
  for (const auto& option : program.options)
    if (!option.value.empty())
      skipped.insert(skipped.end(), option.names.begin(), option.names.end());
  std::string text =
      "# Completion of memseal for fish. Written by `memseal completion fish`.\n"
      "function __memseal_place\n"
      "  set -l place memseal\n"
      "  set -l skip 0\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    if test $skip = 1; set skip 0; continue; end\n"
      "    if contains -- $word " +
      joined_words(skipped, " ") +
      "; set skip 1; continue; end\n"
      "    switch \"$place $word\"\n"
      "      case " +
      joined_words(places, " ") +
      "\n        set place \"$place $word\"\n"
      "    end\n  end\n  echo $place\nend\n"
      "function __memseal_at\n  test (__memseal_place) = $argv[1]\nend\n"
      "complete -c memseal -f\n";
  for (const auto& option : program.options) text += fish_option("", option, settings);
  for (const auto& command : all) {
    const auto where = " -n '__memseal_at \"" + command.path + "\"'";
    for (std::size_t i = 0; i < command.commands.size(); ++i)
      text += "complete -c memseal" + where + " -a " + command.commands[i] + " -d " +
              shell_quoted(command.summaries[i]) + "\n";
    if (&command != &program)
      for (const auto& option : command.options) text += fish_option(where, option, settings);
    if (takes_files(command)) text += "complete -c memseal" + where + " -F\n";
    if (const auto words = argument_words(command, program); !words.empty())
      text +=
          "complete -c memseal" + where + " -a " + shell_quoted(joined_words(words, " ")) + "\n";
  }
  return text;
}

}  // namespace memseal::app
