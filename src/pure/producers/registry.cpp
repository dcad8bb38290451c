#include "pure/producers/registry.hpp"

#include "pure/codec/base64.hpp"
#include "pure/codec/json.hpp"
#include "pure/codec/rfc3339.hpp"
#include "pure/codec/utf8.hpp"
#include "pure/producers/signature.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>

namespace memseal::producers {

namespace json = boost::json;

namespace {

constexpr std::size_t name_bytes_max = 64, pattern_bytes_max = 1'024;

/// Reads the members of one object, and remembers the first fault.
class Members {
 public:
  Members(const json::value& value, std::string where, std::optional<Error>& fault)
      : object_(value.if_object()), where_(std::move(where)), fault_(fault) {
    if (object_ == nullptr) fail("is no JSON object");
  }

  void fail(std::string_view why) {
    // The first fault is the cause; those after it are often its consequence.
    if (!fault_) fault_ = Error{Errc::bad_config, where_ + " " + std::string(why)};
  }

  void only(std::initializer_list<std::string_view> known) {
    if (object_ == nullptr) return;
    for (const auto& member : *object_)
      if (std::find(known.begin(), known.end(), std::string_view(member.key())) == known.end())
        // A member that is misspelt would otherwise be ignored, and a producer that should be
        // limited would not be.
        fail("has a member that is not known");
  }

  const json::value* find(std::string_view name) const {
    return object_ == nullptr ? nullptr : object_->if_contains(name);
  }

  std::string text(std::string_view name, bool required) {
    const auto* value = find(name);
    if (value == nullptr && !required) return {};
    if (value == nullptr || !value->is_string()) {
      fail("needs a text \"" + std::string(name) + '"');
      return {};
    }
    return std::string(value->get_string());
  }

  const json::array* list(std::string_view name, std::size_t count_max) {
    const auto* value = find(name);
    const auto* list = value == nullptr ? nullptr : value->if_array();
    if (list == nullptr || list->size() > count_max) {
      fail("needs a list \"" + std::string(name) + "\" of at most " + std::to_string(count_max));
      return nullptr;
    }
    return list;
  }

  std::vector<std::string> texts(std::string_view name) {
    std::vector<std::string> texts;
    const auto* values = list(name, patterns_max);
    if (values == nullptr) return texts;
    for (const auto& value : *values) {
      if (!value.is_string()) fail('"' + std::string(name) + "\" holds something that is no text");
      texts.emplace_back(value.is_string() ? std::string(value.get_string()) : std::string());
    }
    return texts;
  }

