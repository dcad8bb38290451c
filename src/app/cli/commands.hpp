#pragma once
// The commands of the program. Each takes its parsed options and returns an exit code. Data goes to
// stdout, messages go to stderr.
#include "app/config/config.hpp"
#include "app/service/exit_code.hpp"
#include "base/limits.hpp"
#include "base/result.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace memseal::app {

/// Options every command has.
struct GlobalOptions {
  std::string config_file;
  std::vector<std::string> assignments;  ///< --set key=value
  bool json = false;
  bool quiet = false;
};

/// Prints "memseal: <message>" to stderr.
void complain(const Error& error);
/// Reads the configuration; prints every problem and returns nothing when there is one.
std::optional<Config> read_config(const GlobalOptions& global);
/// The same with the layer that each value comes from.
std::optional<LoadedConfig> read_sound_config(const GlobalOptions& global);
/// Reads the configuration and its problems, and prints nothing. Closes the memory of the process
/// before (own_memory.hpp), for every command that reads settings.
LoadedConfig read_config_layers(const GlobalOptions& global);

struct ServeOptions {
  bool no_ingest = false;
  std::string ports_file;  ///< receives "public admin" once the service is ready
};
int cmd_serve(const GlobalOptions& global, const ServeOptions& options);

struct DevOptions {
  std::string pg;  ///< owner DSN; empty: a private cluster
  std::string user = "alice";
  std::string directory;  ///< where keys and the private cluster live
  std::string env_file;   ///< receives the `export` lines once the service is ready
  std::int64_t kafka_port = 0;  ///< of the in-process broker; 0: any
};
int cmd_dev(const GlobalOptions& global, const DevOptions& options);

struct MigrateOptions {
  std::string action;  ///< up, down, status, plan, rewrite
  std::optional<int> to;
  std::string directory;     ///< of the SQL pairs; empty: the installed ones
  std::string app_password;  ///< set on role app_user
  bool force = false;
};
int cmd_migrate(const GlobalOptions& global, const MigrateOptions& options);

struct BackupOptions {
  std::string folder;          ///< of the backup
  std::string files;           ///< directory of sealed files; empty: there is none
  std::string keyring;         ///< verify: a keyring file; empty: the configured keys
  std::string scratch;         ///< verify: DSN of an empty database; empty: a cluster of its own
  std::int64_t sample = 200;   ///< verify: chunks to open
  std::string migrations;      ///< directory of the SQL pairs; empty: the installed ones
  std::string app_password;    ///< restore: set on role app_user
  bool force = false;          ///< restore: delete what the database holds
};
int cmd_backup_create(const GlobalOptions& global, const BackupOptions& options);
/// exit_finding: the backup is damaged, incomplete, or does not open with this keyring.
int cmd_backup_verify(const GlobalOptions& global, const BackupOptions& options);
/// exit_usage: the database is not empty. exit_finding: the backup is damaged.
int cmd_backup_restore(const GlobalOptions& global, const BackupOptions& options);

/// What the commands about root keys are asked.
struct KeysOptions {
  std::string kind = "kek";      ///< "kek", "token" or "dead-letters"
  std::uint32_t generation = 0;  ///< retire: which
  bool stage = false;            ///< rotate: add the key, and let the old one go on
  bool resume = false;           ///< rotate: add no key, wrap what is left
  bool yes = false;              ///< rotate: whoever asks sees to the copy of the keyring
};
int cmd_keys_init(const GlobalOptions& global, const std::string& file);
int cmd_keys_list(const GlobalOptions& global);
/// exit_finding: a tenant's key does not open; the others are wrapped again.
int cmd_keys_rotate(const GlobalOptions& global, const KeysOptions& options);
/// exit_usage: something still needs the key. exit_not_found: there is no such key.
int cmd_keys_retire(const GlobalOptions& global, const KeysOptions& options);
int cmd_keys_export_public(const GlobalOptions& global);
/// `memseal verify`. exit_finding: something does not hold.
int cmd_verify(const GlobalOptions& global, const std::vector<std::string>& wanted);

struct TokenOptions {
  std::string user;
  std::int64_t lifetime_s = 3'600;
};
int cmd_token_mint(const GlobalOptions& global, const TokenOptions& options);

