#include "cases/ingest/internal/prepare.hpp"

#include "cases/ingest/dead_letter.hpp"
#include "cases/ingest/internal/record_headers.hpp"
#include "pure/codec/media_type.hpp"
#include "pure/crypto/hash.hpp"
#include "pure/text/places.hpp"
#include "pure/wire/event_names.hpp"
#include "pure/wire/place.hpp"

#include <algorithm>
#include <cctype>

namespace memseal::ingest {

namespace {

constexpr std::string_view record_source = "kafka";

/// A record that cannot be read has no event id; its place in Kafka names it.
Uuid record_id(const PrepareDeps& deps, const crypto::Tenant& owner, const ports::Record& record) {
  const auto place = record.topic + "/" + std::to_string(record.partition) + "/" +
                     std::to_string(record.offset);
  return deps.ids.event_id(owner, record_source, place);
}

/// What is read of an event before anybody knows whether to believe it.
struct Claimed {
  std::string_view id, source;
  std::optional<UserId> user;
  bool says_api = false;
};

/// Whether the event comes from a producer that may write it. Empty: it does, or nobody looks.
std::optional<Error> check_producer(const PrepareDeps& deps, const ports::Record& record,
                                    const Claimed& claimed, std::int64_t now_ms,
                                    Prepared& prepared) {
  if (!deps.gate) return std::nullopt;
  producers::Presented presented{
      .event = {record.topic, record.key, claimed.id, claimed.source, record.value,
                record.headers},
      .user = std::nullopt,
      .says_api = claimed.says_api,
      .record_time_ms = record.timestamp_ms,
      .has_broker_time = record.has_broker_time};
  if (claimed.user) presented.user = claimed.user->value();
  prepared.verdict = deps.gate->judge(presented, now_ms);
  if (*prepared.verdict == producers::Verdict::accepted) return std::nullopt;
  return producers::error_of(*prepared.verdict);
}

constexpr std::int64_t day_ms = 86'400'000;

/// A time from a clock that runs far ahead would outlast every later one.
std::optional<Error> check_time(const wire::EventHead& head, std::int64_t now_ms) {
  if (head.time_ms <= now_ms + day_ms) return std::nullopt;
  return Error{Errc::bad_event, "is more than a day in the future: correct the producer's clock",
               "/time"};
}

/// A revision far ahead of what a counter or a clock gives would shut out every later one.
std::optional<Error> check_revision(const wire::UploadEvent& event, std::int64_t now_ms) {
  if (event.revision.value_or(0) <= now_ms + day_ms) return std::nullopt;
  return Error{Errc::bad_event,
               "lies more than a day ahead as Unix milliseconds: count from 1, or use the time of "
               "the change in milliseconds",
               "/data/revision"};
}

/// What a record says of its first publication.
struct First {
  std::optional<ports::SourcePlace> place;
  std::int64_t time_ms = 0;  ///< 0: unknown
  bool replayed = false;
};

/// When and where the event was first published, if an operator replays it from its dead letter. A
/// time after the record's own is not believed, because a replay keeps the time.
First first_of(const ports::Record& record) {
  const auto text_of = [&](std::string_view name) { return value_of(record, name).value_or(""); };
  const auto time = number_of<std::int64_t>(text_of(letter_header::timestamp));
  const auto topic = value_of(record, letter_header::topic);
  First first;
  if (time && *time > 0 && *time <= record.timestamp_ms) first.time_ms = *time;
  first.replayed = first.time_ms > 0 || topic;
  if (!first.replayed) {
    first.place = ports::SourcePlace{record.topic, record.partition, record.offset};
    return first;
  }
  const auto partition = number_of<std::int32_t>(text_of(letter_header::partition));
  const auto offset = number_of<std::int64_t>(text_of(letter_header::offset));
  const bool is_place = partition && *partition >= 0 && offset && *offset >= 0;
  if (topic && wire::is_topic_name(*topic) && is_place)
    first.place = ports::SourcePlace{std::string(*topic), *partition, *offset};
  return first;
}

std::optional<Error> check_content(const wire::UploadEvent& event) {
  if (event.content_sha256_hex.empty()) return std::nullopt;
  const auto& sent = event.text_as_sent.empty() ? event.text : event.text_as_sent;
  const auto digest = crypto::sha256(bytes_of(sent));
  if (to_hex(digest.data(), digest.size()) == event.content_sha256_hex) return std::nullopt;
  return Error{Errc::bad_event, "the content is not what data.file.sha256 says",
               "/data/file/sha256"};
}

const wire::EventHead& head_of(const wire::Event& event) {
  return std::visit([](const auto& one) -> const wire::EventHead& { return one.head; }, event);
}

bool says_api(const wire::Event& event) {
  return std::visit(
      [](const auto& one) {
        if constexpr (requires { one.origin; }) return one.origin == Origin::api;
        return false;
      },
      event);
}

/// The metadata are sealed with each chunk, so nothing is cut for metadata that are too large.
std::optional<Error> check_meta(const Document& document) {
  if (document.meta_json.size() <= wire::meta_bytes_max) return std::nullopt;
  return Error{
      Errc::event_too_large,
      "name and attributes take more than " + std::to_string(wire::meta_bytes_max) + " bytes",
      "/data/attributes"};
}

std::optional<Error> check_chunks(std::size_t most, const Document& document) {
  if (document.chunks.size() <= most) return std::nullopt;
  return Error{Errc::event_too_large, "the text makes more than " + std::to_string(most) +
                                          " chunks: split it into several documents"};
}

/// Cuts the text of an upload, and notes the place of each chunk. Returns what is too large.
std::optional<Error> cut(const PrepareDeps& deps, std::string_view text, const Outline& outline,
                         std::size_t chunks_max, Document& document) {
  if (auto too_large = check_meta(document)) return too_large;
  document.chunks = text::chunk(deps.tokenizer, text, deps.options->rules, deps.make_way,
                                chunks_max);
  if (auto too_large = check_chunks(chunks_max, document)) return too_large;
  document.places = text::places_of(text, outline, document.chunks);
  return std::nullopt;
}

/// `fault`: gets what is too large.
Document document_of(const PrepareDeps& deps, wire::UploadEvent event, const Uuid& event_id,
                     std::int64_t first_ms, std::optional<Error>& fault) {
  auto meta = meta_of(event);
  std::optional<ports::ByArrival> by_arrival;
  if (!event.revision) by_arrival.emplace(ports::ByArrival{first_ms});
  Document document{.origin = event.origin,
                    .doc_id = event.doc_id,
                    .revision = event.revision.value_or(1),
                    .by_arrival = by_arrival,
                    .chunk_revision = event.revision.value_or(revision_of(event_id)),
                    .name = event.name,
                    .meta_json = std::move(meta),
                    .tags = event.tags,
                    .chunks = {}};
  if (event.file)
    document.awaits_text = std::make_shared<const wire::UploadEvent>(std::move(event));
  else
    fault = cut(deps, event.text, {.has_headings = event.mime_type == codec::markdown_type},
                deps.options->chunks_per_event_max, document);
  return document;
}

Document document_of(const PrepareDeps& deps, const crypto::Tenant& owner, wire::ChatEvent event) {
  Document document{.origin = Origin::chat,
                    .doc_id = event.conversation_id,
                    .revision = event.head.time_ms,
                    .name = {},
                    .meta_json = meta_of(event),
                    .tags = event.tags,
                    .chunks = {}};
  if (check_meta(document)) return document;
  document.conversation =
      std::make_shared<const Conversation>(conversation_of(deps.ids, owner, std::move(event)));
  auto turns =
      cut_turns(deps.tokenizer, deps.options->rules, *document.conversation, {}, deps.make_way);
  document.chunks = std::move(turns.chunks);
  document.pieces = std::move(turns.pieces);
  return document;
}

/// A deletion that is published again leaves what was said after it was new.
Document document_of(wire::DeleteEvent event, const First& first) {
  Document document{.origin = event.origin,
                    .doc_id = std::move(event.doc_id),
                    .revision = event.is_conversation ? event.head.time_ms : 1,
                    .name = {},
                    .meta_json = {},
                    .tags = {},
                    .chunks = {},
                    .deletion = ports::Deletion{event.before_ms}};
  auto& before_ms = document.deletion->before_ms;
  if (event.is_conversation && first.replayed && !before_ms && event.head.time_ms > 0)
    before_ms = event.head.time_ms;
  if (!event.is_conversation) document.by_arrival.emplace(ports::ByArrival{first.time_ms});
  return document;
}

/// A document in which nothing can be found is not stored as if it could. A chat may well have no
/// text, because some turns consist of tool calls.
std::optional<Error> check_findable(const Document& document) {
  if (!document.chunks.empty() || document.origin == Origin::chat || document.deletion ||
      document.awaits_text)
    return std::nullopt;
  return Error{Errc::bad_event, "has no text that could be found: no letter, digit or sign",
               "/data"};
}

void prepare_event(const PrepareDeps& deps, wire::Event event, const First& first,
                   std::int64_t now_ms, Prepared& prepared) {
  if (auto* upload = std::get_if<wire::UploadEvent>(&event)) {
    prepared.origin = upload->origin;
    prepared.fault = check_revision(*upload, now_ms);
    if (!prepared.fault && !upload->file) prepared.fault = check_content(*upload);
    if (prepared.fault) return;
    prepared.document = std::make_shared<Document>(
        document_of(deps, std::move(*upload), prepared.event_id, first.time_ms, prepared.fault));
  } else if (auto* deletion = std::get_if<wire::DeleteEvent>(&event)) {
    prepared.origin = deletion->origin;
    prepared.document = std::make_shared<Document>(document_of(std::move(*deletion), first));
  } else {
    prepared.origin = Origin::chat;
    prepared.document = std::make_shared<Document>(
        document_of(deps, *prepared.tenant, std::move(std::get<wire::ChatEvent>(event))));
  }
  if (!prepared.fault) prepared.fault = check_meta(*prepared.document);
  if (!prepared.fault)
    prepared.fault = check_chunks(deps.options->chunks_per_event_max, *prepared.document);
  if (!prepared.fault) prepared.fault = check_findable(*prepared.document);
  if (prepared.fault) prepared.document.reset();
}

}  // namespace

Prepared prepare(const PrepareDeps& deps, const ports::Record& record, std::int64_t now_ms) {
  const auto first = first_of(record);
  const wire::RawEvent raw{
      .topic = record.topic,
      .key = record.key,
      .value = record.value,
      .headers = &record.headers,
      // A broker that gives records its own time gives a replay a new one.
      .timestamp_ms = first.time_ms > 0 ? first.time_ms : record.timestamp_ms};
  Prepared prepared;
  prepared.first_place = first.place;
  prepared.replayed = first.replayed;
  if (wire::is_tombstone(raw)) {
    prepared.ignored = true;
    return prepared;
  }
  auto event = wire::parse_event(raw);
  if (!event) {
    auto sender = wire::sender_of(raw);
    prepared.id = std::move(sender.id);
    prepared.source = std::move(sender.source);
    const Claimed claimed{prepared.id, prepared.source, sender.user};
    auto refused = check_producer(deps, record, claimed, now_ms, prepared);
    if (sender.user && !refused) prepared.tenant = deps.keyer.tenant_of(*sender.user);
    // An envelope that cannot be read names no id, so that no signature could be one of it: the
    // envelope's own fault says more.
    const bool is_readable = !prepared.id.empty();
    prepared.fault = refused && is_readable ? std::move(refused) : event.error();
    prepared.event_id = record_id(deps, prepared.tenant.value_or(nobody(deps.keyer)), record);
    return prepared;
  }
  const auto& head = head_of(*event);
  prepared.adapted = head.adapted;
  prepared.id = head.id;
  prepared.source = head.source;
  const Claimed claimed{head.id, head.source, head.user, says_api(*event)};
  if (auto refused = check_producer(deps, record, claimed, now_ms, prepared)) {
    // Not this user's event as far as we know: nothing of that user may change for it.
    prepared.fault = std::move(refused);
    prepared.event_id = record_id(deps, nobody(deps.keyer), record);
    return prepared;
  }
  const auto tenant = deps.keyer.tenant_of(head.user);
  prepared.tenant = tenant;
  prepared.event_id = deps.ids.event_id(tenant, head.source, head.id);
  prepared.identified = true;
  prepared.fault = check_time(head, now_ms);
  if (prepared.fault) return prepared;
  prepare_event(deps, std::move(*event), first, now_ms, prepared);
  return prepared;
}

std::shared_ptr<const Prepared> recalled(const PrepareDeps& deps, const Prepared& chat,
                                         StoredTurns known) {
  auto document = std::make_shared<Document>(*chat.document);
  auto turns =
      cut_turns(deps.tokenizer, deps.options->rules, *document->conversation, known, deps.make_way);
  document->chunks = std::move(turns.chunks);
  document->pieces = std::move(turns.pieces);
  document->latest = std::move(known.latest);
  auto prepared = std::make_shared<Prepared>(chat);
  prepared->document = std::move(document);
  return prepared;
}

std::shared_ptr<const Prepared> completed(const PrepareDeps& deps, const Prepared& upload,
                                          ports::SourceText text) {
  auto document = std::make_shared<Document>(*upload.document);
  const auto event = wire::with_text(*document->awaits_text, std::move(text.text));
  document->awaits_text.reset();
  auto prepared = std::make_shared<Prepared>(upload);
  prepared->fault = check_content(event);
  if (!prepared->fault)
    prepared->fault =
        cut(deps, event.text, text.outline, deps.options->text_chunks_max, *document);
  if (!prepared->fault) prepared->fault = check_findable(*document);
  // A refused event keeps its document, for its place in the order, but nothing of the text.
  if (prepared->fault) {
    document->chunks = {};
    document->places = {};
  }
  prepared->document = std::move(document);
  return prepared;
}

std::size_t Document::meta_bytes(std::size_t chunk) const {
  if (!pieces.empty()) return pieces[chunk].meta_json.size();
  if (places.empty() || places[chunk].empty()) return meta_json.size();
  constexpr std::size_t names = 64;  // {"place":{"page":"","page_end":"","heading":""}}
  const auto& [page, page_end, heading] = places[chunk];
  return meta_json.size() + names + page.size() + page_end.size() + heading.size();
}

std::string Document::meta_of(std::size_t chunk) const {
  if (!pieces.empty()) return pieces[chunk].meta_json;
  if (places.empty() || places[chunk].empty()) return meta_json;
  return wire::meta_with_place(meta_json, places[chunk]);
}

Uuid Document::chunk_id(const crypto::IdDeriver& ids, const crypto::Tenant& owner,
                        std::size_t at) const {
  if (pieces.empty()) return ids.chunk_id(owner, doc_id, chunk_revision, chunks[at].index);
  const auto& piece = pieces[at];
  return ids.chunk_id(owner, doc_id, revision_of(conversation->turns[piece.turn].key),
                      piece.index);
}

}  // namespace memseal::ingest
