#include "app/service/sealing_sink.hpp"

#include "cases/ingest/sealed_event.hpp"

#include <utility>

namespace memseal::app {

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
    ingest::seal_event(owner, *key, event_id, is_upload ? topics_.upload : topics_.chat, record)
        .value();
  }
  co_await sink_.publish(std::move(context), std::move(record));
}

}  // namespace memseal::app
