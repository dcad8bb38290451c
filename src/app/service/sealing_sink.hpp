#pragma once
// Seals what the service itself publishes, so that no text of a client lies in Kafka in the clear.
#include "adapters/kafka/sink.hpp"
#include "ports/event_sink.hpp"
#include "ports/tenant_keys.hpp"
#include "pure/crypto/tenant.hpp"

#include <boost/asio/awaitable.hpp>

namespace memseal::app {

/// Seals each record of an event under its tenant's key (ingest/sealed_event.hpp), signature and
/// all, and hands all records on. The key of the record names the user until then.
/// Throws also what TenantKeys::sealing_key() throws.
/// Thread: that of the sink. Time: AES-GCM of the value, on the caller's thread.
class SealingSink final : public ports::EventSink {
 public:
  /// `seals`: false hands records on as they are, for workers of an older release.
  SealingSink(ports::EventSink& sink, kafka::ChannelTopics topics, ports::TenantKeys& keys,
              const crypto::TenantKeyer& tenants, const crypto::IdDeriver& ids, bool seals);

  boost::asio::awaitable<void> publish(runtime::RequestContext context,
                                       ports::OutRecord record) override;
  bool reachable() const noexcept override { return sink_.reachable(); }

 private:
  ports::EventSink& sink_;
  const kafka::ChannelTopics topics_;
  ports::TenantKeys& keys_;
  const crypto::TenantKeyer& tenants_;
  const crypto::IdDeriver& ids_;
  const bool seals_;
};

}  // namespace memseal::app
