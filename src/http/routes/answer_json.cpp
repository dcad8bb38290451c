#include "http/routes/answer_json.hpp"

#include "pure/codec/rfc3339.hpp"
#include "pure/wire/line_safe.hpp"
#include "pure/wire/place.hpp"
#include "pure/wire/problem.hpp"
#include "pure/wire/turn.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <span>

namespace memseal::http {

namespace {

double milliseconds(runtime::Clock::duration time) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  return static_cast<double>(us) / 1e3;
}

/// A float as the shortest double that prints like it; JSON knows no infinity.
json::value number(float value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(static_cast<double>(value) * 1e6) / 1e6;
}

/// Which turn of which conversation a passage is of; null for any other passage.
json::value turn_json(const crypto::Passage& passage) {
  const auto turn = wire::turn_of_meta(passage.meta_json());
  if (!turn || passage.from().origin != Origin::chat) return nullptr;
  return json::object{{"id", turn->id},
                      {"role", turn->role},
                      {"created_at", codec::format_rfc3339(passage.from().created_at_ms)}};
}

json::value conversation_json(const crypto::SealedCandidate& from) {
  return from.origin == Origin::chat ? json::value(from.doc_id) : json::value(nullptr);
}

json::array neighbours_json(std::span<const crypto::Passage> passages) {
  json::array neighbours;
  for (const auto& passage : passages) {
    const auto& from = passage.from();
    neighbours.push_back({{"chunk_id", from.id.to_string()},
                          {"turn", turn_json(passage)},
                          {"chunk_index", from.chunk_index},
                          {"char_start", from.char_start},
                          {"char_end", from.char_end},
                          {"place", place_json(passage)},
                          {"created_at", codec::format_rfc3339(from.created_at_ms)},
                          {"text", passage.text()}});
  }
  return neighbours;
}

/// What each comparison says of a result; null where it was not made.
json::object scores_json(const query::Hit& hit) {
  const auto& from = hit.passage.from();
  return {{"dense", number(1 - from.distance)},
          {"lexical", from.hybrid ? number(from.hybrid->lexical) : json::value(nullptr)},
          {"rerank", hit.rerank_score ? number(*hit.rerank_score) : json::value(nullptr)}};
}

void append_timing(std::string& text, const char* name, runtime::Clock::duration took) {
  // This stage did not run.
  if (took == runtime::Clock::duration::zero()) return;
  char entry[64];
  std::snprintf(entry, sizeof entry, "%s%s;dur=%.3f", text.empty() ? "" : ", ", name,
                milliseconds(took));
  text += entry;
}

}  // namespace

// What this service sealed is JSON. Malformed text costs the answer its meta, not the result.
json::value meta_json(const std::string& text) {
  if (text.empty()) return nullptr;
  boost::system::error_code malformed;
  auto value = json::parse(text, malformed);
  if (malformed) return nullptr;
  // The label of a turn and the place have members of their own in a result.
  if (auto* meta = value.if_object()) {
    meta->erase("turn");
    meta->erase("place");
  }
  return value;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::value place_json(const crypto::Passage& passage) {
  const auto place = wire::place_of_meta(passage.meta_json());
  if (!place || place->empty()) return nullptr;
  return json::object{{"page", text_or_null(place->page)},
                      {"page_end", text_or_null(place->page_end)},
                      {"heading", text_or_null(place->heading)}};
}

json::object hit_json(const query::Hit& hit) {
  const auto& from = hit.passage.from();
  json::object result{
      {"rank", hit.rank},
      {"score", number(hit.score)},
      {"distance", number(from.distance)},
      {"rerank_score", hit.rerank_score ? number(*hit.rerank_score) : json::value(nullptr)},
      {"scores", scores_json(hit)},
      {"query_index", hit.question},
      {"chunk_id", from.id.to_string()},
      {"doc_id", from.doc_id},
      {"source", origin_name(from.origin)},
      {"conversation", conversation_json(from)},
      {"turn", turn_json(hit.passage)},
      {"chunk_index", from.chunk_index},
      {"char_start", from.char_start},
      {"char_end", from.char_end},
      {"place", place_json(hit.passage)},
      {"tags", json::array(from.tags.begin(), from.tags.end())},
      {"created_at", codec::format_rfc3339(from.created_at_ms)},
      {"text", hit.passage.text()},
      {"meta", meta_json(hit.passage.meta_json())}};
  result["before"] = neighbours_json(hit.before);
  result["after"] = neighbours_json(hit.after);
  return result;
}

json::object timings_json(const query::Timings& timings) {
  return {{"embed_ms", milliseconds(timings.embed)},
          {"search_ms", milliseconds(timings.search)},
          {"open_ms", milliseconds(timings.open)},
          {"rerank_ms", milliseconds(timings.rerank)},
          {"total_ms", milliseconds(timings.total)}};
}

json::value fallback_json(query::Fallback fallback) {
  if (fallback == query::Fallback::none) return nullptr;
  return json::value(rerank::fallback_name(fallback));
}

std::string server_timing(const query::Timings& timings) {
  std::string text;
  append_timing(text, "embed", timings.embed);
  append_timing(text, "search", timings.search);
  append_timing(text, "open", timings.open);
  append_timing(text, "rerank", timings.rerank);
  append_timing(text, "total", timings.total);
  return text;
}

json::object problem_object(const Error& error, std::string_view request_id) {
  return json::parse(wire::problem_json(error, request_id)).as_object();
}

void add_client_error(Response& problem, wire::ErrorShape shape) {
  auto body = json::parse(problem.body).as_object();
  wire::add_client_error(body, shape);
  problem.body = wire::line_safe(json::serialize(body));
}

}  // namespace memseal::http
