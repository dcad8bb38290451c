#include "app/cli/dead_letter_box.hpp"

#include "app/cli/operator_audit.hpp"
#include "app/cli/time_option.hpp"
#include "cases/index/submit.hpp"
#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/sealed_event.hpp"
#include "pure/wire/event.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <charconv>
#include <tuple>

namespace memseal::app {

namespace {

constexpr std::size_t batch_bytes_max = 32 << 20;
constexpr std::size_t letters_held_max = 512;
constexpr auto database_wait = std::chrono::seconds(15);

std::int64_t number_in(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

auto published_order(const ingest::Letter& letter) {
  return std::tuple(letter.source_topic, number_in(letter.source_partition),
                    number_in(letter.source_offset));
}

}  // namespace

void run_to_end(asio::awaitable<void> work) {
  asio::io_context loop(1);
  std::exception_ptr failure;
  asio::co_spawn(loop, std::move(work), [&](std::exception_ptr thrown) { failure = thrown; });
  loop.run();
  if (failure) std::rethrow_exception(failure);
}

struct DeadLetterBox::Ledger {
  Ledger(const Config& config, const crypto::Keyring& keyring)
      : metrics(all),
        key_metrics(all),
        pool(pool_options(config), metrics),
        rows(pool),
        keys(rows, keyring, key_metrics),
        operations(pool) {}

