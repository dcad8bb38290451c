#pragma once
// What the routes of files share.
#include "cases/knowledge/intake.hpp"
#include "http/routes/call.hpp"
#include "http/routes/wait_preference.hpp"

#include <boost/json/object.hpp>

#include <optional>

namespace memseal::http {

/// Throws Refused{bad_config} where this service keeps no files.
const knowledge::KnowledgeDeps& knowledge_of(const Call& call);

/// The file that the path names. A file of another user is not found either, because the database
/// hides its row.
asio::awaitable<std::optional<knowledge::File>> named_file(Call& call);

/// The file as clients read it.
boost::json::object file_json(const knowledge::File& file);

/// The answer of an upload: 201, or 200 where the user had the file; `more` joins its members.
Response stored_response(const knowledge::TakenFile& taken, boost::json::object more = {});

/// Publishes a file that was stored a moment ago as a document, waits as far as `wait` asks, and
/// answers the upload. The file stays stored whatever becomes of that, so every fault is a member
/// of the answer.
asio::awaitable<Response> index_and_answer(Call& call, knowledge::TakenFile taken,
                                           WaitPreference wait);

/// Publishes the deletion of the document that a file was indexed as, where there is one.
asio::awaitable<void> forget_document_of(Call& call, Uuid file);

}  // namespace memseal::http