/// Who may write events, and by which keys.
struct ProducersOptions {
  std::string file;      ///< the registry; empty: kafka.producers_file
  std::string name;
  std::string key_file;  ///< keygen: to write; add: with the key to admit
  std::string key_id;    ///< revoke; empty: all keys
  std::string algorithm = "ed25519";
  std::vector<std::string> tenants, sources, topics;
};
int cmd_producers_keygen(const GlobalOptions& global, const ProducersOptions& options);
int cmd_producers_add(const GlobalOptions& global, const ProducersOptions& options);
int cmd_producers_list(const GlobalOptions& global, const ProducersOptions& options);
/// exit_not_found: no such producer or key.
int cmd_producers_revoke(const GlobalOptions& global, const ProducersOptions& options);

/// Where a command finds the running service, and for whom it asks.
struct ServiceOptions {
  std::string url;         ///< base address; empty: http.listen
  std::string token;       ///< else token_file, else $MEMSEAL_TOKEN
  std::string token_file;
  std::string ca_file;     ///< PEM, for https; else $MEMSEAL_CA_FILE
  bool insecure = false;   ///< a token may go over plain http to another machine
};

struct PublishOptions {
  std::string user;
  std::vector<std::string> files;  ///< upload: files, directories, or "-" for stdin
  std::string doc_id;
  std::string mime_type;
  std::vector<std::string> tags;
  std::string conversation;           ///< chat
  std::vector<std::string> messages;  ///< chat: role:content
  std::string messages_file;          ///< chat: JSON file or "-"
  bool print_only = false;            ///< --dry-run: print the event, send nothing
  bool wait = false;                  ///< --wait: fail where waiting is impossible
  bool no_wait = false;               ///< --no-wait: return once the broker has the events
  std::optional<std::int64_t> timeout_s = {};  ///< longest wait without news of the events
  std::string producer;               ///< whose source the events have; empty: the command's own
  std::string producer_key_file;      ///< what signs them; given with `producer`
  ServiceOptions service;             ///< upload: where texts go for which an event has no room
};
int cmd_publish_upload(const GlobalOptions& global, const PublishOptions& options);
int cmd_publish_chat(const GlobalOptions& global, const PublishOptions& options);

/// Which dead letters a command means, and what it does about them.
struct DlqOptions {
  std::vector<std::string> topics;  ///< whose letters; empty: of all that are consumed
  std::string code, user, id;       ///< id: of the event, or topic/partition/offset of the letter
  std::string since, until;         ///< RFC 3339, or an age: 90s, 30m, 12h, 7d
  std::int64_t limit = 0;           ///< 0: none
  bool closed_too = false;          ///< --all: also letters that are replayed, dropped, succeeded
  bool reveal = false;              ///< show: print the content
  bool dry_run = false;
  bool vouch = false;               ///< replay: sign what has no valid signature of its own
  std::string to_topic;             ///< replay: instead of the topic that the event came from
  bool every = false;               ///< drop: every letter, where no filter is given
  bool purge = false;               ///< drop: delete the records in front of the first open letter
};
int cmd_dlq_list(const GlobalOptions& global, const DlqOptions& options);
/// exit_not_found: there is no such letter.
int cmd_dlq_show(const GlobalOptions& global, const DlqOptions& options);
/// exit_failed: a letter does not open, or the broker did not take its event.
int cmd_dlq_replay(const GlobalOptions& global, const DlqOptions& options);
int cmd_dlq_drop(const GlobalOptions& global, const DlqOptions& options);

struct QueryOptions {
  std::vector<std::string> words;  ///< of the question
  std::vector<std::string> also;   ///< further questions, answered together with it
  ServiceOptions service;
  std::int64_t top_k = limits::answers_max;
  std::int64_t candidates = 0;  ///< passages that are ranked; 0: what the service takes
  bool no_rerank = false;
  bool no_hybrid = false;
  bool trace = false;
  std::string cursor;  ///< of the page before; empty: the first page
  std::string source;
  std::vector<std::string> tags, tags_any, tags_none, documents, exclude;
  std::vector<std::string> attributes;  ///< each KEY=VALUE
  std::string where;                    ///< instead: conditions on attributes as a JSON object
  std::string conversation;
  std::string created_after, created_before;  ///< RFC 3339; empty: any
  std::optional<double> min_score;
  std::int64_t expand = 0;  ///< neighbours on each side

  /// Whether some of what is stored is left out.
  bool filters() const {
    return !source.empty() || !tags.empty() || !tags_any.empty() || !tags_none.empty() ||
           !documents.empty() || !exclude.empty() || !attributes.empty() || !where.empty() ||
           !conversation.empty() || !created_after.empty() || !created_before.empty() || min_score;
  }
};
int cmd_query(const GlobalOptions& global, const QueryOptions& options);
/// Prints what reranking has done so far.
int cmd_rerank_metrics(const GlobalOptions& global, const ServiceOptions& options);

