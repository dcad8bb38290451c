#include "app/service/signing_sink.hpp"

#include <utility>

namespace memseal::app {

SigningSink::SigningSink(ports::EventSink& sink, kafka::ChannelTopics topics,
                         producers::Signer signer, runtime::WallClock now_ms)
    : sink_(sink),
      topics_(std::move(topics)),
      signer_(std::move(signer)),
      now_ms_(std::move(now_ms)) {}

boost::asio::awaitable<void> SigningSink::publish(runtime::RequestContext context,
                                                  ports::OutRecord record) {
  const bool is_upload = record.channel == ports::Channel::upload;
  if (is_upload || record.channel == ports::Channel::chat)
    signer_.add_signature(is_upload ? topics_.upload : topics_.chat, record.key, record.event_id,
                          record.event_source, record.value, record.headers,
                          producers::Purpose::event, now_ms_());
  co_await sink_.publish(std::move(context), std::move(record));
}

}  // namespace memseal::app
