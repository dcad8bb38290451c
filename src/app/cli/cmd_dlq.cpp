#include "app/cli/console.hpp"
#include "app/cli/dead_letter_box.hpp"
#include "app/cli/dead_letter_text.hpp"
#include "app/cli/terminal_text.hpp"

#include "pure/wire/event.hpp"
#include "runtime/task_group.hpp"
#include "runtime/wall_clock.hpp"

#include <cstdio>
#include <functional>

namespace memseal::app {

namespace {

using ingest::Letter;
using ingest::LetterState;

/// Runs `run` with the dead letters of the configuration. exit_usage: a filter, the keyring or a
/// setting is wrong.
int with_box(const GlobalOptions& global, const std::function<int(DeadLetterBox&)>& run) {
  const auto config = read_config(global);
  if (!config) return exit_usage;
  try {
    if (config->kafka.brokers.empty())
      throw Refused({Errc::bad_config,
                     "kafka.brokers is not set (env " + env_name("kafka.brokers") + ")"});
    DeadLetterBox box(*config);
    return run(box);
  } catch (const Refused& refused) {
    complain(refused.error());
    const auto code = refused.error().code;
    const bool is_usage = code == Errc::bad_request || code == Errc::bad_config ||
                          code == Errc::key_missing || code == Errc::key_invalid;
    return is_usage ? exit_usage : exit_failed;
  }
}

int complain_not_found(const DlqOptions& options) {
  complain({Errc::not_found, "no such dead letter is open: " + shown(options.id)});
  return exit_not_found;
}

/// Tells a person how far a long command is; nothing in a script.
void show_progress(const GlobalOptions& global, const char* verb, std::size_t done,
                   std::size_t all) {
  if (!shows_progress(global)) return;
  std::fprintf(stderr, "\r%s %zu of %zu%s", verb, done, all, done == all ? "\n" : "");
}

/// What one letter becomes.
struct Sending {
  const Letter* letter;
  std::optional<ports::OutRecord> event;  ///< empty: the mark alone
  LetterState state;
};

runtime::RequestContext send_context() {
  return {"dlq", runtime::Deadline::after(std::chrono::seconds(30))};
}

/// How replayed events are signed.
struct Signing {
  DeadLetterBox& box;  ///< signs, and seals what the HTTP API had published
  std::string topic;   ///< to which they are published
  bool vouch = false;  ///< the service answers for the events itself
};

/// Signs that the service replays the event. The producer's own signature stays and is judged
/// again, so that a replay lets nothing in that was refused for its producer. Whoever vouches puts
/// the service's signature in its place.
void sign_replay(const Signing& signing, const Letter& letter, ports::OutRecord& record) {
  const auto sender = wire::sender_of({signing.topic, record.key, record.value, &record.headers});
  const auto now_ms = runtime::unix_ms();
  const auto sign = [&](const std::string& topic, producers::Purpose purpose) {
    signing.box.signer().add_signature(topic, record.key, sender.id, sender.source, record.value,
                                 record.headers, purpose, now_ms);
  };
  const auto new_at = ingest::first_topic_of(record);
  if (signing.vouch)
    sign(new_at.empty() ? letter.source_topic : new_at, producers::Purpose::event);
  sign(signing.topic, producers::Purpose::replay);
}

/// Why the event cannot be published; nothing when the broker took it.
asio::awaitable<std::optional<Error>> publish_event(kafka::KafkaSink& sink, const Letter& letter,
                                                    ports::OutRecord event,
                                                    const Signing& signing) {
  std::optional<Error> refused;
  // A letter of an event that was nearly as large as the broker takes may be too large with the
  // headers of a replay. Then it goes without them.
  for (const bool is_bare : {false, true}) {
    auto record = is_bare ? ingest::without_replay_headers(event) : event;
    sign_replay(signing, letter, record);
    const auto sealed = co_await signing.box.seal_own(signing.topic, record);
    if (!sealed) co_return sealed.error();
    try {
      co_await sink.publish(send_context(), std::move(record));
      co_return std::nullopt;
    } catch (const Refused& failed) {
      // Only the size is the letter's own fault. What else is refused, is refused for all.
      if (failed.error().code != Errc::payload_too_large) throw;
      refused = failed.error();
    }
    // The headers may be what makes the record too large. The ledger knows what they say.
    if (!letter.in_ledger) break;
  }
  co_return refused;
}

asio::awaitable<void> publish_all(kafka::KafkaSink& sink, std::vector<Sending>& all,
                                  const Signing& signing, std::size_t& done) {
  std::optional<Error> refused;  // of the last event; other letters of the same event follow it
  for (auto& one : all) {
    if (one.event)
      refused = co_await publish_event(sink, *one.letter, std::move(*one.event), signing);
    if (refused) {
      complain({refused->code, shown(one.letter->name()) + ": " + refused->message});
      continue;
    }
    // After the event, because a letter whose event is not there must stay open. An event that is
    // published twice takes effect once.
    auto mark = ingest::mark_of(*one.letter, one.state);
    co_await sink.publish(send_context(), std::move(mark));
    ++done;
  }
  sink.request_stop();
}

asio::awaitable<void> run_and_publish(kafka::KafkaSink& sink, std::vector<Sending>& all,
                                      const Signing& signing, std::size_t& done) {
  runtime::TaskGroup group(co_await asio::this_coro::executor);
  group.spawn(sink.run());
  group.spawn(publish_all(sink, all, signing, done));
  co_await group.join();
}

/// Publishes events to a topic, and a mark for each letter beside it. Counts what is done.
void send(const Config& config, const Signing& signing, std::vector<Sending> all,
          std::size_t& done) {
  if (all.empty()) return;
  asio::io_context loop(1);
  runtime::Metrics metrics;
  auto options = sink_options(config);
  options.topics.upload = signing.topic;
  // Each event is waited for before its mark is written, so lingering would cost its time for each
  // of them.
  options.linger = std::chrono::milliseconds(0);
  // Replayed events have a few bytes more than they had, and a broker judges the compressed size.
  options.client.properties.emplace("compression.codec", "lz4");
  const auto sink =
      kafka::KafkaSink::open(loop.get_executor(), std::move(options), metrics).value();
  std::exception_ptr failure;
  asio::co_spawn(loop, run_and_publish(*sink, all, signing, done),
                 [&](std::exception_ptr thrown) { failure = thrown; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

/// The event id too, because offsets begin at 0 where a topic was deleted and created again.
bool is_same_event(const Letter& a, const Letter& b) {
  return a.event_id == b.event_id && a.source_topic == b.source_topic &&
         a.source_partition == b.source_partition && a.source_offset == b.source_offset;
}

asio::awaitable<void> open_all(DeadLetterBox& box, const std::vector<Letter>& letters,
                               const std::vector<std::string>& values,
                               std::vector<Result<ports::Record>>& opened) {
  for (std::size_t i = 0; i < letters.size(); ++i)
    opened.push_back(co_await box.open(letters[i], values[i]));
}

/// True if the refused record was a replay that the service had signed.
bool is_replay_of_ours(const DeadLetterBox& box, const Letter& letter,
                       const ports::Record& record) {
  const auto& topic = letter.source_topic;
  const auto sender = wire::sender_of({topic, record.key, record.value, &record.headers});
  return producers::is_signed_replay(
      {topic, record.key, sender.id, sender.source, record.value, record.headers},
      box.verifying_key());
}

/// What replaying `letters` sends. Letters of one event (a crash can write two) send it once.
std::vector<Sending> sendings_of(DeadLetterBox& box, const std::vector<Letter>& letters,
                                 const std::vector<std::string>& values) {
  std::vector<Result<ports::Record>> opened;
  run_to_end(open_all(box, letters, values, opened));
  std::vector<Sending> all;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const auto& letter = letters[i];
    if (!opened[i]) {
      complain({opened[i].error().code,
                shown(letter.name()) + ": " + opened[i].error().message});
      continue;
    }
    Sending one{&letter, std::nullopt, LetterState::replayed};
    // Letters come in the order of their events, so two of one event stand beside each other.
    if (all.empty() || !is_same_event(*all.back().letter, letter)) {
      const bool is_ours = is_replay_of_ours(box, letter, *opened[i]);
      one.event = ingest::replay_of(letter, std::move(*opened[i]), is_ours);
    }
    all.push_back(std::move(one));
  }
  return all;
}

bool has_filter(const DlqOptions& options) {
  return !options.code.empty() || !options.user.empty() || !options.id.empty() ||
         !options.since.empty() || !options.until.empty() || options.limit > 0;
}

std::size_t mark_dropped(const GlobalOptions& global, DeadLetterBox& box,
                         const std::vector<Letter>& letters) {
  std::size_t done = 0;
  for (std::size_t first = 0; first < letters.size();) {
    const Signing signing{box, letters[first].source_topic};
    std::vector<Sending> marks;
    for (; first < letters.size() && letters[first].source_topic == signing.topic; ++first)
      marks.push_back({&letters[first], std::nullopt, LetterState::dropped});
    send(box.config(), signing, std::move(marks), done);
    show_progress(global, "dropped", done, letters.size());
  }
  return done;
}

/// Deletes from Kafka what no open letter needs.
void purge(DeadLetterBox& box, const DlqOptions& options) {
  auto topics = options.topics;
  if (topics.empty()) topics = event_topics(box.config());
  for (const auto& topic : topics)
    kafka::delete_records(kafka_client(box.config()),
                          topic + std::string(kafka::dead_letter_suffix), box.closed_before(topic))
        .value();
}

void report(const GlobalOptions& global, const char* verb, const DlqOptions& options,
            std::size_t done, std::size_t failed) {
  if (global.json) {
    print_json(boost::json::object{{verb, done}, {"failed", failed}, {"dry_run", options.dry_run}});
  } else if (!global.quiet) {
    std::printf("%s%s %s%s\n", options.dry_run ? "would have " : "", verb,
                count_of(done, "letter").c_str(),
                failed > 0 ? (", " + std::to_string(failed) + " failed").c_str() : "");
  }
}

int list(const GlobalOptions& global, const DlqOptions& options, DeadLetterBox& box) {
  std::size_t shown_letters = 0;
  const auto print = [&](const Letter& letter) {
    if (global.json)
      print_json(letter_json(letter));
    else
      print_line(letter);
    ++shown_letters;
    return options.limit == 0 || shown_letters < static_cast<std::size_t>(options.limit);
  };
  box.for_each(options, print);
  if (!global.quiet && !global.json)
    std::fprintf(stderr, "%s shown of %zu\n", count_of(shown_letters, "letter").c_str(),
                 box.letters_read());
  return exit_ok;
}

int show(const GlobalOptions& global, DlqOptions options, DeadLetterBox& box) {
  // A letter that is named is shown, whatever became of it.
  options.closed_too = true;
  const auto letters = box.read(options);
  if (letters.empty()) {
    complain({Errc::not_found, "no dead letter has the id " + shown(options.id)});
    return exit_not_found;
  }
  int outcome = exit_ok;
  const auto print = [&](const std::vector<Letter>& some, const std::vector<std::string>& values) {
    std::vector<Result<ports::Record>> opened;
    if (options.reveal) run_to_end(open_all(box, some, values, opened));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const bool is_revealed = options.reveal && opened[i];
      if (global.json) {
        auto one = letter_json(some[i]);
        if (is_revealed) one["record"] = record_json(*opened[i]);
        print_json(one);
      } else {
        print_fields(some[i]);
        if (is_revealed) print_record(*opened[i]);
      }
      if (!options.reveal || is_revealed) continue;
      complain(opened[i].error());
      outcome = exit_failed;
    }
  };
  box.for_each_batch(letters, print);
  return outcome;
}

int replay(const GlobalOptions& global, const DlqOptions& options, DeadLetterBox& box) {
  const auto letters = box.read(options);
  if (letters.empty() && !options.id.empty()) return complain_not_found(options);
  std::size_t done = 0;
  const auto send_some = [&](const std::vector<Letter>& some,
                             const std::vector<std::string>& values) {
    auto all = sendings_of(box, some, values);
    const auto& topic = options.to_topic.empty() ? some.front().source_topic : options.to_topic;
    if (options.dry_run)
      done += all.size();
    else
      send(box.config(), {box, topic, options.vouch}, std::move(all), done);
    show_progress(global, options.dry_run ? "opened" : "replayed", done, letters.size());
  };
  box.for_each_batch(letters, send_some);
  const auto failed = letters.size() - done;
  report(global, "replayed", options, done, failed);
  return failed == 0 ? exit_ok : exit_failed;
}

int drop(const GlobalOptions& global, const DlqOptions& options, DeadLetterBox& box) {
  const bool marks = has_filter(options) || options.every;
  if (!marks && !options.purge) {
    complain({Errc::bad_request, "name letters by a filter, or all of them with --every"});
    return exit_usage;
  }
  std::size_t done = 0;
  if (marks) {
    const auto letters = box.read(options);
    if (letters.empty() && !options.id.empty()) return complain_not_found(options);
    done = options.dry_run ? letters.size() : mark_dropped(global, box, letters);
  }
  if (options.purge && !options.dry_run) purge(box, options);
  report(global, "dropped", options, done, 0);
  if (options.purge && !options.dry_run && !global.json && !global.quiet)
    std::printf("deleted from Kafka what lay in front of the first open letter\n");
  return exit_ok;
}

}  // namespace

int cmd_dlq_list(const GlobalOptions& global, const DlqOptions& options) {
  return with_box(global, [&](DeadLetterBox& box) { return list(global, options, box); });
}

int cmd_dlq_show(const GlobalOptions& global, const DlqOptions& options) {
  return with_box(global, [&](DeadLetterBox& box) {
    return box.audited(options.reveal ? "operator.dlq_reveal" : "",
                       [&] { return show(global, options, box); });
  });
}

int cmd_dlq_replay(const GlobalOptions& global, const DlqOptions& options) {
  return with_box(global, [&](DeadLetterBox& box) {
    return box.audited(options.dry_run ? "" : "operator.dlq_replay",
                       [&] { return replay(global, options, box); });
  });
}

int cmd_dlq_drop(const GlobalOptions& global, const DlqOptions& options) {
  return with_box(global, [&](DeadLetterBox& box) {
    return box.audited(options.dry_run ? "" : "operator.dlq_drop",
                       [&] { return drop(global, options, box); });
  });
}

}  // namespace memseal::app
