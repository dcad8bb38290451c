// `memseal tenant` and `memseal receipt`: what is stored of a user, its erasure, and the proof.
#include "adapters/postgres/backup.hpp"
#include "app/cli/console.hpp"
#include "app/cli/export_check.hpp"
#include "app/cli/fetched_file.hpp"
#include "app/cli/http_call.hpp"
#include "app/cli/operator_audit.hpp"
#include "app/cli/person_box.hpp"
#include "app/cli/progress_line.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/text_file.hpp"
#include "cases/person/receipt.hpp"
#include "http/routes/stored_json.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/rfc3339.hpp"

#include <boost/json/object.hpp>

#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace memseal::app {

namespace json = boost::json;

namespace {

/// Runs `work` with the parts of a command and the tenant that it names. Returns the exit code.
int with_person(const GlobalOptions& global, const TenantOptions& options,
                const std::function<int(PersonBox&, const crypto::Tenant&)>& work) {
  if (options.user.empty() == options.user_hash.empty()) {
    complain({Errc::bad_request, "name the user, or give --hash"});
    return exit_usage;
  }
  const auto config = read_config(global);
  if (!config) return exit_usage;
  try {
    PersonBox box(*config);
    return work(box, box.tenant_of(options));
  } catch (const Failure& failed) {
    complain(failed.error());
    return failed.error().code == Errc::unavailable ? exit_not_ready : exit_usage;
  }
}

std::string time_of(std::int64_t ms) { return codec::format_rfc3339(ms); }

json::object state_json(const crypto::Tenant& who, const ports::PersonState& state) {
  json::object shown{{"user_hash", who.hash().to_hex()}};
  http::add_person_state(shown, state);
  return shown;
}

void print_state(const GlobalOptions& global, const json::object& shown) {
  if (global.json) return print_json(shown);
  for (const auto& member : shown)
    if (!member.value().is_null())
      std::printf("%-13s  %s\n", std::string(member.key()).c_str(),
                  text_of(shown, member.key()).c_str());
}

int not_found() {
  complain({Errc::not_found, "nothing was ever stored of this user"});
  return exit_not_found;
}

/// Whoever asked has to have the receipt: a reader that left is a failure here.
int keep_receipt(FetchedFile& file, std::string_view receipt) {
  file.write(receipt);
  const auto kept = file.keep();
  if (kept) return exit_ok;
  complain(kept.error());
  hint("the user is erased; say it again for the same receipt");
  return exit_failed;
}

int write_export(const GlobalOptions& global, const TenantOptions& options, PersonBox& box,
                 const crypto::Tenant& who) {
  auto file = FetchedFile::open(options.output);
  if (!file) throw_failure(file.error());
  ExportCheck check;
  const http::LineSink sink = [&](std::string lines) -> asio::awaitable<void> {
    check.add(lines);
    // A disk that is full ends the export here, by the failure that keep() throws. A reader that
    // left has what it wanted.
    if (!file->write(lines) && !file->reader_left()) file->keep().value();
    co_return;
  };
  box.write_export(who, options.user, sink);
  // Read back as it was written: an export without its last line must not look like a whole one.
  check.finish().value();
  if (!file->reader_left()) file->keep().value();
  if (global.json) print_json(json::object{{"path", options.output}, {"lines", check.lines()}});
  return exit_ok;
}

int erase(const GlobalOptions& global, const TenantOptions& options, PersonBox& box,
          const crypto::Tenant& who) {
  // Before the erasure, because that cannot be taken back and this may fail.
  auto file = FetchedFile::open(options.output);
  if (!file) throw_failure(file.error());
  const auto receipt = person::make_receipt(who.hash(), box.erase(who), box.receipt_key()) + "\n";
  const int code = keep_receipt(*file, receipt);
  if (code != exit_ok || options.output.empty()) return code;
  if (global.json)
    print_json(json::object{{"user_hash", who.hash().to_hex()}, {"path", options.output}});
  hint("erased; the receipt is in " + one_line(options.output, 1'000));
  return code;
}

}  // namespace

namespace {

int list_tenants(const GlobalOptions& global, const std::string& dsn) {
  const auto listed = postgres::for_each_tenant(dsn, [&](const postgres::TenantRow& row) {
    if (global.json) {
      json::object shown{{"user_hash", row.user_hash},
                         {"state", row.erased ? "erased" : "active"},
                         {"chunks", row.chunks},
                         {"files", row.files},
                         {"file_bytes", row.file_bytes},
                         {"created_at", time_of(row.created_at_ms)},
                         {"erased_at", nullptr}};
      if (row.erased) shown["erased_at"] = time_of(row.erased_at_ms);
      print_json(shown);
    } else {
      std::printf("%-6s  %9" PRId64 "  %7" PRId64 "  %13" PRId64 "  %s\n",
                  row.erased ? "erased" : "active", row.chunks, row.files, row.file_bytes,
                  row.user_hash.c_str());
    }
    return std::ferror(stdout) == 0;
  });
  if (listed) return exit_ok;
  complain(listed.error());
  return listed.error().code == Errc::unavailable ? exit_not_ready : exit_usage;
}

int reseal(const GlobalOptions& global, const TenantOptions& options, PersonBox& box,
           const crypto::Tenant& who) {
  ProgressLine line(shows_progress(global));
  const auto key = options.resume ? lifecycle::ResealKey::current : lifecycle::ResealKey::fresh;
  const auto done = box.reseal(who, key, [&](std::int64_t chunks) {
    line.show("sealing: " + count_of(static_cast<std::size_t>(chunks), "chunk"));
  });
  line.clear();
  if (!global.json)
    std::printf("%s and %s sealed under key %" PRIu32 "\n",
                count_of(static_cast<std::size_t>(done.texts), "chunk").c_str(),
                count_of(static_cast<std::size_t>(done.names), "name").c_str(), done.key_id);
  std::optional<Error> fault;
  if (done.unopened > 0)
    fault = Error{Errc::open_failed, count_of(static_cast<std::size_t>(done.unopened), "row") +
                                         " did not open and stayed: see `memseal backup verify`"};
  else if (done.left > 0)
    fault = Error{Errc::unavailable,
                  count_of(static_cast<std::size_t>(done.left), "row") +
                      " came meanwhile under an older key: run this again with --resume"};
  return finish_report(global,
                       {{"key", done.key_id},
                        {"chunks", done.texts},
                        {"names", done.names},
                        {"unopened", done.unopened},
                        {"left", done.left}},
                       fault, exit_finding);
}

}  // namespace

int cmd_tenant_list(const GlobalOptions& global) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  const auto dsn = operator_dsn(*config);
  if (!dsn) {
    complain(dsn.error());
    return exit_usage;
  }
  return audited_if_possible(*config, "operator.tenant_list", std::nullopt,
                             [&] { return list_tenants(global, *dsn); });
}

int cmd_tenant_show(const GlobalOptions& global, const TenantOptions& options) {
  return with_person(global, options, [&](PersonBox& box, const crypto::Tenant& who) -> int {
    const auto state = box.look(who);
    if (!state.known) return not_found();
    return box.audited("operator.tenant_show", who, [&] {
      print_state(global, state_json(who, state));
      return exit_ok;
    });
  });
}

int cmd_tenant_export(const GlobalOptions& global, const TenantOptions& options) {
  if (options.output.empty() && (global.json || ::isatty(STDOUT_FILENO) != 0)) {
    complain({Errc::bad_request, "the export goes to a file: give one with -o, or use a pipe"});
    return exit_usage;
  }
  return with_person(global, options, [&](PersonBox& box, const crypto::Tenant& who) -> int {
    if (!box.look(who).known) return not_found();
    return box.audited("operator.export", who,
                       [&] { return write_export(global, options, box, who); });
  });
}

int cmd_tenant_erase(const GlobalOptions& global, const TenantOptions& options) {
  if (options.dry_run == options.force) {
    complain({Errc::bad_request,
              "this erases a user for ever: give --dry-run to see what, --force to do it"});
    return exit_usage;
  }
  return with_person(global, options, [&](PersonBox& box, const crypto::Tenant& who) -> int {
    const auto state = box.look(who);
    // A mistyped name would be buried for ever.
    if (!state.known) return not_found();
    if (options.dry_run) {
      print_state(global, state_json(who, state));
      return exit_ok;
    }
    return box.audited("operator.erase", who, [&] { return erase(global, options, box, who); });
  });
}

int cmd_tenant_reseal(const GlobalOptions& global, const TenantOptions& options) {
  return with_person(global, options, [&](PersonBox& box, const crypto::Tenant& who) -> int {
    if (!box.look(who).known) return not_found();
    return box.audited("operator.reseal", who, [&] { return reseal(global, options, box, who); });
  });
}

namespace {

/// Whose signature a receipt must have. Throws Failure.
crypto::VerifyingKey trusted_key(const ReceiptOptions& options, const crypto::Keyring* keyring) {
  if (options.public_key.empty()) return keyring->receipt_key().verifying_key();
  const auto bytes = codec::decode_base64(options.public_key, codec::Base64::url);
  if (!bytes) throw_failure({Errc::bad_request, "--public-key is not base64url"});
  return crypto::VerifyingKey::from_bytes(crypto::SignatureAlgorithm::ed25519, *bytes).value();
}

int verify(const GlobalOptions& global, const ReceiptOptions& options) {
  const auto text = read_text_file(options.file == "-" ? "/dev/stdin" : options.file,
                                   person::receipt_bytes_max)
                        .value();
  const auto receipt = person::parse_receipt(text).value();
  std::optional<crypto::Keyring> keyring;
  if (options.public_key.empty() || !options.user.empty()) {
    const auto config = read_config(global);
    if (!config) return exit_usage;
    // With a public key and no name nothing of this deployment is needed: anybody can check a
    // receipt.
    keyring.emplace(load_keyring(*config).value());
  }
  std::optional<Error> fault;
  // Not by the key in the receipt itself, which says only that the signature fits it.
  if (!person::is_signed_by(receipt, trusted_key(options, keyring ? &*keyring : nullptr)))
    fault = Error{Errc::signature_invalid, "this receipt is not genuine: it was changed, or "
                                           "another deployment signed it"};
  else if (!options.user.empty() &&
           keyring->tenant_keyer().tenant_of(UserId::parse(options.user).value()).hash() !=
               receipt.user)
    fault = Error{Errc::user_mismatch, "this receipt is another user's"};
  const auto& erasure = receipt.erasure;
  json::object report{{"genuine", !fault},
                      {"user_hash", receipt.user.to_hex()},
                      {"erased_at", time_of(erasure.at_ms)},
                      {"chunks", erasure.chunks},
                      {"files", erasure.files}};
  if (!fault && !global.json)
    std::printf("genuine: user %s was erased at %s, with %s and %s\n",
                receipt.user.prefix().c_str(), time_of(erasure.at_ms).c_str(),
                count_of(static_cast<std::size_t>(erasure.chunks), "chunk").c_str(),
                count_of(static_cast<std::size_t>(erasure.files), "file").c_str());
  return finish_report(global, std::move(report), fault, exit_finding);
}

}  // namespace

int cmd_receipt_verify(const GlobalOptions& global, const ReceiptOptions& options) {
  try {
    return verify(global, options);
  } catch (const Failure& failed) {
    complain(failed.error());
    return exit_usage;
  }
}

}  // namespace memseal::app
