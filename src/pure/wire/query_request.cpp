#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/wire/internal/attribute_conditions.hpp"
#include "pure/wire/internal/body.hpp"
#include "pure/wire/request.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>

namespace memseal::wire {

namespace {

constexpr TextSize question_size{1, limits::query_bytes_max};

void check_question(FieldReader& fields, std::string_view key, const std::string& pointer,
                    const std::string& question) {
  if (pointer.empty() && codec::is_blank(question)) return fields.fail(key, "must not be blank");
  if (codec::is_blank(question)) fields.fault().add(pointer, "must not be blank");
}

/// `query`, or `queries` in its place.
void read_questions(FieldReader& fields, const json::object& body, QueryRequest& request) {
  const auto* several = fields.array("queries", Presence::optional);
  if (several == nullptr) {
    if (fields.text("query", request.query, question_size, Presence::required))
      check_question(fields, "query", {}, request.query);
    return;
  }
  if (const auto* one = body.if_contains("query"); one && !one->is_null())
    fields.fail("queries", "stands beside \"query\": send one of the two");
  fields.member("query", Presence::optional);
  if (several->empty() || several->size() > limits::questions_max)
    return fields.fail("queries",
                       "must hold 1 to " + std::to_string(limits::questions_max) + " questions");
  for (std::size_t i = 0; i < several->size(); ++i) {
    const auto place = pointer_at(fields.at("queries"), i);
    const auto* text = (*several)[i].if_string();
    if (text == nullptr || text->empty() || text->size() > question_size.most)
      return fields.fault().add(place, "must be a string of 1 to " +
                                           std::to_string(question_size.most) + " bytes");
    check_question(fields, "queries", place, std::string(*text));
    if (i == 0)
      request.query = std::string(*text);
    else
      request.further.emplace_back(*text);
  }
}

void read_ids(FieldReader& fields, std::string_view key, std::vector<std::string>& out) {
  const auto* list = fields.array(key, Presence::optional);
  if (list == nullptr) return;
  if (list->size() > doc_ids_max)
    return fields.fail(key, "holds at most " + std::to_string(doc_ids_max) + " ids");
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* string = (*list)[i].if_string();
    if (string == nullptr || !DocId::parse(*string))
      return fields.fault().add(pointer_at(fields.at(key), i),
                                "must be a string of 1 to 255 bytes without control characters");
    out.emplace_back(*string);
  }
}

void read_origin(FieldReader& fields, std::vector<Origin>& origins) {
  std::string name;
  if (!fields.text("source", name, {0, 16}, Presence::optional) || name.empty()) return;
  const auto origin = parse_origin(name);
  if (origin) origins = {*origin};
  if (!origin) fields.fail("source", "must be \"chat\", \"upload\" or \"api\"");
}

/// Whether `source` leaves out all chats, or all documents.
bool excludes(const std::vector<Origin>& origins, bool chats) {
  return !origins.empty() && (origins.front() == Origin::chat) != chats;
}

/// `doc_ids`, which a result shows of both kinds, `documents` and `conversation`, of one kind each.
void read_documents(FieldReader& fields, QueryRequest& request) {
  read_ids(fields, "doc_ids", request.doc_ids);
  std::vector<std::string> documents;
  read_ids(fields, "documents", documents);
  if (!documents.empty() && !request.doc_ids.empty())
    fields.fail("documents", "stands beside \"doc_ids\": send one of the two");
  if (!documents.empty() && excludes(request.origins, false))
    fields.fail("documents", "stands beside a \"source\" that has no documents");
  if (!documents.empty()) {
    // A conversation may have the id of a document, and `documents` must not find it.
    if (request.origins.empty()) request.origins = {Origin::upload, Origin::api};
    request.doc_ids = std::move(documents);
  }
  read_ids(fields, "exclude", request.exclude);
  std::string conversation;
  if (!fields.text("conversation", conversation, {1, 255}, Presence::optional)) return;
  if (!DocId::parse(conversation))
    fields.fail("conversation", "must hold no control characters");
  if (!request.doc_ids.empty())
    fields.fail("conversation", "stands beside \"documents\" or \"doc_ids\": send one of them");
  if (excludes(request.origins, true))
    fields.fail("conversation", "stands beside a \"source\" that has no conversations");
  request.origins = {Origin::chat};
  request.doc_ids = {std::move(conversation)};
}

/// A list, which all must be present, or an object of lists: all, any, none.
void read_tags(FieldReader& fields, const json::object& body, QueryRequest& request) {
  const auto* given = body.if_contains("tags");
  const auto* object = given ? given->if_object() : nullptr;
  if (object == nullptr) return fields.tags("tags", request.tags);
  fields.member("tags", Presence::optional);
  FieldReader lists(*object, fields.at("tags"), fields.fault());
  lists.tags("all", request.tags);
  lists.tags("any", request.tags_any);
  lists.tags("none", request.tags_none);
  lists.close();
}

void read_time(FieldReader& fields, std::string_view key, std::optional<std::int64_t>& out) {
  std::string text;
  if (!fields.text(key, text, {1, 64}, Presence::optional)) return;
  out = codec::parse_rfc3339(text);
  if (!out) fields.fail(key, "is not an RFC 3339 time");
}

void read_counts(FieldReader& fields, QueryRequest& request) {
  auto top_k = static_cast<std::int64_t>(request.top_k);
  fields.integer("top_k", top_k, 1, limits::answers_wall, Presence::optional);
  // A client that asks for more results than the default of candidates means that many.
  auto candidates = std::max(top_k, static_cast<std::int64_t>(request.candidates));
  fields.integer("candidates", candidates, top_k, limits::candidates_wall, Presence::optional);
  std::int64_t expand = 0;
  fields.integer("expand", expand, 0, limits::expand_max, Presence::optional);
  request.top_k = static_cast<std::size_t>(top_k);
  request.candidates = static_cast<std::size_t>(candidates);
  request.expand = static_cast<std::size_t>(expand);
}

void read_min_score(FieldReader& fields, std::optional<float>& out) {
  const auto* value = fields.member("min_score", Presence::optional);
  if (value == nullptr) return;
  // 2 is out of range, so what is no number fails the same check.
  const double score = value->is_number() ? value->to_number<double>() : 2;
  if (!(score >= -1 && score <= 1))
    return fields.fail("min_score", "must be a number from -1 to 1");
  out = static_cast<float>(score);
}

/// FNV-1a. Two questions with one checksum do no harm: see make_cursor().
class Checksum {
 public:
  void add(std::string_view bytes) {
    for (const char byte : bytes) step(static_cast<std::uint8_t>(byte));
    step(0);
  }
  std::uint64_t value() const noexcept { return value_; }

