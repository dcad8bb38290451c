#include "adapters/postgres/audit_reader.hpp"
#include "adapters/postgres/catalog.hpp"
#include "app/cli/config_check.hpp"
#include "app/cli/console.hpp"
#include "app/cli/doctor.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/listen_address.hpp"
#include "app/service/wiring.hpp"
#include "pure/matrix/scan_ops.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdio>

namespace memseal::app {

namespace json = boost::json;
namespace asio = boost::asio;

namespace {

/// The fix for a model that was refused.
std::string fix_of(const Error& error, std::string otherwise) {
  return error.field == "model.device" ? "see gpu above" : std::move(otherwise);
}

Finding check_listen(const std::string& key, const std::string& address) {
  const auto place = ListenAddress::parse(address, key);
  if (!place) return failed(key, place.error(), "set " + env_name(key) + " to address:port");
  asio::io_context io;
  boost::system::error_code failure;
  const auto host = asio::ip::make_address(place->host, failure);
  asio::ip::tcp::acceptor acceptor(io);
  if (!failure) {
    const asio::ip::tcp::endpoint endpoint(host, place->port);
    acceptor.open(endpoint.protocol(), failure);
    // As the listener itself does, so that a service that has just ended does not look like one
    // that runs.
    if (!failure) acceptor.set_option(asio::socket_base::reuse_address(true), failure);
    if (!failure) acceptor.bind(endpoint, failure);
  }
  if (!failure) return {key, true, address + " is free", ""};
  return {key, false, address + ": " + failure.message(),
          "stop what listens there, or set " + env_name(key), false};
}

void check_redis(const Config& config, std::vector<Finding>& findings) {
  if (config.redis.url.empty()) {
    findings.push_back({"redis", true, "not configured: buckets live in this process", "", false});
    return;
  }
  Finding finding{
      "redis", false, "does not answer",
      "start Redis and set " + env_name("redis.url") + "; until then buckets live in this process",
      false};
  auto address = redis::Address::parse(config.redis.url);
  if (!address) {
    finding.detail = address.error().message;
    finding.required = true;
    findings.push_back(finding);
    return;
  }
  asio::io_context io(1);
  redis::RedisLink link(io.get_executor(), std::move(*address));
  // A loop of its own, because the command has none. The link is closed when it has answered, and
  // io.run() ends with it.
  asio::co_spawn(io, link.ready_within(std::chrono::seconds(2)),
                 [&](std::exception_ptr failure, bool up) {
                   finding.ok = !failure && up;
                   link.close();
                 });
  io.run();
  if (finding.ok) finding.detail = "answers";
  findings.push_back(finding);
}

void check_gpu(const Config& config, std::vector<Finding>& findings) {
  if (config.model.device == "cpu") {
    findings.push_back({"gpu", true, "not looked for: model.device is cpu", "", false});
    return;
  }
  const auto seen = model::look_for_device();
  const bool required = config.model.device == "cuda";
  // A machine without a GPU is no fault where the setting is `auto`.
  if (seen.found || !required)
    findings.push_back(
        {"gpu", true, seen.found ? seen.detail : "none: " + seen.detail, "", required});
  else
    findings.push_back(
        {"gpu", false, seen.detail, seen.fix + ", or set " + env_name("model.device") + "=auto"});
}

Finding check_extractor(const Config& config) {
  const std::string name = "documents";
  const std::string fix = "put memseal-extract, which comes with memseal, beside it, or set " +
                          env_name("files.extractor");
  const auto program = extractor::find_helper(config.files);
  if (!program) return failed(name, program.error(), fix);
  if (!*program)
    return {name, false, "memseal-extract is not there: only texts in UTF-8 can be indexed", fix,
            false};
  const auto report = extractor::try_helper(**program);
  if (!report) return failed(name, report.error(), fix);
  const std::string found = (*program)->string() +
                            " reads them under seccomp, no_new_privs and resource limits";
  if (report->can_read_pdf) return {name, true, found + ", PDF too", ""};
  return {name, false, found + "; not PDF, because libpdfium.so does not lie beside it",
          "install libpdfium.so beside memseal-extract; memseal's package and image have it",
          false};
}

Finding check_catalog(const Config& config) {
  const auto found = postgres::lint_as_service(config.postgres.dsn);
  if (!found) return failed("isolation", found.error(), "check " + env_name("postgres.dsn"));
  if (found->empty()) return {"isolation", true, "the catalog lint finds nothing", ""};
  return {"isolation", false, postgres::describe(*found),
          "restore what `memseal migrate up` made; `memseal verify rls` lists all"};
}

/// Whether somebody keeps every process from signing the audit log.
Finding check_audit(const Config& config) {
  const std::string name = "audit";
  if (auditing::parse_scope(config.audit.records) == auditing::Scope::none)
    return {name, true, "nothing is recorded (audit.records is none)", "", false};
  const auto holder = postgres::audit_lock_holder(config.postgres.dsn);
  if (!holder) return failed(name, holder.error(), "check " + env_name("postgres.dsn"));
  if (holder->empty()) return {name, true, "nobody keeps its checkpoints from being signed", ""};
  return {name, false, *holder + " holds the lock of the checkpoints: none is signed meanwhile",
          "look again; where it stays, end that session (pg_terminate_backend)", false};
}

Finding search_plan(const Config& config) {
  if (config.search.matrix_bytes == 0)
    return {"search", true, "the database compares (search.matrix_bytes is 0)", "", false};
  return {"search", true,
          "from " + std::to_string(config.search.matrix_chunks_min) + " chunks on in memory, " +
              std::to_string(config.search.matrix_bytes >> 20) + " MiB, " +
              matrix::best_scan_ops().isa,
          "", false};
}

void check_models_and_database(const Config& config, std::vector<Finding>& findings) {
  model::ModelPool cpu(1);
  const auto gpu = make_gpu_supervisor(config);
  const auto keyring = load_keyring(config);
  if (keyring)
    findings.push_back({"keys", true, "loaded", ""});
  else
    findings.push_back(failed("keys", keyring.error(),
                           "memseal keys init keyring; set " + env_name("seal.keyring_file")));
  const auto embedder = make_embedder(config, cpu, gpu);
  if (embedder)
    findings.push_back({"embedder", true, embedder->description(), ""});
  else
    findings.push_back(failed("embedder", embedder.error(),
                           fix_of(embedder.error(),
                                   config.embedding.url.empty()
                                       ? "set embedding.model to a directory; "
                                         "`memseal models list` shows the known ones"
                                       : "see the settings embedding.*, or unset embedding.url")));
  if (const auto sentence = clear_text_warning(config); !sentence.empty())
    findings.push_back({"embedding.url", false, sentence,
                        "set " + env_name("embedding.url") + " to an https:// address", false});
  const auto reranker = make_reranker(config, cpu, gpu);
  if (!reranker)
    findings.push_back(
        failed("reranker", reranker.error(),
            fix_of(reranker.error(), "correct or unset " + env_name("rerank.model"))));
  else
    findings.push_back({"reranker", true,
                        *reranker ? describe((*reranker)->info(), (*reranker)->why_cpu())
                                  : "none configured: answers keep the search order",
                        "", false});
  findings.push_back(search_plan(config));
  if (config.postgres.dsn.empty()) {
    findings.push_back(
        {"database", false, "postgres.dsn is not set", "set " + env_name("postgres.dsn")});
  } else if (keyring && embedder) {
    const auto fits =
        postgres::check_schema(config.postgres.dsn, deployment_fingerprint(*keyring, **embedder));
    if (fits) {
      findings.push_back({"database", true, "reachable, migrated, fits keys and model", ""});
      findings.push_back(check_catalog(config));
      findings.push_back(check_audit(config));
    } else {
      findings.push_back(failed("database", fits.error(),
                             fits.error().code == Errc::unavailable
                                 ? "check " + env_name("postgres.dsn")
                                 : "follow the message above"));
    }
  }
}

/// Prints the report. Returns the exit code.
int print_findings(const GlobalOptions& global, const std::vector<Finding>& findings) {
  std::string broken;
  json::array checks;
  for (const auto& finding : findings) {
    if (!finding.ok && finding.required) broken += (broken.empty() ? "" : ", ") + finding.name;
    checks.push_back(json::object{{"name", finding.name},
                                  {"ok", finding.ok},
                                  {"required", finding.required},
                                  {"detail", finding.detail},
                                  {"fix", finding.fix}});
    if (global.json) continue;
    std::printf("%s %-18s %s\n",
                finding.ok         ? "ok  "
                : finding.required ? "FAIL"
                                   : "note",
                finding.name.c_str(), finding.detail.c_str());
    if (!finding.ok) std::printf("     %-18s → %s\n", "", finding.fix.c_str());
  }
  const bool sound = broken.empty();
  if (!global.json)
    std::printf("%s\n", sound ? "All required checks passed" : "A required check failed");
  std::optional<Error> fault;
  if (!sound) fault = {Errc::unavailable, "a required check failed: " + broken};
  return finish_report(global, {{"ok", sound}, {"checks", std::move(checks)}}, fault,
                       exit_not_ready);
}

}  // namespace

int cmd_doctor(const GlobalOptions& global) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  runtime::log_setup(runtime::LogLevel::off, runtime::LogFormat::text);
  std::vector<Finding> findings;
  findings.push_back({"config", true, "every key is known and in range", ""});
  check_gpu(*config, findings);
  check_models_and_database(*config, findings);
  findings.push_back(check_producers(*config));
  check_kafka(*config, findings);
  check_redis(*config, findings);
  if (!config->files.directory.empty()) findings.push_back(check_extractor(*config));
  findings.push_back(check_listen("http.listen", config->http.listen));
  if (config->http.admin_listen != http::admin_listen_off)
    findings.push_back(check_listen("http.admin_listen", config->http.admin_listen));

  return print_findings(global, findings);
}

}  // namespace memseal::app
