// What is stored, by name: lists of documents and conversations, and the texts of each.
#include "http/routes/admission.hpp"
#include "http/routes/answer_json.hpp"
#include "http/routes/files.hpp"
#include "http/routes/handlers.hpp"
#include "http/routes/stored_json.hpp"

#include "cases/query/browse.hpp"
#include "pure/wire/parameters.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <utility>

namespace memseal::http {

namespace {

using ports::MemoryKind;

Response page_response(std::string_view name, json::array items, json::value next) {
  json::object body;
  body[name] = std::move(items);
  body["next_cursor"] = std::move(next);
  return json_response(200, json::serialize(body));
}

asio::awaitable<Response> answer_list(Call& call, MemoryKind kind, std::string_view name,
                                      json::object (*item_json)(const query::Shown&)) {
  const auto request = wire::parse_list_request(call.head.query(), false);
  if (!request) co_return problem(request.error(), call.context.id);
  std::string after;
  if (!request->cursor.empty()) {
    auto id = wire::id_of_cursor(request->cursor);
    if (!id) co_return problem(id.error(), call.context.id);
    after = std::move(*id);
  }
  if (auto refused = co_await charge(call, 0)) co_return std::move(*refused);
  const auto page = co_await query::list_memory(call.deps.api->browse, call.context,
                                                call.who->tenant, kind, std::move(after),
                                                request->limit);
  json::array items;
  for (const auto& shown : page.items) {
    items.push_back(item_json(shown));
    call.touched.push_back(shown.memory.id);
  }
  json::value next;
  if (page.more) next = json::value(wire::make_list_cursor(page.items.back().memory.id));
  co_return page_response(name, std::move(items), std::move(next));
}

/// Whether there is a file of the id that the path names.
asio::awaitable<bool> is_file(Call& call) {
  const auto file = co_await named_file(call);
  co_return file.has_value();
}

/// `exists`, where it is not null, says whether the id is known; what is known may have no texts.
asio::awaitable<Response> answer_texts(Call& call, MemoryKind kind, std::string_view name,
                                       json::object (*item_json)(const crypto::Passage&),
                                       asio::awaitable<bool> (*exists)(Call&) = nullptr) {
  const auto id = DocId::parse(call.id);
  if (!id) co_return not_found(call);
  const bool ordered = kind == MemoryKind::conversation;
  const auto request = wire::parse_list_request(call.head.query(), ordered);
  if (!request) co_return problem(request.error(), call.context.id);
  ports::ChunkRange range{
      .kind = kind, .id = *id, .newest_first = request->newest_first, .limit = request->limit};
  if (!request->cursor.empty()) {
    const auto place = wire::place_of_cursor(request->cursor);
    if (!place) co_return problem(place.error(), call.context.id);
    range.after = ports::ChunkPlace{place->at_us, place->index, place->id};
  }
  if (auto refused = co_await charge(call, 0)) co_return std::move(*refused);
  if (exists != nullptr) {
    const bool is_known = co_await exists(call);
    if (!is_known) co_return not_found(call);
  }
  auto page = co_await query::read_memory(call.deps.api->browse, call.context, call.who->tenant,
                                          std::move(range));
  if (!page && exists == nullptr) co_return not_found(call);
  if (!page) page.emplace();
  json::array items;
  for (const auto& passage : page->passages) items.push_back(item_json(passage));
  json::value next;
  if (const auto& place = page->next)
    next = json::value(wire::make_list_cursor(
        wire::ListPlace{place->at_us, place->index, place->id}));
  co_return page_response(name, std::move(items), std::move(next));
}

}  // namespace

asio::awaitable<std::optional<Response>> get_conversations(Call& call) {
  co_return co_await answer_list(call, MemoryKind::conversation, "conversations",
                                 listed_conversation);
}

asio::awaitable<std::optional<Response>> get_turns(Call& call) {
  co_return co_await answer_texts(call, MemoryKind::conversation, "turns", listed_turn);
}

asio::awaitable<std::optional<Response>> get_documents(Call& call) {
  co_return co_await answer_list(call, MemoryKind::document, "documents", listed_document);
}

asio::awaitable<std::optional<Response>> get_document(Call& call) {
  auto id = DocId::parse(call.id);
  if (!id) co_return not_found(call);
  const auto parameters = wire::parse_parameters(call.head.query(), {});
  if (!parameters) co_return problem(parameters.error(), call.context.id);
  auto refused = co_await charge(call, 0);
  if (refused) co_return refused;
  const auto shown = co_await query::show_memory(call.deps.api->browse, call.context,
                                                 call.who->tenant, MemoryKind::document,
                                                 std::move(*id));
  if (!shown) co_return not_found(call);
  auto document = listed_document(*shown);
  add_meta(document, shown->meta_json);
  co_return json_response(200, json::serialize(json::object{{"document", std::move(document)}}));
}

// The document of a file has the file's id.
asio::awaitable<std::optional<Response>> get_file_chunks(Call& call) {
  const auto id = Uuid::parse(call.id);
  if (!id) co_return not_found(call);
  call.id = id->to_string();
  co_return co_await answer_texts(call, MemoryKind::document, "chunks", listed_chunk, is_file);
}

asio::awaitable<std::optional<Response>> get_document_chunks(Call& call) {
  co_return co_await answer_texts(call, MemoryKind::document, "chunks", listed_chunk);
}

}  // namespace memseal::http