 private:
  void step(std::uint8_t byte) { value_ = (value_ ^ byte) * 1'099'511'628'211u; }
  std::uint64_t value_ = 14'695'981'039'346'656'037u;
};

/// Of the members that decide what is found, whatever their order.
std::uint64_t checksum_of(const json::object& body) {
  constexpr std::array<std::string_view, 8> others{
      "cursor", "top_k", "candidates", "rerank", "user_id", "expand", "include_trace", "min_score"};
  std::map<std::string_view, const json::value*> members;
  for (const auto& member : body)
    if (std::find(others.begin(), others.end(), std::string_view(member.key())) == others.end() &&
        !member.value().is_null())
      // Sorted by key, because a client may write the members of its next request in another order.
      members.emplace(member.key(), &member.value());
  Checksum checksum;
  for (const auto& [key, value] : members) {
    checksum.add(key);
    checksum.add(codec::compact_json(*value));
  }
  return checksum.value();
}

void read_cursor_member(FieldReader& fields, QueryRequest& request) {
  std::string text;
  if (!fields.text("cursor", text, {1, 8'192}, Presence::optional)) return;
  if (!request.further.empty())
    return fields.fail("cursor", "stands beside several queries, whose answer has one page");
  auto page = read_cursor(text, request.checksum);
  if (!page) return fields.fail("cursor", page.error().message);
  request.page = std::move(*page);
}

}  // namespace

Result<QueryRequest> parse_query_request(std::string_view body) {
  const auto object = object_of(body);
  if (!object) return object.error();
  Fault fault{Errc::invalid_field};
  FieldReader fields(*object, "", fault);
  QueryRequest request;
  read_questions(fields, *object, request);
  read_counts(fields, request);
  fields.truth("rerank", request.rerank);
  fields.truth("hybrid", request.hybrid);
  read_min_score(fields, request.min_score);
  read_origin(fields, request.origins);
  read_tags(fields, *object, request);
  read_documents(fields, request);
  read_time(fields, "created_after", request.after_ms);
  read_time(fields, "created_before", request.before_ms);
  request.attributes = read_attribute_filter(fields, "attributes");
  request.checksum = checksum_of(*object);
  read_cursor_member(fields, request);
  std::string user;
  if (fields.text("user_id", user, {1, 256}, Presence::optional)) request.user_id = std::move(user);
  fields.truth("include_trace", request.include_trace);
  fields.close();
  if (fault.first) return *fault.first;
  return request;
}

}  // namespace memseal::wire
