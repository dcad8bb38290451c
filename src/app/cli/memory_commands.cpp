// The commands about what is stored: `ls`, `show` and `rm`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

CLI::Option* add_kind(CLI::App& command, MemoryOptions& options, const char* help) {
  return command.add_flag("--conversation,--conversations", options.conversation, help);
}

void add_id(CLI::App& command, MemoryOptions& options) {
  command
      .add_option("id", options.id, "Id of the document, or name of the conversation")
      ->type_name("ID")
      ->required();
}

}  // namespace

void add_memory_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  auto options = std::make_shared<MemoryOptions>();
  auto* list = app.add_subcommand("ls", "List a user's documents, or conversations");
  add_kind(*list, *options, "List conversations");
  set_help(*list, {"memseal ls", "memseal ls --conversations --json"},
           "Columns: last change, stored pieces of text, id, name.");
  auto* show = app.add_subcommand("show", "Print the text of a document, or a conversation");
  add_id(*show, *options);
  add_kind(*show, *options, "The id is a conversation's");
  set_help(*show, {"memseal show notes.md", "memseal show c1 --conversation"});
  auto* remove = app.add_subcommand("rm", "Delete a document, or turns of a conversation");
  add_id(*remove, *options);
  auto* kind = add_kind(*remove, *options, "The id is a conversation's");
  remove
      ->add_option("--before", options->before,
                   "Only turns that were said before this RFC 3339 time")
      ->type_name("TIME")
      ->needs(kind);
  remove->add_flag("--no-wait", options->no_wait,
                   "Return once the deletion is accepted (default: once it is done)");
  set_help(*remove, {"memseal rm notes.md", "memseal rm c1 --conversation",
                     "memseal rm c1 --conversation --before 2026-01-01T00:00:00Z"});
  for (auto* command : {list, show, remove}) add_service_options(*command, options->service);
  list->callback(
      [&, options] { action = [&global, options] { return cmd_ls(global, *options); }; });
  show->callback(
      [&, options] { action = [&global, options] { return cmd_show(global, *options); }; });
  remove->callback(
      [&, options] { action = [&global, options] { return cmd_rm(global, *options); }; });
}

}  // namespace memseal::app