 private:
  const json::object* object_;
  const std::string where_;
  std::optional<Error>& fault_;
};

std::optional<ProducerKey> read_key(const json::value& value, const std::string& producer,
                                    std::optional<Error>& fault) {
  Members key(value, "producer " + producer + ": a key", fault);
  key.only({"id", "algorithm", "key", "added", "revoked"});
  auto id = key.text("id", true);
  const auto algorithm = crypto::parse_signature_algorithm(key.text("algorithm", true));
  if (!algorithm) key.fail("has an algorithm that is neither ed25519 nor hmac-sha256");
  const auto bytes = codec::decode_base64(key.text("key", true), codec::Base64::url);
  if (!bytes) key.fail("is not base64url");
  auto added = key.text("added", false), revoked = key.text("revoked", false);
  if (fault) return std::nullopt;
  auto made = crypto::VerifyingKey::from_bytes(*algorithm, *bytes);
  if (!made) {
    key.fail("cannot be used: " + made.error().message);
    return std::nullopt;
  }
  return ProducerKey{std::move(id), std::move(*made), std::move(added), std::move(revoked)};
}

std::string name_in(const json::value& value) {
  const auto* object = value.if_object();
  const auto* name = object == nullptr ? nullptr : object->if_contains("name");
  const auto* text = name == nullptr ? nullptr : name->if_string();
  // The name goes into messages, so it must hold nothing that commands a terminal.
  return text != nullptr && is_key_id(*text) ? std::string(*text) : "without a sound name";
}

Producer read_producer(const json::value& value, std::optional<Error>& fault) {
  const auto where = name_in(value);
  Members members(value, "producer " + where, fault);
  members.only({"name", "tenants", "sources", "topics", "keys"});
  Producer producer{.name = members.text("name", true),
                    .tenants = members.texts("tenants"),
                    .sources = members.texts("sources"),
                    .topics = members.texts("topics"),
                    .keys = {}};
  const auto* keys = members.list("keys", keys_of_producer_max);
  if (keys == nullptr) return producer;
  for (const auto& one : *keys)
    if (auto key = read_key(one, where, fault)) producer.keys.push_back(std::move(*key));
  return producer;
}

bool is_pattern(const std::string& text) {
  // A star anywhere else would suggest a match that fits() does not make: `*` only stands for what
  // follows.
  const auto star = text.find('*');
  return !text.empty() && text.size() <= pattern_bytes_max && codec::is_utf8(text) &&
         !codec::has_control(text) && (star == text.npos || star + 1 == text.size());
}

Result<void> check(const Producer& producer) {
  const auto refuse = [&](const std::string& why) {
    return Error{Errc::bad_config, "producer " + producer.name + ": " + why};
  };
  if (!is_key_id(producer.name) || producer.name.size() > name_bytes_max)
    return Error{Errc::bad_config, "a producer's name has 1 to 64 of A-Z a-z 0-9 _ and -"};
  // Otherwise a registered producer could look like the service in logs and metrics, or sign by the
  // id of its key.
  if (producer.name.starts_with(own_name))
    return refuse("names that begin with \"memseal\" are the service's own");
  for (const auto* patterns : {&producer.tenants, &producer.sources, &producer.topics}) {
    // An empty list could be read as "none" or as "all". The second reading would be the dangerous
    // one, so neither is allowed.
    if (patterns->empty()) return refuse("has no tenants, no sources or no topics");
    for (const auto& pattern : *patterns)
      if (!is_pattern(pattern))
        return refuse("a pattern has 1 to 1,024 bytes, and * only as its last");
  }
  if (producer.keys.empty()) return refuse("has no key");
  for (const auto& key : producer.keys) {
    if (!is_key_id(key.id)) return refuse("a key id has 1 to 64 of A-Z a-z 0-9 _ and -");
    if (key.id.starts_with(own_name))
      return refuse("key ids that begin with \"memseal\" are the service's own");
    for (const auto* time : {&key.added, &key.revoked})
      if (!time->empty() && !codec::parse_rfc3339(*time))
        return refuse("key " + key.id + " has a time that is not RFC 3339");
  }
  return {};
}

json::array array_of(const std::vector<std::string>& texts) {
  return json::array(texts.begin(), texts.end());
}

json::object object_of(const ProducerKey& key) {
  json::object object{{"id", key.id},
                      {"algorithm", crypto::signature_algorithm_name(key.key.algorithm())},
                      {"key", codec::encode_base64(key.key.bytes(), codec::Base64::url)}};
  if (!key.added.empty()) object["added"] = key.added;
  if (!key.revoked.empty()) object["revoked"] = key.revoked;
  return object;
}

}  // namespace

bool fits(const std::vector<std::string>& patterns, std::string_view text) noexcept {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    if (!pattern.ends_with('*')) return pattern == text;
    return text.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  });
}

Result<Registry> Registry::parse(std::string_view text) {
  if (text.size() > registry_bytes_max) return Error{Errc::bad_config, "is longer than 1 MiB"};
  const auto document = codec::parse_json(text, Errc::bad_config);
  if (!document) return document.error();
  std::optional<Error> fault;
  Members members(*document, "the file", fault);
  members.only({"version", "producers"});
  const auto* version = members.find("version");
  if (version == nullptr || !version->is_int64() || version->get_int64() != 1)
    members.fail("needs \"version\": 1");
  Registry registry;
  if (const auto* list = members.list("producers", producers_max))
    for (const auto& one : *list) registry.producers_.push_back(read_producer(one, fault));
  if (fault) return *fault;
  if (const auto sound = registry.index(); !sound) return sound.error();
  return registry;
}

