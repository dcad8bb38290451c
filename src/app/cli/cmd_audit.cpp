// `memseal audit`: who read or changed what, and the proof that nothing is missing.
#include "adapters/postgres/audit_reader.hpp"
#include "app/cli/console.hpp"
#include "app/cli/fetched_file.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/cli/time_option.hpp"
#include "app/service/keys.hpp"
#include "pure/codec/hex.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "runtime/wall_clock.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <functional>

namespace memseal::app {

namespace json = boost::json;

namespace {

constexpr std::int64_t audit_day_ms = 86'400'000;

int audit_exit(const Error& error) {
  complain(error);
  if (error.code == Errc::signature_invalid) return exit_finding;
  return error.code == Errc::unavailable ? exit_not_ready : exit_usage;
}

/// What every command here needs.
struct AuditReading {
  Config config;
  crypto::Keyring keyring;
  std::string dsn;
};

/// Runs `work`; what it throws becomes the exit code.
int with_audit(const GlobalOptions& global, const std::function<int(const AuditReading&)>& work) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  try {
    return work({*config, load_keyring(*config).value(), operator_dsn(*config).value()});
  } catch (const Failure& failed) {
    return audit_exit(failed.error());
  }
}

/// A checkpoint may be late by as much as its interval, and by what a busy database takes.
audit::LogJudge judge_with(const AuditReading& reading) {
  const auto unsigned_ms_max = (2 * reading.config.audit.checkpoint_s + 300) * 1'000;
  return {audit::Marks(reading.keyring.audit_key()),
          reading.keyring.audit_signer().verifying_key(), unsigned_ms_max};
}

crypto::Tenant audited_tenant(const crypto::Keyring& keyring, const AuditOptions& options) {
  const auto keyer = keyring.tenant_keyer();
  if (options.user_hash.empty()) return keyer.tenant_of(UserId::parse(options.user).value());
  const auto bytes = codec::decode_hex(options.user_hash);
  UserHash hash;
  if (!bytes || bytes->size() != hash.bytes.size())
    throw_failure({Errc::bad_request, "--hash takes 64 hex digits"});
  std::copy(bytes->begin(), bytes->end(), hash.bytes.begin());
  return keyer.tenant_of_hash(hash);
}

postgres::AuditFilter audit_filter(const AuditReading& reading, const AuditOptions& options) {
  postgres::AuditFilter filter{.since_ms = {},
                               .until_ms = {},
                               .tenant = {},
                               .request_id = options.request_id,
                               .action = options.action,
                               .actor = options.actor,
                               .document = {},
                               .limit = options.limit};
  if (!options.since.empty()) filter.since_ms = time_of_option(options.since, "--since");
  if (!options.until.empty()) filter.until_ms = time_of_option(options.until, "--until");
  const bool names_user = !options.user.empty() || !options.user_hash.empty();
  if (!options.document.empty() && !names_user)
    throw_failure({Errc::bad_request, "--document needs the user: ids are hashed for each"});
  if (!names_user) return filter;
  const audit::Marks marks(reading.keyring.audit_key());
  const auto who = audited_tenant(reading.keyring, options);
  filter.tenant = marks.tenant(who);
  if (!options.document.empty()) filter.document = marks.document(who, options.document);
  return filter;
}

json::object audit_object(const audit::Record& record) {
  json::array documents;
  for (std::size_t at = 0; at + audit::document_mark_bytes <= record.documents.size();
       at += audit::document_mark_bytes)
    documents.push_back(
        json::value(to_hex(record.documents.data() + at, audit::document_mark_bytes)));
  return {{"at", codec::format_rfc3339(record.at_ms)},
          {"action", record.action},
          {"outcome", record.outcome},
          {"status", record.status},
          {"user", record.tenant},
          {"actor", record.actor},
          {"address", record.address},
          {"request_id", record.request_id},
          {"documents", std::move(documents)},
          {"count", record.count},
          {"chain", record.chain.to_string()},
          {"seq", record.seq}};
}

void print_audit_line(const audit::Record& record) {
  // Whoever can write to the table could write what commands a terminal.
  const auto safe = [](const std::string& text) { return one_line(text, 100); };
  std::printf("%s  %-22s  %-7s  %3d  %-16s  %-12s  %s  %s  %" PRId64 "\n",
              codec::format_rfc3339(record.at_ms).c_str(), safe(record.action).c_str(),
              safe(record.outcome).c_str(), record.status, safe(record.tenant).c_str(),
              safe(record.actor).c_str(), safe(record.address).c_str(),
              safe(record.request_id).c_str(), record.count);
}

/// "N:HEX", as `audit verify` prints it.
std::pair<std::int64_t, crypto::Digest> expected_checkpoint(const std::string& text) {
  const auto colon = text.find(':');
  std::int64_t number = 0;
  const auto* end = text.data() + std::min(colon, text.size());
  const auto [stop, failed] = std::from_chars(text.data(), end, number);
  std::optional<Bytes> bytes;
  if (colon != text.npos) bytes = codec::decode_hex(std::string_view(text).substr(colon + 1));
  crypto::Digest digest{};
  if (failed != std::errc{} || stop != end || !bytes || bytes->size() != digest.size())
    throw_failure({Errc::bad_request,
                   "--expect is NUMBER:DIGEST, as an earlier `memseal audit verify` printed it"});
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  return {number, digest};
}

json::object finding_object(const audit::Finding& finding) {
  return {{"kind", audit::finding_name(finding.kind)},
          {"chain", finding.chain},
          {"seq", finding.seq},
          {"detail", finding.text}};
}

constexpr std::array finding_kinds{
    audit::Finding::Kind::changed, audit::Finding::Kind::missing, audit::Finding::Kind::cut,
    audit::Finding::Kind::checkpoint, audit::Finding::Kind::unsigned_};

json::object counts_object(const audit::LogJudge& judge) {
  json::object counts;
  for (const auto kind : finding_kinds)
    if (judge.found(kind) > 0) counts[audit::finding_name(kind)] = judge.found(kind);
  return counts;
}

void print_judged(const audit::LogJudge& judge, const std::vector<audit::Finding>& findings) {
  for (const auto& finding : findings)
    std::printf("%-10s  %s %" PRId64 ": %s\n",
                std::string(audit::finding_name(finding.kind)).c_str(), finding.chain.c_str(),
                finding.seq, finding.text.c_str());
  for (const auto kind : finding_kinds) {
    const auto told = std::ranges::count(findings, kind, &audit::Finding::kind);
    if (const auto more = judge.found(kind) - told; more > 0)
      std::printf("%-10s  %" PRId64 " more\n", std::string(audit::finding_name(kind)).c_str(),
                  more);
  }
  std::printf("%s of %s, %" PRId64 " behind the last checkpoint\n",
              count_of(static_cast<std::size_t>(judge.records()), "record").c_str(),
              count_of(static_cast<std::size_t>(judge.chains()), "chain").c_str(),
              judge.unsigned_records());
}

int judge_log(const GlobalOptions& global, const AuditOptions& options,
              const AuditReading& reading) {
  std::optional<std::pair<std::int64_t, crypto::Digest>> expected;
  if (!options.expect.empty()) expected = expected_checkpoint(options.expect);
  auto judge = judge_with(reading);
  postgres::judge_audit_log(reading.dsn, judge).value();
  auto findings = judge.finish();
  if (expected && !judge.holds(expected->first, expected->second))
    // A log that was cut back together with its checkpoints is sound in itself. Only a line kept
    // elsewhere finds it.
    findings.push_back({audit::Finding::Kind::checkpoint, "", expected->first,
                        "the log does not have the checkpoint that --expect names"});
  const auto& digest = judge.last_digest();
  const auto last =
      std::to_string(judge.checkpoints()) + ":" + to_hex(digest.data(), digest.size());
  if (!global.json) print_judged(judge, findings);
  if (!global.json && judge.checkpoints() > 0) std::printf("checkpoint %s\n", last.c_str());
  json::array listed;
  for (const auto& finding : findings) listed.push_back(finding_object(finding));
  json::object report{{"genuine", findings.empty()},
                      {"records", judge.records()},
                      {"chains", judge.chains()},
                      {"unsigned_records", judge.unsigned_records()},
                      {"checkpoint", judge.checkpoints() > 0 ? json::value(last) : nullptr},
                      {"counts", counts_object(judge)},
                      {"findings", std::move(listed)}};
  std::optional<Error> fault;
  if (!findings.empty())
    fault = Error{Errc::signature_invalid,
                  "the audit log was changed: " +
                      count_of(std::max(findings.size(), static_cast<std::size_t>(judge.found())),
                               "finding")};
  return finish_report(global, std::move(report), fault, exit_finding);
}

}  // namespace