/// What the commands about stored memory are asked.
struct MemoryOptions {
  ServiceOptions service;
  bool conversation = false;  ///< conversations, or the id is one's; else documents
  std::string id;
  std::string before;    ///< rm: RFC 3339; empty: all turns
  bool no_wait = false;  ///< rm
};
int cmd_ls(const GlobalOptions& global, const MemoryOptions& options);
/// exit_not_found: this user has nothing of this id. So has cmd_rm().
int cmd_show(const GlobalOptions& global, const MemoryOptions& options);
int cmd_rm(const GlobalOptions& global, const MemoryOptions& options);

/// What `upload` is asked.
struct UploadOptions {
  ServiceOptions service;
  std::vector<std::string> files;  ///< files or directories
  std::string name;                ///< of the only file; empty: its own
  std::vector<std::string> tags;
  bool index = false;
  bool wait = false;               ///< until the documents of the files can be found
  std::int64_t parallel = 3;
};
/// exit_failed: a file failed. exit_not_ready, exit_denied: the service takes none.
int cmd_upload(const GlobalOptions& global, const UploadOptions& options);

/// What the commands about stored files are asked.
struct FilesOptions {
  ServiceOptions service;
  std::string id;                 ///< show, get
  std::vector<std::string> ids;   ///< rm
  std::vector<std::string> tags;  ///< list
  bool chunks = false;            ///< show: the text of its document
  std::string output;             ///< get: file or directory; empty: standard output
  bool yes = false;               ///< rm: do not ask
};
int cmd_files_list(const GlobalOptions& global, const FilesOptions& options);
/// exit_not_found: this user has no such file. So have the others.
int cmd_files_show(const GlobalOptions& global, const FilesOptions& options);
int cmd_files_get(const GlobalOptions& global, const FilesOptions& options);
int cmd_files_rm(const GlobalOptions& global, const FilesOptions& options);

/// What `export` is asked: everything that is stored of one user.
struct ExportOptions {
  ServiceOptions service;
  std::string output;  ///< file; empty: standard output
};
/// exit_failed: the export was cut or cannot be written; the file is then not there.
int cmd_export(const GlobalOptions& global, const ExportOptions& options);

/// What the operator's commands about one user are asked. They need the keyring and the database.
/// Which records of the audit log a command means.
struct AuditOptions {
  std::string since, until;  ///< RFC 3339, or an age
  std::string user, user_hash, document, request_id, action, actor;
  std::int64_t limit = 0;    ///< show: 0: all
  std::string output;        ///< export: file; empty: standard output
  std::string expect;        ///< verify: a checkpoint that must be there
  std::int64_t days = 0;     ///< prune: 0: audit.retention_days
  bool past_findings = false;  ///< prune: also where the log was tampered with
};
int cmd_audit_show(const GlobalOptions& global, const AuditOptions& options);
int cmd_audit_export(const GlobalOptions& global, const AuditOptions& options);
/// exit_finding: the log is not what was written.
int cmd_audit_verify(const GlobalOptions& global, const AuditOptions& options);
int cmd_audit_prune(const GlobalOptions& global, const AuditOptions& options);

struct TenantOptions {
  std::string user;       ///< id of the user
  std::string user_hash;  ///< instead: 64 hex digits, as `tenant list` prints them
  std::string output;     ///< export, erase: file; empty: standard output
  bool dry_run = false;   ///< erase: say what would be erased
  bool force = false;     ///< erase: do it
  bool resume = false;    ///< reseal: under the key that seals now
};
/// Needs a role that may read every row (postgres.backup_dsn).
int cmd_tenant_list(const GlobalOptions& global);
/// exit_not_found: nothing was ever stored of this user. So has cmd_tenant_export().
int cmd_tenant_show(const GlobalOptions& global, const TenantOptions& options);
int cmd_tenant_export(const GlobalOptions& global, const TenantOptions& options);
/// exit_usage: neither --dry-run nor --force. Says the receipt again for an erased user.
int cmd_tenant_erase(const GlobalOptions& global, const TenantOptions& options);
/// exit_finding: a row does not open; the others are sealed again.
int cmd_tenant_reseal(const GlobalOptions& global, const TenantOptions& options);

/// What `receipt verify` is asked.
struct ReceiptOptions {
  std::string file;        ///< "-": standard input
  std::string user;        ///< whose it must be; empty: any
  std::string public_key;  ///< base64url, who must have signed; empty: the keyring's own
};
/// exit_finding: the receipt is not genuine, or another user's.
int cmd_receipt_verify(const GlobalOptions& global, const ReceiptOptions& options);

