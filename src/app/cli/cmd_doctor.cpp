#include "adapters/postgres/audit_reader.hpp"
#include "adapters/postgres/catalog.hpp"
#include "app/cli/config_check.hpp"
#include "app/cli/console.hpp"
#include "app/cli/terminal_text.hpp"
#include "app/config/listen_address.hpp"
#include "app/service/producers.hpp"
#include "app/service/wiring.hpp"
#include "pure/codec/ascii.hpp"
#include "pure/matrix/scan_ops.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <cstdio>
#include <limits>

namespace memseal::app {

namespace json = boost::json;
namespace asio = boost::asio;

namespace {

/// One line of the report. `doctor` fails when a required finding is not ok.
struct Finding {
  std::string name;
  bool ok = false;
  std::string detail;
  std::string fix;
  bool required = true;
};

Finding failed(std::string name, const Error& error, std::string fix) {
  return {std::move(name), false, error.message, std::move(fix)};
}

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

/// What may lose events that a broker has acknowledged. `events`: the first of the topics are those
/// of events, the others those of their dead letters.
void check_topics(const kafka::Settings& settings, const std::vector<kafka::TopicView>& topics,
                  std::size_t events, std::vector<Finding>& findings) {
  std::string alone, unsynced, short_lived, compacted;
  const auto add = [](std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ", ") + name;
  };
  constexpr std::int64_t hour_ms = 3'600'000, day_ms = 24 * hour_ms;
  static constexpr auto for_ever = std::numeric_limits<std::int64_t>::max();
  const auto kept_ms = [](const kafka::TopicView& topic) -> std::optional<std::int64_t> {
    return topic.retention_ms.value_or(0) < 0 ? for_ever : topic.retention_ms;
  };
  for (std::size_t i = 0; i < topics.size(); ++i) {
    const auto& topic = topics[i];
    if (topic.partitions == 0) continue;
    if (topic.replicas < 2)
      add(alone, topic.name);
    else if (topic.replicas_in_sync_min.value_or(2) < 2)
      add(unsynced, topic.name);
    if (topic.is_compacted) add(compacted, topic.name);
    // The topics of dead letters follow those of events in the same order.
    const auto kept = kept_ms(topic), source_kept = kept_ms(topics[i % events]);
    const bool is_letters = i >= events;
    const auto wanted = is_letters ? settings.dead_letter_retention_h : settings.retention_h;
    const bool outlived = is_letters && kept && source_kept && *kept < *source_kept;
    if (outlived || (kept && *kept < std::max(day_ms, wanted * hour_ms)))
      add(short_lived, topic.name);
  }
  const auto note = [&](const char* name, const std::string& list, const char* sentence,
                        std::string fix) {
    if (!list.empty()) findings.push_back({name, false, list + sentence, std::move(fix), false});
  };
  note("kafka replicas", alone, ": one replica, whose disk may lose acknowledged events",
       "give them two or more (kafka-reassign-partitions); new ones: " +
           env_name("kafka.replication"));
  note("kafka in sync", unsynced, ": min.insync.replicas below 2, so one disk may lose events",
       "set min.insync.replicas=2 (kafka-configs)");
  note("kafka retention", short_lived,
       ": kept for less than a day, than the settings say, or dead letters than their events",
       "set retention.ms (kafka-configs); new ones: " + env_name("kafka.retention_h") + ", " +
           env_name("kafka.dead_letter_retention_h"));
  note("kafka compaction", compacted, ": compacted, which deletes all but the last event of a user",
       "set cleanup.policy=delete (kafka-configs)");
}

/// Where a record has the time that its producer says, a stolen signature counts for long.
void check_broker_time(const std::vector<kafka::TopicView>& topics, std::size_t events,
                       std::vector<Finding>& findings) {
  std::string timed_by_producers;
  for (std::size_t i = 0; i < events; ++i)
    if (topics[i].has_broker_time == false)
      timed_by_producers += (timed_by_producers.empty() ? "" : ", ") + topics[i].name;
  if (timed_by_producers.empty()) return;
  findings.push_back({"kafka clock", false,
                      timed_by_producers + ": records have their producers' times, so a signature "
                                           "counts for kafka.signature_age_h",
                      "set message.timestamp.type=LogAppendTime (kafka-configs)", false});
}

Finding check_producers(const Config& config) {
  const auto& kafka = config.kafka;
  const std::string name = "producers";
  if (kafka.producers == ingest::producers_open) {
    const auto sound = check_open_producers(config);
    if (!sound) return failed(name, sound.error(), "set " + env_name("kafka.producers"));
    return {name, false, "open: whoever reaches the broker writes for every user",
            "set " + env_name("kafka.producers") + " to signed or broker", false};
  }
  if (kafka.producers == ingest::producers_broker)
    return {name, true, "broker: whoever Kafka's ACLs let write to the topics writes for every "
                        "user; memseal cannot see the ACLs", "", false};
  if (kafka.producers_file.empty())
    return {name, true, "signed: none but memseal itself (kafka.producers_file is not set)", ""};
  const auto registry = read_producers(kafka.producers_file);
  if (!registry)
    return failed(name, registry.error(),
                  "see the message; `memseal producers list` reads the file too");
  return {name, true, "signed: " + count_of(registry->producers().size(), "producer") + " in " +
                          kafka.producers_file, ""};
}

/// Whether a broker on another machine is told who this is, as far as the settings show. A broker
/// that asks nobody lets everybody write, and what it is told in clear everybody on the way reads.
void check_broker_access(const Config& config, std::vector<Finding>& findings) {
  const auto remote = remote_broker(config);
  if (remote.empty()) return;
  const auto& properties = config.kafka.properties;
  const auto found = properties.find("security.protocol");
  const auto protocol =
      found == properties.end() ? std::string("plaintext") : codec::ascii_lower(found->second);
  const bool shows_certificate = std::ranges::any_of(properties, [](const auto& property) {
    return property.first.starts_with("ssl.certificate.") ||
           property.first.starts_with("ssl.keystore.");
  });
  const bool is_named = protocol.starts_with("sasl") || (protocol == "ssl" && shows_certificate);
  const bool is_closed = protocol.ends_with("ssl");
  if (is_named && is_closed) return;
  std::string detail = remote + ": ";
  if (!is_named) detail += "memseal does not say who it is, so ACLs cannot bind it";
  if (!is_closed) detail += std::string(is_named ? "" : "; ") + "events travel in clear text";
  findings.push_back({"kafka access", false, std::move(detail),
                      "set kafka.properties: security.protocol=sasl_ssl, sasl.mechanism="
                      "SCRAM-SHA-512, sasl.username, sasl.password (docs/kafka.md)",
                      false});
}

void check_kafka(const Config& config, std::vector<Finding>& findings) {
  const std::string fix =
      "start a Kafka broker and set " + env_name("kafka.brokers");
  if (config.kafka.brokers.empty()) {
    findings.push_back({"kafka", false, "kafka.brokers is not set", fix});
    return;
  }
  check_broker_access(config, findings);
  const auto topics = event_topics(config);
  auto asked = topics;
  for (const auto& topic : topics)
    asked.push_back(topic + std::string(kafka::dead_letter_suffix));
  auto seen = kafka::probe_cluster(kafka_client(config), asked);
  if (!seen) {
    findings.push_back(failed("kafka", seen.error(), fix));
    return;
  }
  for (const auto& broker : seen->brokers)
    if (!broker.reachable)
      findings.push_back({"kafka listener", false,
                          "the broker advertises " + broker.host + ":" +
                              std::to_string(broker.port) +
                              ", which does not answer: " + broker.why,
                          "set advertised.listeners to an address this machine reaches"});
  check_topics(config.kafka, seen->topics, topics.size(), findings);
  if (config.kafka.producers == ingest::producers_signed)
    check_broker_time(seen->topics, topics.size(), findings);
  std::string detail = count_of(seen->brokers.size(), "broker");
  // The summary names the topics of events; those of dead letters have had their say above.
  seen->topics.resize(topics.size());
  for (const auto& topic : seen->topics)
    detail += ", " + topic.name +
              (topic.partitions > 0
                   ? " (" + count_of(static_cast<std::size_t>(topic.partitions), "partition") + ")"
                   : " (missing: created at start)");
  findings.push_back({"kafka", true, detail, ""});
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
