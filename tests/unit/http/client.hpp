#pragma once
// A client that says exactly the bytes a test wants said, and waits for answers with a limit.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace memseal::test {

struct Answer {
  int status = 0;                         ///< 0: the connection ended without an answer
  std::multimap<std::string, std::string> fields;  ///< names in lower case
  std::string body;

  std::string field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
  }
  bool has(const std::string& name) const { return fields.contains(name); }
};

class Client {
 public:
  /// `from`: the client's own address on loopback; null: 127.0.0.1.
  explicit Client(std::uint16_t port, int receive_bytes = 0, const char* from = nullptr) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    if (from != nullptr) {
      sockaddr_in own{};
      own.sin_family = AF_INET;
      ::inet_pton(AF_INET, from, &own.sin_addr);
      ::bind(fd_, reinterpret_cast<sockaddr*>(&own), sizeof own);
    }
    if (receive_bytes > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    const timeval limit{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(); }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_),
        received_(std::move(other.received_)) {}
  Client& operator=(Client&&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void say(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// Everything up to and with `mark`; what came when the connection ended first.
  std::string until(std::string_view mark) {
    while (received_.find(mark) == std::string::npos)
      if (!receive()) return std::exchange(received_, {});
    const auto end = received_.find(mark) + mark.size();
    auto text = received_.substr(0, end);
    received_.erase(0, end);
    return text;
  }
  std::string exactly(std::size_t bytes) {
    while (received_.size() < bytes && receive()) {
    }
    auto text = received_.substr(0, bytes);
    received_.erase(0, text.size());
    return text;
  }
  /// True when the server ended the connection and nothing more was there to read.
  bool ended() { return received_.empty() && !receive(); }
  std::string rest() {
    while (receive()) {
    }
    return std::exchange(received_, {});
  }

  /// Reads one answer, whole: by its length, by its chunks, or to the end of the connection.
  Answer answer(bool to_head = false) {
    auto answer = head();
    if (answer.status == 0 || to_head || answer.status == 204) return answer;
    if (answer.has("content-length"))
      answer.body = exactly(std::stoul(answer.field("content-length")));
    else if (answer.field("transfer-encoding") == "chunked")
      while (chunk(answer.body)) {
      }
    else
      answer.body = rest();
    return answer;
  }
  Answer head() {
    Answer answer;
    const auto text = until("\r\n\r\n");
    if (!text.starts_with("HTTP/1.1 ") || text.size() < 12) return answer;
    answer.status = std::atoi(text.c_str() + 9);
    for (auto at = text.find("\r\n") + 2; at + 2 < text.size();) {
      const auto end = text.find("\r\n", at);
      const auto line = text.substr(at, end - at);
      const auto colon = line.find(": ");
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      answer.fields.emplace(name, line.substr(colon + 2));
      at = end + 2;
    }
    return answer;
  }
  /// Appends one chunk's data; false for the last.
  bool chunk(std::string& body) {
    const auto line = until("\r\n");
    const auto size = std::strtoul(line.c_str(), nullptr, 16);
    body += exactly(size);
    exactly(2);
    return size > 0;
  }

 private:
  bool receive() {
    char bytes[4096];
    const auto got = ::recv(fd_, bytes, sizeof bytes, 0);
    if (got <= 0) return false;
    received_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }

  int fd_ = -1;
  bool connected_ = false;
  std::string received_;
};

}  // namespace memseal::test