  runtime::Metrics all;
  postgres::PostgresMetrics metrics;
  lifecycle::KeyMetrics key_metrics;
  postgres::Pool pool;
  postgres::PgKeyStore rows;
  lifecycle::CachedTenantKeys keys;
  postgres::PgOperations operations;
};

DeadLetterBox::DeadLetterBox(const Config& config)
    : config_(config),
      keyring_(load_keyring(config).value()),
      tenants_(keyring_.tenant_keyer()),
      ids_(keyring_.id_deriver()),
      ledger_(config.postgres.dsn.empty() ? nullptr : std::make_unique<Ledger>(config, keyring_)) {}

DeadLetterBox::~DeadLetterBox() = default;

std::vector<std::string> DeadLetterBox::topics(const DlqOptions& options) const {
  auto topics = options.topics;
  if (topics.empty()) topics = event_topics(config_);
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  return topics;
}

int DeadLetterBox::audited(const std::string& action, const std::function<int()>& work) {
  if (action.empty()) return work();
  return app::audited(config_, keyring_, action, std::nullopt, work);
}

ingest::LetterFilter DeadLetterBox::filter_of(const DlqOptions& options) const {
  ingest::LetterFilter filter{.code = options.code,
                              .id = options.id,
                              .since_ms = time_of_option(options.since, "--since"),
                              .until_ms = time_of_option(options.until, "--until"),
                              .closed_too = options.closed_too};
  if (!options.user.empty())
    filter.user = tenants_.tenant_of(UserId::parse(options.user).value()).hash();
  return filter;
}

std::vector<ingest::Letter> DeadLetterBox::read_all(const std::string& source_topic,
                                                    kafka::PartitionOffsets* ends) {
  ingest::LetterList list;
  const auto visit = [&](ports::Record record) {
    if (ends) (*ends)[record.partition] = record.offset + 1;
    list.add(record);
    return true;
  };
  kafka::read_topic(kafka_client(config_), source_topic + std::string(kafka::dead_letter_suffix),
                    {}, visit)
      .value();
  return list.take();
}

// An event that was refused has the state failed, until it takes effect.
asio::awaitable<void> DeadLetterBox::ask_ledger(std::vector<ingest::Letter>& letters) {
  for (auto& letter : letters) {
    if (letter.state != ingest::LetterState::open || !letter.user || !letter.event_id) continue;
    const runtime::RequestContext context{"dlq", runtime::Deadline::after(database_wait)};
    const auto operation = co_await ledger_->operations.find(
        context, tenants_.tenant_of_hash(*letter.user), *letter.event_id);
    letter.in_ledger = operation.has_value();
    if (operation && (operation->state == ports::OperationState::succeeded ||
                      operation->state == ports::OperationState::superseded))
      letter.state = ingest::LetterState::succeeded;
  }
}

std::vector<ingest::Letter> DeadLetterBox::read(const DlqOptions& options) {
  auto filter = filter_of(options);
  std::vector<ingest::Letter> chosen;
  letters_read_ = 0;
  for (const auto& topic : topics(options)) {
    auto letters = read_all(topic);
    letters_read_ += letters.size();
    std::erase_if(letters, [&](const auto& letter) { return !filter.matches(letter); });
    std::move(letters.begin(), letters.end(), std::back_inserter(chosen));
  }
  if (ledger_ && !chosen.empty()) {
    run_to_end(ask_ledger(chosen));
    std::erase_if(chosen, [&](const auto& letter) { return !filter.matches(letter); });
  }
  std::stable_sort(chosen.begin(), chosen.end(), [](const auto& a, const auto& b) {
    return published_order(a) < published_order(b);
  });
  if (options.limit > 0 && chosen.size() > static_cast<std::size_t>(options.limit))
    chosen.erase(chosen.begin() + options.limit, chosen.end());
  return chosen;
}

ingest::LetterMarks DeadLetterBox::read_marks(const std::string& source_topic) {
  ingest::LetterMarks marks;
  const auto visit = [&](ports::Record record) {
    marks.add(record);
    return true;
  };
  kafka::read_topic(kafka_client(config_), source_topic + std::string(kafka::dead_letter_suffix),
                    {}, visit)
      .value();
  return marks;
}

bool DeadLetterBox::visit_chosen(std::vector<ingest::Letter> letters,
                                 const ingest::LetterFilter& filter,
                                 const std::function<bool(const ingest::Letter&)>& visit) {
  letters_read_ += letters.size();
  std::erase_if(letters, [&](const auto& letter) { return !filter.matches(letter); });
  if (ledger_ && !letters.empty()) run_to_end(ask_ledger(letters));
  for (const auto& letter : letters)
    if (filter.matches(letter) && !visit(letter)) return false;
  return true;
}

void DeadLetterBox::for_each(const DlqOptions& options,
                             const std::function<bool(const ingest::Letter&)>& visit) {
  const auto filter = filter_of(options);
  letters_read_ = 0;
  bool goes_on = true;
  for (const auto& topic : topics(options)) {
    ingest::LetterList list(read_marks(topic));
    const auto take = [&](ports::Record record) {
      list.add(record);
      if (list.whole() >= letters_held_max)
        goes_on = visit_chosen(list.take_whole(), filter, visit);
      return goes_on;
    };
    kafka::read_topic(kafka_client(config_), topic + std::string(kafka::dead_letter_suffix), {},
                      take)
        .value();
    goes_on = goes_on && visit_chosen(list.take(), filter, visit);
    if (!goes_on) return;
  }
}

void DeadLetterBox::for_each_batch(const std::vector<ingest::Letter>& letters, const Visit& visit) {
  for (std::size_t first = 0; first < letters.size();) {
    std::vector<ingest::Letter> batch;
    kafka::PartitionOffsets from;
    std::map<std::pair<std::int32_t, std::int64_t>, std::size_t> wanted;
    std::size_t bytes = 0;
    const auto& topic = letters[first].topic;
    for (; first < letters.size() && letters[first].topic == topic; ++first) {
      const auto& letter = letters[first];
      if (!batch.empty() && bytes + letter.bytes > batch_bytes_max) break;
      bytes += letter.bytes;
      for (const auto offset : letter.offsets) wanted[{letter.partition, offset}] = batch.size();
      // Each partition is read from the first letter that is wanted, and reading ends with the last
      // one.
      const auto [start, is_new] = from.try_emplace(letter.partition, letter.offsets.front());
      if (!is_new) start->second = std::min(start->second, letter.offsets.front());
      batch.push_back(letter);
    }
    std::vector<std::string> values(batch.size());
    const auto collect = [&](ports::Record record) {
      const auto found = wanted.find({record.partition, record.offset});
      if (found == wanted.end()) return true;
      values[found->second] += record.value;
      wanted.erase(found);
      return !wanted.empty();
    };
    kafka::read_topic(kafka_client(config_), topic, from, collect).value();
    visit(batch, values);
  }
}

asio::awaitable<Result<ports::Record>> DeadLetterBox::open(const ingest::Letter& letter,
                                                           const std::string& sealed) {
  try {
    co_return co_await open_whole(letter, sealed);
  } catch (const Refused& refused) {
    // The fault of this letter: others are not held up by it.
    if (refused.error().code != Errc::tenant_erased) throw;
    co_return refused.error();
  }
}

asio::awaitable<Result<ports::Record>> DeadLetterBox::open_whole(const ingest::Letter& letter,
                                                                 const std::string& sealed) {
  auto opened = co_await open_letter(letter, sealed);
  if (!opened || !ingest::says_sealed(*opened)) co_return opened;
  // An event that memseal sealed, and a process could not open: one of an older release, or one
  // that lacked the key.
  opened->topic = letter.source_topic;
  const auto what = ingest::read_sealed_event(*opened);
  if (!what || !ledger_) co_return opened;
  const auto owner = tenants_.tenant_of_hash(what->owner);
  const runtime::RequestContext context{"dlq", runtime::Deadline::after(database_wait)};
  const auto key = co_await ledger_->keys.opening_key(context, owner, what->key_id);
  if (!key) co_return opened;
  auto event = ingest::open_event(owner, *key, *what, *opened);
  if (event) co_return event;
  co_return opened;
}

asio::awaitable<Result<void>> DeadLetterBox::seal_own(const std::string& topic,
                                                      ports::OutRecord& record) {
  if (config_.kafka.own_events != ingest::own_events_sealed) co_return Result<void>{};
  const auto sender = wire::sender_of({topic, record.key, record.value, &record.headers});
  if (sender.source != index::event_source || !sender.user) co_return Result<void>{};
  if (!ledger_)
    co_return Error{Errc::bad_config,
                    "the event is published sealed under its user's key: set postgres.dsn (env " +
                        env_name("postgres.dsn") + ")"};
  const auto owner = tenants_.tenant_of(*sender.user);
  const runtime::RequestContext context{"dlq", runtime::Deadline::after(database_wait)};
  try {
    const auto key = co_await ledger_->keys.known_sealing_key(context, owner);
    if (!key) co_return Result<void>{};
    const auto event_id = ids_.event_id(owner, sender.source, sender.id);
    co_return ingest::seal_event(owner, *key, event_id, topic, record);
  } catch (const Refused& refused) {
    if (refused.error().code != Errc::tenant_erased) throw;
    co_return refused.error();
  }
}

asio::awaitable<Result<ports::Record>> DeadLetterBox::open_letter(const ingest::Letter& letter,
                                                                  const std::string& sealed) {
  if (!letter.value_omitted.empty() || !letter.event_id)
    co_return Error{Errc::open_failed, "the letter has no content (" + letter.value_omitted + ")"};
  const auto key_id = ingest::dead_letter_key_id(sealed);
  if (!key_id) co_return Error{Errc::open_failed, "the dead letter does not open"};
  if (!letter.is_for_tenant) {
    const auto key = keyring_.dead_letter_key(*key_id);
    if (!key) co_return key.error();
    co_return ingest::open_dead_letter(ingest::nobody(tenants_), *key, *letter.event_id, sealed);
  }
  if (!ledger_)
    co_return Error{Errc::bad_config,
                    "the letter is sealed under a user's key: set postgres.dsn (env " +
                        env_name("postgres.dsn") + ")"};
  if (!letter.user)
    co_return Error{Errc::open_failed, "the dead letter does not open"};
  const auto owner = tenants_.tenant_of_hash(*letter.user);
  const runtime::RequestContext context{"dlq", runtime::Deadline::after(database_wait)};
  const auto key = co_await ledger_->keys.opening_key(context, owner, *key_id);
  if (!key)
    co_return Error{Errc::key_missing, "the user's key is not there: the user may be erased"};
  co_return ingest::open_dead_letter(owner, *key, *letter.event_id, sealed);
}

kafka::PartitionOffsets DeadLetterBox::closed_before(const std::string& source_topic) {
  kafka::PartitionOffsets before;
  auto letters = read_all(source_topic, &before);
  if (ledger_) run_to_end(ask_ledger(letters));
  for (const auto& letter : letters)
    if (letter.state == ingest::LetterState::open)
      before[letter.partition] = std::min(before[letter.partition], letter.offsets.front());
  return before;
}

}  // namespace memseal::app
