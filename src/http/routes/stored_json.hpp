#pragma once
// How what is stored looks in JSON: the same in the lists and in an export.
#include "cases/query/browse.hpp"
#include "ports/person_store.hpp"
#include "pure/crypto/sealer.hpp"

#include <boost/json/object.hpp>

#include <string>

namespace memseal::http {

namespace json = boost::json;

/// Without the members of add_meta().
json::object listed_document(const query::Shown& shown);
/// Adds media type and attributes of a document, from what is sealed beside its texts.
void add_meta(json::object& document, const std::string& meta);
json::object listed_chunk(const crypto::Passage& passage);
json::object listed_conversation(const query::Shown& shown);
/// A turn, or the part of a long one that was stored by itself.
json::object listed_turn(const crypto::Passage& passage);
/// Adds state, time of erasure and counts.
void add_person_state(json::object& shown, const ports::PersonState& state);

}  // namespace memseal::http