int cmd_audit_show(const GlobalOptions& global, const AuditOptions& options) {
  return with_audit(global, [&](const AuditReading& reading) -> int {
    const auto filter = audit_filter(reading, options);
    std::size_t shown = 0;
    const auto print = [&](const audit::Record& record) {
      ++shown;
      if (global.json)
        print_json(audit_object(record));
      else
        print_audit_line(record);
      return std::ferror(stdout) == 0;
    };
    postgres::for_each_audit_record(reading.dsn, filter, print).value();
    if (!global.json) hint(count_of(shown, "record"));
    return exit_ok;
  });
}

int cmd_audit_export(const GlobalOptions& global, const AuditOptions& options) {
  return with_audit(global, [&](const AuditReading& reading) -> int {
    const auto filter = audit_filter(reading, options);
    auto file = FetchedFile::open(options.output);
    if (!file) throw_failure(file.error());
    std::size_t lines = 0;
    const auto write = [&](const audit::Record& record) {
      ++lines;
      return file->write(codec::compact_json(audit_object(record)) + "\n");
    };
    postgres::for_each_audit_record(reading.dsn, filter, write).value();
    if (!file->reader_left()) file->keep().value();
    if (!options.output.empty()) hint(count_of(lines, "record") + " written");
    return exit_ok;
  });
}

