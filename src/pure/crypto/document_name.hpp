#pragma once
#include "pure/crypto/tenant.hpp"

#include <string_view>

namespace memseal::crypto {

/// Object in the AAD of a document's sealed name: its SealBinding is {document_object, doc_id, 0},
/// its field document_name.
inline Uuid document_object(const IdDeriver& ids, const Tenant& owner, std::string_view doc_id) {
  return ids.event_id(owner, "memseal/document-name", doc_id);
}

}  // namespace memseal::crypto
