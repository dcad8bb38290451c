// The commands about files: `upload` and `files`.
#include "app/cli/command_table.hpp"

#include <CLI/CLI.hpp>

#include <memory>

namespace memseal::app {

namespace {

void add_upload(CLI::App& app, GlobalOptions& global, Action& action) {
  auto options = std::make_shared<UploadOptions>();
  auto* upload = app.add_subcommand("upload", "Store files, sealed, through the running service");
  upload->add_option("files", options->files, "Files, or directories with all files below them")
      ->type_name("FILE")
      ->required();
  upload
      ->add_option("--name", options->name,
                   "Name of the only file (default: its path below the directory given)")
      ->type_name("NAME");
  upload->add_option("--tag", options->tags, "Tag, may be given again")
      ->type_name("TAG")
      ->allow_extra_args(false);
  auto* index = upload->add_flag("--index", options->index, "Make texts searchable as well");
  upload->add_flag("--wait", options->wait, "Return once the texts can be found")->needs(index);
  upload->add_option("--parallel", options->parallel, "Files that are sent at one time")
      ->type_name("COUNT")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  add_service_options(*upload, options->service);
  set_help(*upload,
           {"memseal upload report.pdf", "memseal upload --index --wait --tag work notes/"},
           "A file whose name and content are stored already is not sent again, so the\n"
           "same command goes on where an earlier one ended. Hidden files and links in\n"
           "directories are left out.");
  upload->callback(
      [&, options] { action = [&global, options] { return cmd_upload(global, *options); }; });
}

void add_id(CLI::App& command, FilesOptions& options) {
  command.add_option("id", options.id, "Id of the file, as `memseal files list` shows it")
      ->type_name("ID")
      ->required();
}

}  // namespace

void add_file_commands(CLI::App& app, GlobalOptions& global, Action& action) {
  add_upload(app, global, action);
  auto* files = app.add_subcommand("files", "List, show, fetch and delete stored files");
  files->require_subcommand(1);
  auto options = std::make_shared<FilesOptions>();
  const auto verb = [&](const char* name, const char* help, auto* run) {
    auto* command = files->add_subcommand(name, help);
    command->callback([&global, &action, options, run] {
      action = [&global, options, run] { return run(global, *options); };
    });
    return command;
  };
  auto* list = verb("list", "List a user's files, newest first", cmd_files_list);
  list->add_option("--tag", options->tags, "Only files with this tag; may be given again")
      ->type_name("TAG")
      ->allow_extra_args(false);
  set_help(*list, {"memseal files list", "memseal files list --tag work --json"},
           "Columns: time of storing, bytes, id, name.");
  auto* show = verb("show", "Print what is known of a file", cmd_files_show);
  add_id(*show, *options);
  show->add_flag("--chunks", options->chunks, "Print the pieces of its text that can be found");
  set_help(*show, {"memseal files show ID", "memseal files show ID --chunks"});
  auto* get = verb("get", "Fetch the content of a file", cmd_files_get);
  add_id(*get, *options);
  get->add_option("-o,--output", options->output,
                  "File to write, or directory (default: standard output, if no terminal)")
      ->type_name("PATH");
  set_help(*get, {"memseal files get ID -o report.pdf", "memseal files get ID | sha256sum"},
           "The file has its name only once it is whole, and is readable by you alone.");
  auto* remove = verb("rm", "Delete files, and what was indexed of them", cmd_files_rm);
  remove->add_option("ids", options->ids, "Ids of the files")->type_name("ID")->required();
  remove->add_flag("-y,--yes", options->yes, "Do not ask");
  set_help(*remove, {"memseal files rm ID", "memseal files rm --yes ID ID"});
  for (auto* command : {list, show, get, remove}) add_service_options(*command, options->service);
}

}  // namespace memseal::app