struct SmokeOptions {
  ServiceOptions service;                      ///< with the token of the first user
  std::string other_token, other_token_file;  ///< of the second one
};
/// exit_failed: a check failed; exit_not_ready: the service does not answer.
int cmd_smoke(const GlobalOptions& global, const SmokeOptions& options);

struct GuardOptions {
  ServiceOptions service;      ///< the address is that of the admin listener
  std::int64_t window_s = 60;  ///< check: 0: since the start of the process
  std::int64_t every_s = 5;    ///< watch
  std::int64_t for_s = 0;      ///< watch; 0: until a breach
  std::string baseline;        ///< watch: a report to compare with; empty: none
};
/// exit_finding: a guardrail is breached; exit_not_ready: there are no metrics to judge.
int cmd_guard_check(const GlobalOptions& global, const GuardOptions& options);
int cmd_guard_watch(const GlobalOptions& global, const GuardOptions& options);
/// Asks the service's own guard, and prints its state. `path`: of the admin listener.
int cmd_guard_order(const GlobalOptions& global, const ServiceOptions& service,
                    const std::string& method, const std::string& path);

struct CanaryOptions {
  std::string proxy = "/run/haproxy/canary.sock";  ///< of the runtime API
  std::vector<std::string> stable_urls, canary_urls;  ///< of admin listeners
  std::vector<std::int64_t> plan{5, 25, 100};
  std::vector<std::int64_t> min_s, max_s, samples;  ///< one for each stage, one for all, or none
  std::int64_t settle_s = 60, every_s = 2, lease_s = 15;
  std::int64_t memory_mib = 0;  ///< 0: not judged
  bool stop_on_regression = false;
  SmokeOptions smoke;  ///< the address is that of the proxy
  std::string smoke_key_file;
  bool skip_smoke = false;
  std::string out;      ///< folder of the evidence
  bool resume = false;  ///< go on with what is in `out`
};
/// exit_ok: promoted; exit_finding: a breach; exit_not_ready: refused or inconclusive;
/// exit_failed: aborted.
int cmd_canary_run(const GlobalOptions& global, const CanaryOptions& options);
int cmd_canary_status(const GlobalOptions& global, const CanaryOptions& options);
int cmd_canary_abort(const GlobalOptions& global, const CanaryOptions& options);

int cmd_models_list(const GlobalOptions& global);
int cmd_models_show(const GlobalOptions& global, const std::string& model);
/// exit_ok: sound; exit_failed: damaged, unsupported or wrong; exit_usage: no such model.
/// `device`: "cpu" or "cuda".
int cmd_models_verify(const GlobalOptions& global, const std::string& model,
                      const std::string& device);

struct PullOptions {
  std::string model;  ///< "owner/name" or a known name; empty: that of `lock`
  std::string revision = "main";
  std::string to;          ///< the folder of models; empty: the first one that can be written
  std::string token_file;  ///< else $HF_TOKEN
  std::string lock;        ///< a lock file whose commit and SHA-256s must be those of the hub
};
/// exit_not_ready: the hub cannot be reached; exit_denied: it wants a token; exit_not_found: it has
/// no such model; exit_failed: other bytes than the hub or the lock file name.
int cmd_models_pull(const GlobalOptions& global, const PullOptions& options);

struct BenchOptions {
  std::string kind;         ///< "rerank" or "embed"
  std::string model;        ///< directory or name; empty: the configured one
  std::string device = "cpu";  ///< or "cuda"
  std::int64_t tokens = 0;  ///< of one sequence, specials included; 0: 256 (rerank), 128 (embed)
  std::int64_t count = 0;   ///< sequences of one call; 0: 24 (rerank), 32 (embed)
  std::int64_t threads = 1;  ///< calls at once, one thread each
  std::int64_t rounds = 20;  ///< calls each thread makes
};
int cmd_bench(const GlobalOptions& global, const BenchOptions& options);

/// Prints the service's readiness. exit_not_ready: it is not, or does not answer.
int cmd_health(const GlobalOptions& global, const ServiceOptions& options);
int cmd_doctor(const GlobalOptions& global);
int cmd_config_check(const GlobalOptions& global);
int cmd_config_show(const GlobalOptions& global);
/// Prints docs/settings.md.
int cmd_config_table(const GlobalOptions& global);
int cmd_config_init(const GlobalOptions& global, const std::string& file);
int cmd_version(const GlobalOptions& global);

}  // namespace memseal::app
