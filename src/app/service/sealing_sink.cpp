#include "app/service/sealing_sink.hpp"

#include "cases/ingest/sealed_event.hpp"
#include "pure/trace/context.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace memseal::app {

namespace {

bool is_of_trace(const std::pair<std::string, std::string>& header) {
  return header.first == trace::parent_header;
}

}  // namespace

SealingSink::SealingSink(ports::EventSink& sink, kafka::ChannelTopics topics,
                         ports::TenantKeys& keys, const crypto::TenantKeyer& tenants,
                         const crypto::IdDeriver& ids, bool seals)
    : sink_(sink),
      topics_(std::move(topics)),
      keys_(keys),
      tenants_(tenants),
      ids_(ids),
      seals_(seals) {}

boost::asio::awaitable<void> SealingSink::publish(runtime::RequestContext context,
                                                  ports::OutRecord record) {
  const bool is_upload = record.channel == ports::Channel::upload;
  if (seals_ && (is_upload || record.channel == ports::Channel::chat)) {
    const auto owner = tenants_.tenant_of(UserId::parse(record.key).value());
    const auto key = co_await keys_.sealing_key(context, owner);
    const auto event_id = ids_.event_id(owner, record.event_source, record.event_id);
    // They stand beside the seal, because whoever takes the record reads them before it is opened.
    std::vector<std::pair<std::string, std::string>> of_trace;
    std::ranges::copy_if(record.headers, std::back_inserter(of_trace), is_of_trace);
    ingest::seal_event(owner, *key, event_id, is_upload ? topics_.upload : topics_.chat, record)
        .value();
    record.headers.insert(record.headers.end(), of_trace.begin(), of_trace.end());
  }
  co_await sink_.publish(std::move(context), std::move(record));
}

}  // namespace memseal::app
