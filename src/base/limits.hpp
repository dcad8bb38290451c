#pragma once
// Every fixed limit in one place, with its unit in its name and its relations checked.
// What an operator may change is in app/config; these are the outer walls.
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace memseal::limits {

using namespace std::chrono_literals;

// Ingest.
inline constexpr std::size_t event_bytes_max = 1u << 20;  // one Kafka record
/// Text of a stored file that an event refers to.
inline constexpr std::size_t referenced_text_bytes_max = 8u << 20;
/// Chunks of such a text: one for each 512 bytes. Prose has more bytes a chunk.
inline constexpr std::size_t referenced_chunks_max = referenced_text_bytes_max / 512;
/// Such texts in memory at one time. What they become takes up to about ten times as much while
/// they are cut, and six times later: token ids, vectors. Sealed rows are counted apart.
inline constexpr std::size_t referenced_bytes_max = 48u << 20;
inline constexpr std::size_t inflight_records_max = 1'000;
/// Of records as they came. What they become takes up to about twenty times as much: token ids,
/// vectors and short chunks.
inline constexpr std::size_t inflight_bytes_max = 8u << 20;
/// The same of all partitions together, when each holds the one record that always fits.
inline constexpr std::size_t inflight_bytes_wall = 4 * inflight_bytes_max;
/// Records of one partition that are done behind one that is not. Each costs 16 bytes of memory
/// and, after a crash, its share of a look-up.
inline constexpr std::size_t blocked_records_max = 100'000;
inline constexpr std::size_t batch_records_max = 256;  // records handled together
inline constexpr std::size_t batch_bytes_max = 4u << 20;
inline constexpr std::size_t insert_rows_max = 1'000;  // rows of one statement
inline constexpr auto offset_commit_every = 1s;
inline constexpr int event_attempts_max = 5;  // of one event, while its dependency works
/// Short, so that ingest goes on within seconds after a dependency is back.
inline constexpr auto backoff_first = 100ms;
inline constexpr auto backoff_max = 3s;
/// How long ingest waits for a fault of the set-up (a grant is missing, a table is not there). Then
/// the process ends, because nothing but an operator helps.
inline constexpr std::chrono::minutes ingest_setup_patience{5};
/// Dead letters in one window that stop ingest for a while: so many, or this share of the window's
/// events if there are at least `brake_share_letters_min`. Events that cannot be read do not count.
inline constexpr std::size_t brake_letters_max = 20;
inline constexpr std::size_t brake_share_percent = 50, brake_share_letters_min = 5;
inline constexpr std::chrono::minutes brake_window{1};
/// How long the brake holds; doubled each time in a row.
inline constexpr std::chrono::minutes brake_hold_first{1}, brake_hold_max{30};
static_assert(brake_share_letters_min <= brake_letters_max && brake_share_percent <= 100);
static_assert(brake_hold_first <= brake_hold_max);
static_assert(event_bytes_max <= batch_bytes_max && batch_bytes_max <= inflight_bytes_max);
static_assert(batch_records_max <= inflight_records_max);
// So that each of some users has a text in memory while another one's is read.
static_assert(event_bytes_max < referenced_text_bytes_max &&
              6 * referenced_text_bytes_max <= referenced_bytes_max);

// Chunks.
inline constexpr std::size_t chunk_tokens_max = 254;  // 256 with [CLS] and [SEP]
inline constexpr std::size_t chunk_tokens_default = 220;
inline constexpr std::size_t seal_bytes_max = 65'536;  // plaintext of one blob
// AES-GCM with random nonces: at most 2^28 under one key. Only what was committed is counted; the
// other half is for attempts that were not.
inline constexpr std::int64_t seals_per_key_max = std::int64_t{1} << 27;
inline constexpr std::size_t tags_max = 16, tag_bytes_max = 64;

// Query.
inline constexpr std::size_t candidates_max = 24, answers_max = 8;
inline constexpr std::size_t query_bytes_max = 8'192;  // text of one query
inline constexpr auto request_deadline = 10s;
inline constexpr auto rerank_budget = 250ms;
static_assert(answers_max <= candidates_max);

// HTTP.
inline constexpr std::size_t http_header_bytes_max = 8'192, http_header_fields_max = 64;
inline constexpr std::size_t http_body_bytes_max = 1u << 20;    // default of http.body_bytes_max
inline constexpr std::size_t http_body_bytes_wall = 64u << 20;  // the most it can be set to
static_assert(http_body_bytes_max <= http_body_bytes_wall);
inline constexpr std::size_t http_connections_max = 1'024;
inline constexpr int http_requests_per_connection_max = 1'000;
inline constexpr std::int64_t http_log_requests_per_s = 10;
inline constexpr auto http_header_timeout = 10s, http_body_timeout = 30s;
/// Longer than the 60 s of common load balancers, so that these close idle connections first.
inline constexpr auto http_idle_timeout = 75s;
inline constexpr auto http_write_timeout = 15s;
inline constexpr auto sse_keepalive = 15s;
inline constexpr auto drain_timeout = 20s;

// Tokens.
inline constexpr std::size_t token_bytes_max = 4'096;
inline constexpr std::int64_t token_lifetime_s_max = 7 * 24 * 3'600, token_leeway_s = 30;

}  // namespace memseal::limits
