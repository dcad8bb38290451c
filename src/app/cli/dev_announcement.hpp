#pragma once
// What `memseal dev` tells: the printed text, the lines to export, the start page.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace memseal::app {

/// A development service that is ready.
struct DevView {
  std::string program;   ///< path of this program
  std::string url;       ///< of the API
  std::string listen;    ///< "127.0.0.1:7400"
  std::string admin_listen;  ///< "127.0.0.1:7401"; empty: there is no such listener
  std::string admin_token;   ///< of orders to it
  std::string brokers;   ///< where producers find Kafka
  std::string upload_topic, chat_topic, status_topic;
  std::string user, token;
  std::int64_t expires_s = 0;  ///< of the token, Unix seconds
  std::string env_file = {};   ///< holds the exports; empty: none was asked for
};

/// `text` as one word of a shell.
std::string shell_word(const std::string& text);

/// What a second terminal exports, so that every command finds the service. Holds the token.
std::vector<std::pair<std::string, std::string>> exports_of(const DevView& view);
/// `export NAME=value` a line.
std::string export_lines(const DevView& view);

/// For people, and for `--json` one line.
std::string announcement(const DevView& view);
std::string announcement_json(const DevView& view);

/// A page in HTML that says what runs and how to ask. Holds no secret and no path of this machine,
/// because it is served without a token.
std::string start_page(const DevView& view);

}  // namespace memseal::app