Result<void> Registry::index() {
  std::map<std::string_view, bool> names;
  places_.clear();
  for (std::size_t i = 0; i < producers_.size(); ++i) {
    const auto& producer = producers_[i];
    if (const auto sound = check(producer); !sound) return sound.error();
    if (!names.emplace(producer.name, true).second)
      return Error{Errc::bad_config, "producer " + producer.name + " stands twice"};
    for (std::size_t j = 0; j < producer.keys.size(); ++j)
      if (!places_.emplace(producer.keys[j].id, std::pair(i, j)).second)
        return Error{Errc::bad_config, "key id " + producer.keys[j].id + " stands twice"};
  }
  return {};
}

std::string Registry::file() const {
  // One producer a line, so that a change shows as one changed line.
  std::string text = "{\"version\": 1, \"producers\": [";
  for (std::size_t i = 0; i < producers_.size(); ++i) {
    const auto& producer = producers_[i];
    json::array keys;
    for (const auto& key : producer.keys) keys.push_back(object_of(key));
    const json::object object{{"name", producer.name},
                              {"tenants", array_of(producer.tenants)},
                              {"sources", array_of(producer.sources)},
                              {"topics", array_of(producer.topics)},
                              {"keys", std::move(keys)}};
    text += (i == 0 ? "\n" : ",\n") + codec::compact_json(object);
  }
  return text + "\n]}\n";
}

bool Registry::holds_secrets() const noexcept {
  return std::any_of(producers_.begin(), producers_.end(), [](const Producer& producer) {
    return std::any_of(producer.keys.begin(), producer.keys.end(), [](const ProducerKey& key) {
      return key.key.algorithm() == crypto::SignatureAlgorithm::hmac_sha256;
    });
  });
}

std::optional<Registry::Found> Registry::find(std::string_view key_id) const {
  const auto found = places_.find(key_id);
  if (found == places_.end()) return std::nullopt;
  const auto& producer = producers_[found->second.first];
  return Found{producer, producer.keys[found->second.second]};
}

Result<void> Registry::add(Producer producer) {
  auto changed = *this;
  const auto same = std::find_if(changed.producers_.begin(), changed.producers_.end(),
                                 [&](const Producer& one) { return one.name == producer.name; });
  if (same == changed.producers_.end()) {
    if (changed.producers_.size() == producers_max)
      return Error{Errc::bad_config, "there are 1,000 producers already"};
    changed.producers_.push_back(std::move(producer));
  } else {
    const bool has_same_rights = same->tenants == producer.tenants &&
                                 same->sources == producer.sources &&
                                 same->topics == producer.topics;
    if (!has_same_rights)
      return Error{Errc::bad_config, "producer " + producer.name +
                                         " exists with other rights: give the same ones to "
                                         "add a key, or edit the file"};
    if (same->keys.size() + producer.keys.size() > keys_of_producer_max)
      return Error{Errc::bad_config, "producer " + producer.name + " has 16 keys already"};
    for (auto& key : producer.keys) same->keys.push_back(std::move(key));
  }
  if (const auto sound = changed.index(); !sound) return sound.error();
  *this = std::move(changed);
  return {};
}

Result<std::size_t> Registry::revoke(std::string_view name, std::string_view key_id,
                                     std::string when) {
  std::size_t known = 0, revoked = 0;
  for (auto& producer : producers_) {
    if (producer.name != name) continue;
    for (auto& key : producer.keys) {
      if (!key_id.empty() && key.id != key_id) continue;
      ++known;
      if (!key.revoked.empty()) continue;
      key.revoked = when;
      ++revoked;
    }
  }
  if (known == 0) return Error{Errc::not_found, "no producer or key of this name is registered"};
  return revoked;
}

}  // namespace memseal::producers
