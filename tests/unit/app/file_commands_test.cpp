// `upload` and `files`, against a service that keeps what it is sent.
#include "app/service/exit_code.hpp"
#include "base/ids.hpp"
#include "pure/codec/base64.hpp"
#include "pure/codec/url.hpp"
#include "support/run_program.hpp"
#include "support/scripted_server.hpp"
#include "support/temp_directory.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace memseal::app {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using test::Peer;
using test::response_of;
using test::run_program;

bool holds(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// Answers as the service does, as far as the commands ask. Thread: that of each connection.
class FileService {
 public:
  FileService() : server_([this](Peer& peer) { serve(peer); }) {}

  std::string url() const { return server_.url(); }
  /// Names in the order of their arrival.
  std::vector<std::string> sent() {
    const std::lock_guard lock(guard_);
    return std::exchange(sent_, {});
  }
  std::vector<std::string> requests() {
    const std::lock_guard lock(guard_);
    return std::exchange(requests_, {});
  }

  std::size_t page = 100;               ///< files of one page of the list
  std::set<std::string> too_large;      ///< names that are answered 413
  std::set<std::string> busy_once;      ///< names whose first upload is answered 429
  std::set<std::string> cut;            ///< names at which the service ends the connection
  std::set<std::string> unfit;          ///< names that cannot be indexed
  std::map<std::string, std::string> chunks;  ///< id → text of its only chunk
  std::string more_content;             ///< follows each content that is fetched
  std::string name_of_all;              ///< that files are listed with; empty: their own

 private:
  struct Kept {
    std::string name, sha256, content;
  };

  void serve(Peer& peer) {
    for (;;) {
      const auto request = peer.read_request();
      if (request.empty()) return;
      const std::lock_guard lock(guard_);
      const auto line = request.substr(0, request.find(" HTTP/1.1"));
      requests_.push_back(line);
      const auto answer = answer_to(line, request);
      if (answer.empty() || !peer.send(answer)) return;
    }
  }

  static std::string field(const std::string& request, const std::string& name) {
    const auto at = request.find("\r\n" + name + ": ");
    if (at == request.npos) return "";
    const auto from = at + name.size() + 4;
    return request.substr(from, request.find("\r\n", from) - from);
  }

  std::string answer_to(const std::string& line, const std::string& request) {
    const std::string files = " /api/v1/knowledge/files";
    if (line.starts_with("POST" + files)) return take(line, request);
    if (line == "POST /api/v1/knowledge/index")
      return response_of("202 Accepted", R"({"operation":{"id":"o","state":"queued","chunks":0}})");
    if (line.starts_with("GET" + files + "?")) return list(line);
    const auto path = line.substr(line.find(files) + files.size() + 1);
    const auto id = path.substr(0, path.find('/'));
    if (!kept_.contains(id)) return response_of("404 Not Found", R"({"detail":"Not found"})");
    if (line.starts_with("DELETE ")) {
      kept_.erase(id);
      return "HTTP/1.1 204 No Content\r\n\r\n";
    }
    if (path.ends_with("/content"))
      return response_of("200 OK", kept_.at(id).content + more_content);
    if (holds(path, "/chunks")) {
      json::array all;
      if (chunks.contains(id))
        all.push_back({{"text", chunks.at(id)}, {"char_start", 0}, {"char_end", 3}});
      return response_of("200 OK", json::serialize(json::object{{"chunks", all}}));
    }
    return response_of("200 OK", json::serialize(json::object{{"file", described(id)}}));
  }

  std::string take(const std::string& line, const std::string& request) {
    const auto name = codec::percent_decode(field(request, "X-Memseal-Name")).value_or("?");
    if (cut.contains(name)) return "";
    if (too_large.contains(name))
      return response_of("413 Content Too Large",
                         R"({"code":"payload_too_large","detail":"too large"})");
    if (busy_once.erase(name) > 0)
      return response_of("429 Too Many Requests", "{}", "Retry-After: 0\r\n");
    const auto digest = field(request, "Content-Digest");
    const auto bytes = codec::decode_base64(digest.substr(9, digest.size() - 10),
                                            codec::Base64::standard);
    const auto id = "id-" + name;
    kept_[id] = {name, to_hex(bytes->data(), bytes->size()),
                 request.substr(request.find("\r\n\r\n") + 4)};
    sent_.push_back(name);
    json::object body{{"file", described(id)}};
    if (holds(line, "index=true") && unfit.contains(name))
      body["index_error"] = json::object{{"code", "unsupported_media_type"},
                                         {"detail", "no text"},
                                         {"suggestion", "convert it"}};
    else if (holds(line, "index=true"))
      body["operation"] = json::object{{"id", "o"}, {"state", "succeeded"}, {"chunks", 3}};
    return response_of("201 Created", json::serialize(body));
  }

  std::string list(const std::string& line) {
    const auto at = line.find("cursor=");
    auto from = kept_.begin();
    if (at != line.npos)
      from = kept_.upper_bound(codec::percent_decode(line.substr(at + 7)).value_or(""));
    json::object body{{"files", json::array()}, {"next_cursor", nullptr}};
    auto& listed = body["files"].as_array();
    for (; from != kept_.end(); ++from) {
      if (listed.size() == page) {
        body["next_cursor"] = std::prev(from)->first;
        break;
      }
      listed.push_back(described(from->first));
    }
    return response_of("200 OK", json::serialize(body));
  }

  json::object described(const std::string& id) const {
    const auto& kept = kept_.at(id);
    return {{"id", id},
            {"name", name_of_all.empty() ? kept.name : name_of_all},
            {"bytes", kept.content.size()},
            {"tags", json::array()},
            {"sha256", kept.sha256},
            {"created_at", "2026-11-29T03:04:05Z"}};
  }

  std::mutex guard_;
  std::vector<std::string> sent_, requests_;
  std::map<std::string, Kept> kept_;  // by id
  test::ScriptedServer server_;       // last, because its threads use the rest
};

class FileCommands : public testing::Test {
 protected:
  FileCommands() { ::unsetenv("MEMSEAL_TOKEN"); }

  std::string write(const std::string& name, const std::string& content) {
    const auto place = folder / name;
    fs::create_directories(place.parent_path());
    std::ofstream(place, std::ios::binary) << content;
    return place.string();
  }
  test::Ran run(std::vector<std::string> words) {
    words.insert(words.end(), {"--url", service.url(), "--token", "t"});
    return run_program(std::move(words));
  }
  static std::string read(const fs::path& place) {
    std::ifstream in(place, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }

  FileService service;
  const test::TempDirectory directory;
  const fs::path folder = directory.path();
};

TEST_F(FileCommands, AnUploadSendsADirectoryInItsOrderAndWhatHasChangedLater) {
  write("d/b.txt", "b");
  write("d/a/2.txt", std::string(700'000, '2'));
  write("d/a/1 ä.txt", "1");
  write("d/.git/config", "hidden");
  fs::create_symlink("/etc/hostname", folder / "d/link");
  service.page = 2;
  const auto place = (folder / "d").string();
  auto ran = run({"upload", place, "--parallel", "1", "--tag", "x,y"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_EQ(service.sent(), (std::vector<std::string>{"a/1 ä.txt", "a/2.txt", "b.txt"}));
  EXPECT_TRUE(holds(ran.out, "/d/a/2.txt: stored, ")) << ran.out;
  EXPECT_TRUE(holds(ran.out, "(id-a/2.txt)\n")) << ran.out;
  EXPECT_TRUE(holds(ran.err, "/d/link: it is a link\n")) << ran.err;
  EXPECT_TRUE(holds(ran.err, "skipped 1 hidden files or folders\n")) << ran.err;
  EXPECT_TRUE(holds(ran.err, "memseal: 3 stored, 0 unchanged, 0 failed\n")) << ran.err;
  write("d/b.txt", "c");
  ran = run({"upload", place, "--json"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_EQ(service.sent(), std::vector<std::string>{"b.txt"});
  const auto last = json::parse(ran.out.substr(ran.out.rfind('\n', ran.out.size() - 2) + 1));
  EXPECT_EQ(last.at("name"), "b.txt");
  EXPECT_EQ(last.at("state"), "stored");
  EXPECT_EQ(last.at("file").at("id"), "id-b.txt");
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 3);
  const auto named = run({"upload", write("x", "x"), "--name", "y"});
  EXPECT_EQ(service.sent(), std::vector<std::string>{"y"}) << named.err;
}

TEST_F(FileCommands, AnUploadSaysWhichFilesFailedAndGoesOnLater) {
  for (const std::string name : {"a", "b", "c", "d"}) write("d/" + name, name);
  service.too_large = {"b"};
  service.busy_once = {"c"};
  const auto place = (folder / "d").string();
  auto ran = run({"upload", place, "--parallel", "1"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_TRUE(holds(ran.err, "/d/b: HTTP 413: too large\n")) << ran.err;
  EXPECT_TRUE(holds(ran.err, "3 stored, 0 unchanged, 1 failed\n")) << ran.err;
  EXPECT_EQ(service.sent(), (std::vector<std::string>{"a", "c", "d"}));
  for (const std::string name : {"e", "f"}) write("d/" + name, name);
  service.too_large.clear();
  service.cut = {"e"};
  ran = run({"upload", place, "--parallel", "1", "--json"});
  EXPECT_EQ(ran.code, exit_not_ready);
  EXPECT_EQ(service.sent(), std::vector<std::string>{"b"});
  EXPECT_TRUE(holds(ran.out, R"("name":"f","state":"not_sent")")) << ran.out;
  EXPECT_TRUE(holds(ran.err, "not sent: 1 file; the same command goes on")) << ran.err;
  service.cut.clear();
  ran = run({"upload", place});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  auto rest = service.sent();
  std::sort(rest.begin(), rest.end());
  EXPECT_EQ(rest, (std::vector<std::string>{"e", "f"}));
}

TEST_F(FileCommands, AnUploadIndexesAndSaysHowManyPiecesThereAre) {
  write("d/a.md", "tea");
  write("d/b.pdf", "%PDF");
  service.unfit = {"b.pdf"};
  const auto place = (folder / "d").string();
  auto ran = run({"upload", place, "--index", "--wait", "--parallel", "1"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_TRUE(holds(ran.out, "/d/a.md: stored, 3 chunks, ")) << ran.out;
  EXPECT_TRUE(holds(ran.out, "/d/b.pdf: stored, not indexed: no text (convert it), ")) << ran.out;
  // What an earlier call has stored and not indexed is indexed now.
  service.chunks = {{"id-b.pdf", "one"}};
  service.requests();
  ran = run({"upload", place, "--index", "--parallel", "1"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_TRUE(holds(ran.out, "/d/a.md: unchanged, indexing is queued, ")) << ran.out;
  const auto asked = service.requests();
  EXPECT_EQ(std::count(asked.begin(), asked.end(), "POST /api/v1/knowledge/index"), 1);
  EXPECT_TRUE(service.sent().size() == 2u) << "of the first call";
  EXPECT_EQ(run({"upload", place, "--wait"}).code, exit_usage) << "there is nothing to wait for";
}

TEST_F(FileCommands, AnUploadSendsNothingWhereAWordIsWrong) {
  const auto sound = write("a", "a");
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"upload", sound, (folder / "none").string()},
           {"upload", folder.string(), "--name", "x"},
           {"upload", sound, "--name", std::string(300, 'x')},
           {"upload", "/dev/null"}}) {
    const auto ran = run(words);
    EXPECT_EQ(ran.code, exit_failed) << words[1];
    EXPECT_TRUE(holds(ran.err, "memseal: nothing was sent\n")) << ran.err;
  }
  EXPECT_EQ(run({"upload", sound, sound, "--name", "x"}).code, exit_usage);
  EXPECT_TRUE(service.requests().empty());
}

TEST_F(FileCommands, AListHasAllPagesAndCommandsNoTerminal) {
  for (const std::string name : {"a", "b", "c"}) write("d/" + name, name);
  run({"upload", (folder / "d").string()});
  service.page = 2;
  service.name_of_all = "x\x1b[2J\xe2\x80\xae" "fdp\xc2\x9b" "1m";
  auto ran = run({"files", "list"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 3);
  EXPECT_TRUE(ran.out.starts_with("2026-11-29 03:04            1  id-a  x ")) << ran.out;
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"files", "list"}, {"files", "list", "--json"}, {"files", "show", "id-a"},
           {"files", "rm", "--yes", "id-a"}}) {
    ran = run(words);
    EXPECT_EQ(ran.code, exit_ok) << ran.err;
    for (const std::string bad : {"\x1b", "\xe2\x80\xae", "\xc2\x9b"})
      EXPECT_FALSE(holds(ran.out + ran.err, bad)) << words[1];
  }
  EXPECT_EQ(run({"files", "show", "id-a"}).code, exit_not_found);
  service.chunks = {{"id-b", "tea\x1b"}};
  EXPECT_EQ(run({"files", "show", "id-b", "--chunks"}).out, "[0-3]\ntea\\u001b\n");
}

TEST_F(FileCommands, AFileIsFetchedWholeOrNotAtAll) {
  const std::string content("ab\0c", 4);
  run({"upload", write("a.bin", content)});
  const auto target = folder / "got";
  write("got", "before");
  service.more_content = "x";
  auto ran = run({"files", "get", "id-a.bin", "-o", target.string()});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(read(target), "before");
  EXPECT_EQ(entries(), 2u) << "nothing is left behind";
  service.more_content.clear();
  ran = run({"files", "get", "id-a.bin", "-o", target.string(), "--json"});
  EXPECT_EQ(ran.code, exit_ok) << ran.err;
  EXPECT_EQ(json::parse(ran.out).at("path"), json::value(target.string()));
  EXPECT_EQ(read(target), content);
  fs::create_directory(folder / "in");
  service.name_of_all = "../../b.bin";
  EXPECT_EQ(run({"files", "get", "id-a.bin", "-o", (folder / "in").string()}).code, exit_ok);
  EXPECT_EQ(read(folder / "in/b.bin"), content);
  service.name_of_all = "..";
  EXPECT_EQ(run({"files", "get", "id-a.bin", "-o", (folder / "in").string()}).code, exit_usage);
  EXPECT_EQ(run({"files", "get", "id-a.bin", "-o", "/dev/null"}).code, exit_ok);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  ran = run({"files", "get", "id-a.bin", "-o", "/dev/full"});
  EXPECT_EQ(ran.code, exit_failed);
  EXPECT_EQ(ran.err, "memseal: cannot write /dev/full: No space left on device\n");
  EXPECT_EQ(run({"files", "get", "id-a.bin"}).out, content) << "standard output is a file here";
  EXPECT_EQ(run({"files", "get", "none", "-o", (folder / "new").string()}).code, exit_not_found);
  EXPECT_FALSE(fs::exists(folder / "new"));
}

TEST_F(FileCommands, ADeletionAsksFirst) {
  run({"upload", write("a", "a")});
  const auto ran = run({"files", "rm", "id-a"});
  EXPECT_EQ(ran.code, exit_usage);
  EXPECT_TRUE(holds(ran.err, "give --yes")) << ran.err;
  EXPECT_EQ(run({"files", "rm", "none", "id-a", "-y"}).code, exit_not_found);
  EXPECT_TRUE(holds(run({"files", "list"}).err, "this user has no file"));
}

}  // namespace
}  // namespace memseal::app
