#pragma once
// The table of commands: their names, options and help, and what each one runs.
#include "app/cli/command_info.hpp"
#include "app/cli/commands.hpp"

#include <functional>
#include <vector>

namespace memseal::app {

/// Runs the command that was chosen. Returns the exit code.
using Action = std::function<int()>;

/// Makes `app` the whole program: its name, the options of every command, the commands. Parsing
/// then sets `global` and `action`. REQUIRES: all three outlive the action.
void add_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about models: `models` and `bench`.
void add_model_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about root keys: `keys` and `token`.
void add_key_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about who may write: `producers`.
void add_producer_commands(CLI::App& app, GlobalOptions& global, Action& action);
/// The options of `publish` that name a producer.
void add_producer_options(CLI::App& command, PublishOptions& options);

/// The part of add_commands() that is about what is stored: `ls`, `show` and `rm`.
void add_memory_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that asks a running service: `query`, `rerank-metrics` and `health`.
void add_query_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about files: `upload` and `files`.
void add_file_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about a person as a whole: `export`, `tenant`, `receipt`.
void add_person_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about the commands: `help`, `completion` and `man`.
void add_help_commands(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about the audit log: `audit`.
void add_audit_command(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about proofs: `verify`.
void add_verify_command(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about copies of the database: `backup`.
void add_backup_command(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about checks of a deployment: `smoke`.
void add_smoke_command(CLI::App& app, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about promises of a running service: `guard`.
void add_guard_command(CLI::App& app, GlobalOptions& global, Action& action);
/// The commands of `guard` that call the guard of a service.
void add_guard_orders(CLI::App& guard, GlobalOptions& global, Action& action);

/// The part of add_commands() that is about rollouts: `canary`.
void add_canary_command(CLI::App& app, GlobalOptions& global, Action& action);

/// The options of a command that calls a service: where it is, and as which user.
void add_address_options(CLI::App& command, ServiceOptions& options,
                         const char* default_from = "http.listen");
void add_service_options(CLI::App& command, ServiceOptions& options);

/// Every command, as describe_commands() gives them.
std::vector<CommandInfo> list_commands();

}  // namespace memseal::app