int cmd_audit_verify(const GlobalOptions& global, const AuditOptions& options) {
  return with_audit(global, [&](const AuditReading& reading) {
    return judge_log(global, options, reading);
  });
}

namespace {

int print_pruned(const GlobalOptions& global, const postgres::AuditPruned& pruned) {
  if (global.json)
    print_json(json::object{{"records", pruned.records}, {"chains", pruned.chains}});
  else
    std::printf("deleted %s of %s\n",
                count_of(static_cast<std::size_t>(pruned.records), "record").c_str(),
                count_of(static_cast<std::size_t>(pruned.chains), "chain").c_str());
  return exit_ok;
}

}  // namespace

int cmd_audit_prune(const GlobalOptions& global, const AuditOptions& options) {
  return with_audit(global, [&](const AuditReading& reading) -> int {
    const auto& own = reading.config.postgres.migrate_dsn;
    if (own.empty())
      throw_failure({Errc::bad_config,
                     "postgres.migrate_dsn is not set (env " + env_name("postgres.migrate_dsn") +
                         "): only the owner of the tables deletes records",
                     "postgres.migrate_dsn"});
    const auto days = options.days > 0 ? options.days : reading.config.audit.retention_days;
    const auto now_ms = runtime::unix_ms();
    // It verifies first: what it signs as the new beginning would make a forged chain genuine.
    const auto prune = [&](bool past) {
      auto judge = judge_with(reading);
      return print_pruned(global,
                          postgres::prune_audit_log(own, now_ms - days * audit_day_ms, now_ms,
                                                    reading.keyring.audit_signer(), judge, past)
                              .value());
    };
    if (!options.past_findings) return prune(false);
    // What is about to go is told first, by a record that a checkpoint covers.
    auto judge = judge_with(reading);
    postgres::judge_audit_log(own, judge).value();
    audit::Event event;
    event.action = "operator.audit_prune_past";
    judge.finish();
    event.count = judge.found();
    return audited_and_signed(reading.config, reading.keyring, std::move(event),
                              [&] { return prune(true); });
  });
}

}  // namespace memseal::app
