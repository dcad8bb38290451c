#include "cases/knowledge/internal/facts.hpp"

#include "pure/codec/json.hpp"
#include "runtime/log.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace memseal::knowledge {

namespace {

namespace json = boost::json;

/// Throws where the text is not what seal_facts() wrote; a tag has proven it, so that is a fault of
/// this program.
FileFacts parse_facts(std::string_view text) {
  const auto value = codec::parse_json(text, Errc::open_failed).value();
  const auto& object = value.as_object();
  FileFacts facts{std::string(object.at("name").as_string()),
                  std::string(object.at("media_type").as_string()),
                  {}};
  for (const auto& tag : object.at("tags").as_array()) facts.tags.emplace_back(tag.as_string());
  if (const auto* sha256 = object.if_contains("sha256"))
    facts.sha256 = std::string(sha256->as_string());
  return facts;
}

/// Hashed with the id, so that equal contents of two files have two versions.
std::string version_of(const ports::FileRow& row) {
  std::array<std::uint8_t, sizeof row.id.bytes + sizeof row.content> named{};
  std::copy(row.content.begin(), row.content.end(),
            std::copy(row.id.bytes.begin(), row.id.bytes.end(), named.begin()));
  return to_hex(crypto::sha256(named).data(), 16);
}

}  // namespace

Result<Bytes> seal_facts(const crypto::Tenant& owner, const crypto::TenantKey& key,
                         const Uuid& file, const FileFacts& facts) {
  json::array tags;
  for (const auto& tag : facts.tags) tags.push_back(json::value(tag));
  json::object object{
      {"name", facts.name}, {"media_type", facts.media_type}, {"tags", std::move(tags)}};
  if (!facts.sha256.empty()) object["sha256"] = facts.sha256;
  const auto text = codec::compact_json(object);
  const crypto::SealBinding place{file};
  const auto plain = bytes_of(text);
  return crypto::Sealer::seal(owner, key, crypto::Field::document_meta, place, plain);
}

asio::awaitable<FileFacts> open_facts(ports::TenantKeys& keys, runtime::RequestContext context,
                                      crypto::Tenant owner, const ports::FileRow& row) {
  const auto key_id = crypto::Sealer::key_id_of(row.facts_cipher).value();
  const auto key = co_await keys.opening_key(std::move(context), owner, key_id);
  if (!key) throw_failure({Errc::open_failed, "the key of a file's name is not there"});
  const crypto::SealBinding place{row.id};
  const auto plain =
      crypto::Sealer::open(owner, *key, crypto::Field::document_meta, place, row.facts_cipher)
          .value();
  co_return parse_facts({reinterpret_cast<const char*>(plain.view().data()), plain.size()});
}

asio::awaitable<File> file_of(const KnowledgeDeps& deps, runtime::RequestContext context,
                              crypto::Tenant owner, const ports::FileRow& row) {
  auto facts = co_await open_facts(deps.keys, std::move(context), owner, row);
  co_return File{.id = row.id,
                 .facts = std::move(facts),
                 .bytes = row.bytes,
                 .created_at_ms = row.created_at_us / 1'000,
                 .version = version_of(row)};
}

asio::awaitable<std::optional<ports::FileRow>> find_row(ports::FileCatalog& catalog,
                                                        runtime::RequestContext context,
                                                        crypto::Tenant owner, Uuid id) {
  auto row = co_await catalog.find(context, owner, id);
  if (!row) row = co_await catalog.find_now(std::move(context), owner, id);
  co_return row;
}

asio::awaitable<void> drop_object(const KnowledgeDeps& deps, runtime::RequestContext context,
                                  crypto::Tenant owner, ports::FileKey object) {
  try {
    co_await deps.store.remove(context, owner, object);
  } catch (const Failure& failed) {
    runtime::log(runtime::LogLevel::warn, "knowledge.object_kept",
                 {{"request_id", context.id}, {"cause", failed.error().message}});
  }
}

}  // namespace memseal::knowledge
