#pragma once
// An embeddings endpoint of the test's own, plain or TLS, that answers what a test wants.
#include "pure/codec/ascii.hpp"
#include "support/scripted_server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace memseal::openai::testing {

namespace json = boost::json;

using test::Identity;

struct Seen {
  std::string target, body, authorization, host;
  std::size_t connection = 0;  ///< 1, 2… in the order of acceptance
};

struct Reply {
  unsigned status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool drop = false;        ///< end the connection without an answer
  bool hang = false;        ///< never answer
  bool then_close = false;  ///< answer as if the connection stayed, then end it
};

using Handler = std::function<Reply(const Seen&)>;

/// An answer with `vectors` in their order.
inline std::string answer_of(const std::vector<std::vector<double>>& vectors) {
  json::array data;
  for (std::size_t i = 0; i < vectors.size(); ++i)
    data.push_back(json::object{{"object", "embedding"},
                                {"index", i},
                                {"embedding", json::array(vectors[i].begin(), vectors[i].end())}});
  return json::serialize(json::object{{"object", "list"}, {"data", std::move(data)}});
}

inline std::vector<std::string> texts_of(const Seen& seen) {
  std::vector<std::string> texts;
  const auto body = json::parse(seen.body);
  for (const auto& text : body.at("input").as_array())
    texts.emplace_back(text.as_string().c_str());
  return texts;
}

/// The usual endpoint: a vector of three numbers that tells the text's length.
inline Reply embed_lengths(const Seen& seen) {
  std::vector<std::vector<double>> vectors;
  for (const auto& text : texts_of(seen)) {
    std::vector<double> vector{static_cast<double>(text.size()), 1.0, 0.0};
    vectors.push_back(std::move(vector));
  }
  return {.body = answer_of(vectors)};
}

/// The value of a field in a request's head; "" where there is none.
inline std::string field_of(std::string_view request, std::string_view name) {
  auto head = request.substr(0, request.find("\r\n\r\n"));
  while (!head.empty()) {
    const auto line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(line.size() + 2, head.size()));
    const auto colon = line.find(':');
    if (colon != line.npos && codec::equal_ignoring_case(line.substr(0, colon), name))
      return std::string(codec::trimmed(line.substr(colon + 1)));
  }
  return "";
}

class Server {
 public:
  explicit Server(Handler handler, const Identity* identity = nullptr)
      : handler_(std::move(handler)),
        server_([this](test::Peer& peer) { serve(peer); }, identity) {}

  std::string url(const std::string& host = "127.0.0.1") const { return server_.url(host) + "/v1"; }
  void answer_by(Handler handler) {
    const std::lock_guard lock(guard_);
    handler_ = std::move(handler);
  }
  std::vector<Seen> seen() const {
    const std::lock_guard lock(guard_);
    return seen_;
  }
  void forget() {
    const std::lock_guard lock(guard_);
    seen_.clear();
  }

 private:
  void serve(test::Peer& peer) {
    for (auto request = peer.read_request(); !request.empty(); request = peer.read_request()) {
      const auto reply = reply_to(request, peer.number());
      if (reply.drop) return;
      if (reply.hang) return peer.wait_for_end();
      std::string fields;
      for (const auto& [name, value] : reply.headers) fields += name + ": " + value + "\r\n";
      const auto status = std::to_string(reply.status) + " Reply";
      if (!peer.send(test::response_of(status, reply.body, fields)) || reply.then_close) return;
    }
  }
  Reply reply_to(const std::string& request, std::size_t number) {
    const auto target = request.find(' ') + 1;
    const std::lock_guard lock(guard_);
    seen_.push_back({request.substr(target, request.find(' ', target) - target),
                     request.substr(request.find("\r\n\r\n") + 4),
                     field_of(request, "Authorization"), field_of(request, "Host"), number});
    return handler_(seen_.back());
  }

  mutable std::mutex guard_;
  Handler handler_;
  std::vector<Seen> seen_;
  test::ScriptedServer server_;  ///< last, because its threads use what stands above
};

}  // namespace memseal::openai::testing
