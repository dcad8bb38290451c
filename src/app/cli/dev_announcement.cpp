#include "app/cli/dev_announcement.hpp"

#include "pure/codec/rfc3339.hpp"
#include "pure/wire/event_names.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace memseal::app {

namespace json = boost::json;

namespace {

std::string html_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') safe += "&amp;";
    else if (c == '<') safe += "&lt;";
    else if (c == '>') safe += "&gt;";
    else if (c == '"') safe += "&quot;";
    else safe += c;
  }
  return safe;
}

std::string publish_line(const DevView& view, const std::string& program) {
  return shell_word(program) + " publish upload --user " + shell_word(view.user) + " README.md";
}

std::string query_line(const std::string& program) {
  return shell_word(program) + " query \"how do I start?\"";
}

/// The last part of a path. Where the file lies is not for whoever sees the page.
std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string curl_lines(const DevView& view) {
  return "curl -N " + view.url +
         "/api/v1/memory/query -H 'Accept: text/event-stream' \\\n"
         "    -H 'Content-Type: application/json' -d '{\"query\":\"how do I start?\"}' \\\n"
         "    -H \"Authorization: Bearer $MEMSEAL_TOKEN\"";
}

std::string table_row(const char* name, const std::string& value) {
  return std::string("<tr><th>") + name + "</th><td>" + value + "</td></tr>\n";
}

std::string in_code(const std::string& text) { return "<code>" + html_text(text) + "</code>"; }

constexpr const char* page_head =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>memseal dev</title>\n"
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;"
    "padding:0 1rem;color-scheme:light dark}th{text-align:left;padding-right:1.5rem;"
    "vertical-align:top}pre{overflow:auto;padding:.8rem;border:1px solid;border-radius:.3rem}"
    "</style></head>\n<body><h1>memseal is running</h1>\n"
    "<p>A development service: its keys and data are for trying things.</p>\n<table>\n";

}  // namespace

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./:=@%+,-").find(c) != std::string_view::npos;
  });
  if (plain) return text;
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'')
      word += "'\\''";
    else
      word += c;
  }
  return word + "'";
}

std::vector<std::pair<std::string, std::string>> exports_of(const DevView& view) {
  std::vector<std::pair<std::string, std::string>> all{
      {"MEMSEAL__KAFKA__BROKERS", view.brokers}, {"MEMSEAL__HTTP__LISTEN", view.listen}};
  if (view.upload_topic != wire::upload_event_name)
    all.emplace_back("MEMSEAL__KAFKA__UPLOAD_TOPIC", view.upload_topic);
  if (view.chat_topic != wire::chat_event_name)
    all.emplace_back("MEMSEAL__KAFKA__CHAT_TOPIC", view.chat_topic);
  if (view.status_topic != "memory.status.v1")
    all.emplace_back("MEMSEAL__KAFKA__STATUS_TOPIC", view.status_topic);
  if (!view.admin_listen.empty()) {
    all.emplace_back("MEMSEAL__HTTP__ADMIN_LISTEN", view.admin_listen);
    all.emplace_back("MEMSEAL__HTTP__ADMIN_TOKEN", view.admin_token);
  }
  all.emplace_back("MEMSEAL_TOKEN", view.token);
  return all;
}

std::string export_lines(const DevView& view) {
  std::string lines;
  for (const auto& [name, value] : exports_of(view))
    lines += "export " + name + "=" + shell_word(value) + "\n";
  return lines;
}

std::string announcement(const DevView& view) {
  std::string text = "memseal is ready: " + view.url + "\n\nIn a second terminal:\n\n";
  text += view.env_file.empty() ? export_lines(view) : ". " + shell_word(view.env_file) + "\n";
  text += "\n" + publish_line(view, view.program) + "\n" + query_line(view.program) +
          "\n\nOr by HTTP:\n\n" + curl_lines(view) + "\n\n";
  text += "The token speaks for user " + view.user + " until " +
          codec::format_rfc3339(view.expires_s * 1'000) + ".\nKafka is at " + view.brokers +
          " (topics " + view.upload_topic + ", " + view.chat_topic +
          ").\nNo request is limited here. Ctrl-C stops everything.\n";
  return text;
}

std::string announcement_json(const DevView& view) {
  json::object environment;
  for (const auto& [name, value] : exports_of(view)) environment[name] = value;
  const json::object line{{"url", view.url},
                          {"kafka", view.brokers},
                          {"topics", json::object{{"upload", view.upload_topic},
                                                  {"chat", view.chat_topic},
                                                  {"status", view.status_topic}}},
                          {"user", view.user},
                          {"token", view.token},
                          {"token_expires_at", codec::format_rfc3339(view.expires_s * 1'000)},
                          {"program", view.program},
                          {"env", std::move(environment)}};
  return json::serialize(line) + "\n";
}

std::string start_page(const DevView& view) {
  std::string page = page_head;
  page += table_row("API", in_code(view.url) +
                               ", described at <a href=\"/openapi.json\">/openapi.json</a>");
  page += table_row("state", "<a href=\"/ready\">/ready</a>, <a href=\"/version\">/version</a>");
  page += table_row("Kafka", in_code(view.brokers) + ", topics " + in_code(view.upload_topic) +
                                 ", " + in_code(view.chat_topic) + "; outcomes on " +
                                 in_code(view.status_topic));
  page += table_row("token", "for user " + in_code(view.user) + ", valid until " +
                           html_text(codec::format_rfc3339(view.expires_s * 1'000)) +
                           "; the terminal of <code>memseal dev</code> shows it");
  page += "</table>\n<h2>Store and ask</h2>\n<pre>";
  page += view.env_file.empty() ? "# paste the `export` lines that `memseal dev` printed\n"
                                : "# in the folder of the file that --env-file named\n. " +
                                      html_text(shell_word("./" + file_name(view.env_file))) + "\n";
  const auto program = file_name(view.program);
  page += html_text(publish_line(view, program)) + "\n" + html_text(query_line(program)) +
          "</pre>\n<pre>" + html_text(curl_lines(view)) + "</pre>\n</body></html>\n";
  return page;
}

}  // namespace memseal::app
