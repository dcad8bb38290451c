// How far a source is behind, in records and in seconds.
#include "adapters/kafka/internal/source_impl.hpp"
#include "runtime/wall_clock.hpp"

#include <algorithm>

namespace memseal::kafka {

namespace {

using namespace std::chrono_literals;

constexpr auto lag_every = 2s;

}  // namespace

// Counted from what is committed, because a crash repeats all that is not.
std::optional<std::int64_t> KafkaSource::Impl::behind(const Partition& partition) {
  const auto committed = assignment_.committed_of(partition);
  std::int64_t low = 0, high = -1;
  if (rd_kafka_get_watermark_offsets(client_.get(), partition.topic.c_str(), partition.number,
                                     &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
    low = 0;
  const auto end = std::max(high, offsets_->end_of(partition));
  if (committed < 0 || end < 0) return std::nullopt;
  const bool is_idle =
      !assignment_.holds(partition) && assignment_.next_of(partition) <= committed;
  return read_positions_.behind(partition, std::max(low, committed), end, is_idle);
}

// The age of the first record that is not committed, as far as it is known: by the record's own
// time while the record is held here, and as long as this member has waited for it.
double KafkaSource::Impl::age_s(const Partition& partition, std::int64_t held_since_ms,
                                Clock::time_point now) {
  const auto committed = assignment_.committed_of(partition);
  auto& waiting = waiting_[partition];
  if (waiting.offset != committed) waiting = {committed, now};
  const auto oldest_ms = assignment_.oldest_ms(partition).value_or(held_since_ms);
  // Nothing is held although there is room: what lies before the end is no record (a marker of a
  // transaction, what was aborted or compacted), so nothing waits.
  if (oldest_ms <= 0 && assignment_.has_room(partition)) {
    waiting.since = now;
    return 0;
  }
  const double waited = std::chrono::duration<double>(now - waiting.since).count();
  if (oldest_ms <= 0) return waited;
  return std::max(waited, static_cast<double>(runtime::unix_ms() - oldest_ms) / 1e3);
}

void KafkaSource::Impl::update_lag(Clock::time_point now) {
  next_lag_update_ = now + lag_every;
  assignment_.committed(offsets_->take());
  std::map<Partition, std::int64_t> buffered;  // the time of the first record
  for (const auto& record : buffer_)
    buffered.try_emplace({record.topic, record.partition}, record.timestamp_ms);
  std::int64_t behind_all = 0;
  read_positions_.begin_count();
  Partitions unknown;
  const auto all = assignment_.all();
  for (const auto& partition : all) {
    if (assignment_.committed_of(partition) < 0) unknown.push_back(partition);
    const auto records = behind(partition);
    if (!records) continue;
    behind_all += *records;
    if (*records == 0) waiting_.erase(partition);
    const auto first = buffered.find(partition);
    const auto held_since_ms = first == buffered.end() ? 0 : first->second;
    metrics_.lag(partition, *records, *records == 0 ? 0 : age_s(partition, held_since_ms, now));
  }
  lag = behind_all;
  metrics_.held_records.Set(static_cast<double>(assignment_.records_held()));
  metrics_.held_bytes.Set(static_cast<double>(assignment_.bytes_held()));
  offsets_->ask(all, unknown);
}

void KafkaSource::Impl::forget_lag(const Partition& partition) {
  waiting_.erase(partition);
  metrics_.lag(partition, 0, 0);
}

}  // namespace memseal::kafka
