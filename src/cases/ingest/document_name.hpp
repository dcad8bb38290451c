#pragma once
#include "pure/crypto/tenant.hpp"

#include <string_view>

namespace memseal::ingest {

/// Object in the AAD of a document's sealed name: its SealBinding is {document_object, doc_id, 0},
/// its field document_name.
Uuid document_object(const crypto::IdDeriver& ids, const crypto::Tenant& owner,
                     std::string_view doc_id);

}  // namespace memseal::ingest
