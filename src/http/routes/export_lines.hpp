#pragma once
// Everything that is stored of one person, as lines of JSON (NDJSON), page by page.
//
//   {"type":"export","version":1,"user_id":…,"exported_at":…}           first
//   {"type":"document", …}, then its {"type":"chunk","doc_id":…, …}
//   {"type":"conversation", …}, then its {"type":"turn","conversation":…, …}
//   {"type":"file", …}
//   {"type":"end","documents":n,"chunks":n,"conversations":n,"turns":n,"files":n,"unopened":n}
//
// The last line says how many of each there are: an export without it was cut.
#include "cases/knowledge/files.hpp"
#include "cases/query/browse.hpp"
#include "runtime/context.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace memseal::http {

namespace asio = boost::asio;

/// Whose data is exported, and from where. Lifetime: what it refers to outlives the export.
struct ExportSource {
  const query::BrowseDeps& browse;
  const knowledge::KnowledgeDeps* knowledge;  ///< null: no files are kept
  crypto::Tenant who;
  std::string user_id;    ///< empty: an operator knows the hash alone
  std::int64_t now_ms;  ///< Unix milliseconds
  /// Gives each step a deadline of its own.
  std::function<runtime::RequestContext()> step;
};

/// Takes whole lines. Returns when it is ready for more, which bounds what is in memory: a page of
/// 50 chunks.
using LineSink = std::function<asio::awaitable<void>(std::string)>;

/// Sends all lines. What is written meanwhile may be in it or not. Throws Failure, and what `sink`
/// throws.
asio::awaitable<void> export_lines(const ExportSource& source, const LineSink& sink);

}  // namespace memseal::http
